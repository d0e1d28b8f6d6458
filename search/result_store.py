"""Results stay as they were found while one turns their pages.

The list is kept in Redis under a random name; a cursor is that name and a place, signed for its
viewer. When Redis is away, the cursor itself holds the next results. Either way visibility is
checked again for every page.
"""

import base64
import json
import logging
import secrets
import struct
import time
import zlib
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

from django.core import signing
from redis import RedisError

from search.fusion import Hit, Method
from smimso.errors import InvalidInput
from smimso.redis import redis_client

logger = logging.getLogger(__name__)

TTL_SECONDS = 30 * 60
MAX_INLINE = 80  # results in a cursor of its own; such an address has 3 kB
_KEY = "smimso:search:{}"
_METHODS: tuple[Method, ...] = get_args(Method)
_ROW = struct.Struct(">16s16sHBH")


@dataclass(frozen=True)
class ResultList:
    """A frozen list. about: what pages say of the search; JSON. name: in Redis, once kept."""

    ranked: list[Hit]
    about: dict[str, Any]
    name: str = ""
    start: int = 0


def store(found: ResultList, *, redis_away: bool = False) -> ResultList:
    """Kept in Redis, or as it is when Redis is away; then its cursors carry it."""
    if redis_away:
        return found
    name = secrets.token_urlsafe(12)
    try:
        redis_client().set(_KEY.format(name), _pack(found.ranked, found.about), ex=TTL_SECONDS)
    except RedisError as error:
        logger.warning("A list of results is not kept: %s", error)
        return found
    return ResultList(found.ranked, found.about, name)


def make_cursor(viewer: Any, found: ResultList, start: int) -> str:
    """Of the page that begins at `start`."""
    if found.name:
        return _signer(viewer).sign(f"{found.name}.{start}")
    rest = _pack(found.ranked[start : start + MAX_INLINE], found.about)
    body = base64.urlsafe_b64encode(rest).decode().rstrip("=")
    return _signer(viewer).sign(f"~{body}.{int(time.time())}")


def load(viewer: Any, text: str) -> ResultList:
    """What a cursor leads to. Raises InvalidInput when it is none, another's or too old."""
    try:
        body, _, number = _signer(viewer).unsign(text).rpartition(".")
        place = int(number)
    except (signing.BadSignature, ValueError) as error:
        raise InvalidInput("search_cursor_invalid") from error
    if body.startswith("~"):
        if time.time() - place > TTL_SECONDS:
            raise InvalidInput("search_expired")
        padded = body[1:] + "=" * (-len(body[1:]) % 4)
        return ResultList(*_unpack(base64.urlsafe_b64decode(padded)))
    try:
        kept = redis_client().get(_KEY.format(body))
    except RedisError as error:
        logger.warning("A list of results can't be read: %s", error)
        kept = None
    if kept is None:
        raise InvalidInput("search_expired")
    return ResultList(*_unpack(kept), name=body, start=place)


def _signer(viewer: Any) -> signing.Signer:
    who = viewer.pk if viewer is not None and viewer.is_authenticated else "visitor"
    return signing.Signer(salt=f"search.lists:{who}")


def _pack(ranked: list[Hit], about: dict[str, Any]) -> bytes:
    rows = b"".join(
        _ROW.pack(
            place.post_id.bytes,
            place.image_id.bytes,
            round(place.score * 10_000),
            _METHODS.index(place.method),
            place.matched,
        )
        for place in ranked
    )
    head = json.dumps(about).encode()
    return zlib.compress(struct.pack(">I", len(head)) + head + rows)


def _unpack(data: bytes) -> tuple[list[Hit], dict[str, Any]]:
    raw = zlib.decompress(data)
    (size,) = struct.unpack_from(">I", raw)
    ranked = [
        Hit(UUID(bytes=post), UUID(bytes=image), score / 10_000, _METHODS[method], matched)
        for post, image, score, method, matched in _ROW.iter_unpack(raw[4 + size :])
    ]
    return ranked, json.loads(raw[4 : 4 + size])
