"""Parsers of request bodies with limits for size and nesting."""

import codecs
import io
import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, FormParser, JSONParser

from smimso.errors import TooLarge


def parse_json(text: str) -> Any:
    """Parse JSON. Raises ValueError, also for excessive nesting, and no other error."""
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise ValueError("The text is nested too deeply") from error


class _LimitedParser(BaseParser):
    """Applies DATA_UPLOAD_MAX_MEMORY_SIZE, which Django applies only to bodies it parses itself.

    Ignores a byte order mark of UTF-8, with which some clients begin (RFC 8259, section 8.1).
    Raises TooLarge, and ParseError for excessive nesting.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = dict(parser_context or {})
        meta = context["request"].META
        if int(meta.get("CONTENT_LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        body = stream.read()
        if body.startswith(codecs.BOM_UTF8):
            body, context["encoding"] = body.removeprefix(codecs.BOM_UTF8), "utf-8"
        try:
            return super().parse(io.BytesIO(body), media_type, context)
        except RecursionError as error:
            raise ParseError("The body is nested too deeply") from error


class LimitedJSONParser(_LimitedParser, JSONParser):
    pass


class LimitedFormParser(_LimitedParser, FormParser):
    pass
