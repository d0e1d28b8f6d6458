"""Search for similar perceptual hashes, with indexes on four 16-bit bands of each hash.

Multi-index hashing: if two 64-bit hashes differ in at most 7 bits, one of their bands differs in
at most one bit (Norouzi et al. 2012, "Fast Search in Hamming Space with Multi-Index Hashing").
"""

from functools import reduce
from operator import or_

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.expressions import CombinedExpression

BAND_SHIFTS = (48, 32, 16, 0)
BAND_MASKS = (0, *(1 << bit for bit in range(16)))  # differences of one band that are looked up
MAX_HASH_DISTANCE = 7  # bits; at 8, hashes that differ in two bits of each band would be missed


def phash_band(shift: int) -> CombinedExpression:
    """Return the 16 bits of `perceptual_hash` from bit `shift` on, as the indexes have them."""
    return F("perceptual_hash").bitrightshift(shift).bitand(0xFFFF)


def shares_band(perceptual_hash: int) -> Q:
    """Return the condition that one of the bands `band_<shift>` differs in at most one bit."""
    similar = []
    for shift in BAND_SHIFTS:
        band = perceptual_hash >> shift & 0xFFFF
        similar.append(Q(**{f"band_{shift}__in": [band ^ mask for mask in BAND_MASKS]}))
    return reduce(or_, similar)


class HashDistance(Func):
    """The number of bits, 0..64, in which two hashes differ."""

    template = "bit_count((%(expressions)s)::bit(64))"
    arg_joiner = " # "
    output_field = models.IntegerField()
