"""Lists that REST and pages serve page by page: `page` and `limit` of a query string."""

import math
from collections.abc import Callable, Mapping, Sequence

from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

MAX_PAGE = 10_000


def page_and_limit(
    query: Mapping[str, str], *, default: int = 20, max_limit: int = 100
) -> tuple[int, int]:
    """Return `page` and `limit` of a query string; missing, odd and excessive ones are clamped."""
    return page_number(query), page_limit(query, default=default, max_limit=max_limit)


def page_number(query: Mapping[str, str]) -> int:
    """Return `page`, from 1 to MAX_PAGE; 1 when it is missing or not a number."""
    return clamp_int(query.get("page"), default=1, min_value=1, max_value=MAX_PAGE)


def page_limit(query: Mapping[str, str], *, default: int = 20, max_limit: int = 100) -> int:
    """Return `limit`, from 1 to `max_limit`; the default when it is missing or not a number."""
    return clamp_int(query.get("limit"), default=default, min_value=1, max_value=max_limit)


def clamp_int(text: str | None, *, default: int, min_value: int, max_value: int) -> int:
    try:
        number = int(text or default)
    except ValueError:
        number = default
    return max(min_value, min(max_value, number))


def respond_with_page(
    query: Mapping[str, str],
    fetch: Callable[..., tuple[Sequence[object], int]],
    serializer: type[BaseSerializer],
    *,
    default: int = 20,
) -> Response:
    """Return the page of a list that a query string asks for.

    fetch: called with `page` and `limit`, returns the items of the page and the total of all pages.
    """
    page, limit = page_and_limit(query, default=default)
    items, total = fetch(page=page, limit=limit)
    data = serializer(items, many=True).data
    return page_response(data, page=page, limit=limit, total=total)


def page_response(data: Sequence[object], *, page: int, limit: int, total: int) -> Response:
    pagination = {
        "page": page,
        "limit": limit,
        "total": total,
        "totalPages": math.ceil(total / limit),
    }
    return Response({"success": True, "data": data, "pagination": pagination})
