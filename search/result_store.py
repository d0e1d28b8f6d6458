"""Frozen result lists, so that pages neither repeat nor skip while posts come and go.

A list is stored in Redis under a random key; a cursor is that key and a position, signed for its
viewer. When Redis is unavailable, the cursor itself holds the next results. Either way visibility
is checked again for every page.
"""

import base64
import json
import logging
import secrets
import struct
import time
import zlib
from dataclasses import dataclass, replace
from typing import TypedDict, get_args
from uuid import UUID

from django.core import signing
from redis import RedisError

from accounts.viewer import Viewer
from search.fusion import Hit, Method
from search.query import QueryType
from smimso.errors import InvalidInput
from smimso.redis import redis_client

logger = logging.getLogger(__name__)

TTL_SECONDS = 30 * 60
MAX_INLINE = 80  # results inside a cursor, which makes a URL of 3 kB
_KEY = "smimso:search:{}"
_METHODS: tuple[Method, ...] = get_args(Method)
_ROW = struct.Struct(">16s16sHBH")


class Metadata(TypedDict):
    """Facts about the search that each page repeats. The keys are part of stored lists."""

    ai: bool
    caption: str
    kind: QueryType
    words: list[str]


@dataclass(frozen=True)
class ResultList:
    """A frozen list. key: in Redis; blank if not stored. start: position of the next page."""

    hits: list[Hit]
    metadata: Metadata
    key: str = ""
    start: int = 0


def store(results: ResultList) -> ResultList:
    """Store the list in Redis and return it with its key, or without one if Redis is away."""
    key = secrets.token_urlsafe(12)
    data = _pack(results.hits, results.metadata)
    try:
        redis_client().set(_KEY.format(key), data, ex=TTL_SECONDS)
    except RedisError as error:
        logger.warning("Could not store a result list: %s", error)
        return results
    return replace(results, key=key)


def make_cursor(viewer: Viewer, results: ResultList, start: int) -> str:
    """Return the signed cursor of the page that begins at `start`."""
    if results.key:
        return _signer(viewer).sign(f"{results.key}.{start}")
    rest = _pack(results.hits[start : start + MAX_INLINE], results.metadata)
    body = base64.urlsafe_b64encode(rest).decode().rstrip("=")
    return _signer(viewer).sign(f"~{body}.{int(time.time())}")


def load(viewer: Viewer, cursor: str) -> ResultList:
    """Return the list that a cursor leads to.

    Raises InvalidInput if the cursor is malformed, another viewer's or expired.
    """
    try:
        body, _, text = _signer(viewer).unsign(cursor).rpartition(".")
        number = int(text)  # a position, or the time when an inline cursor was made
    except (signing.BadSignature, ValueError) as error:
        raise InvalidInput("search_cursor_invalid") from error
    if body.startswith("~"):
        if time.time() - number > TTL_SECONDS:
            raise InvalidInput("search_expired")
        padded = body[1:] + "=" * (-len(body[1:]) % 4)
        return ResultList(*_unpack(base64.urlsafe_b64decode(padded)))
    try:
        data = redis_client().get(_KEY.format(body))
    except RedisError as error:
        logger.warning("Could not read a result list: %s", error)
        data = None
    if data is None:
        raise InvalidInput("search_expired")
    return ResultList(*_unpack(data), key=body, start=number)


def _signer(viewer: Viewer) -> signing.Signer:
    reader = viewer.pk if viewer is not None and viewer.is_authenticated else "visitor"
    return signing.Signer(salt=f"search.lists:{reader}")


def _pack(hits: list[Hit], metadata: Metadata) -> bytes:
    rows = b"".join(
        _ROW.pack(
            hit.post_id.bytes,
            hit.image_id.bytes,
            round(hit.score * 10_000),
            _METHODS.index(hit.method),
            hit.matched,
        )
        for hit in hits
    )
    head = json.dumps(metadata).encode()
    return zlib.compress(struct.pack(">I", len(head)) + head + rows)


def _unpack(data: bytes) -> tuple[list[Hit], Metadata]:
    raw = zlib.decompress(data)
    (size,) = struct.unpack_from(">I", raw)
    hits = [
        Hit(UUID(bytes=post), UUID(bytes=image), score / 10_000, _METHODS[method], matched)
        for post, image, score, method, matched in _ROW.iter_unpack(raw[4 + size :])
    ]
    return hits, json.loads(raw[4 : 4 + size])
