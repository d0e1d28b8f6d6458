"""REST: search, suggestions, and similar posts."""

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from PIL import Image
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ai.rest.serializers import ImageFormSerializer
from media.images import decode_upload
from search import services
from search.autocomplete import suggest
from search.rest.serializers import (
    MAX_QUERY_LENGTH,
    FoundByImageSerializer,
    FoundByTextSerializer,
    FoundSerializer,
    SearchFormSerializer,
    SearchPageSerializer,
    SearchSerializer,
    SuggestionSerializer,
    TextSearchSerializer,
    match_data,
    page_data,
)
from smimso.errors import InvalidInput
from smimso.web.file_fields import uploaded_file
from smimso.web.openapi import documented, limit_param, query_param
from smimso.web.paging import page_limit
from smimso.web.responses import success
from smimso.web.throttling import client_key


def min_similarity_param(**schema: object) -> OpenApiParameter:
    return query_param("minSimilarity", "number", "", minimum=0, maximum=1, **schema)


class SearchView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "ai"
    throttle_reads = True

    @documented(
        "Search by words, a post and filters",
        SearchPageSerializer,
        query=[SearchSerializer, limit_param(20), min_similarity_param()],
        errors=[404],
    )
    def get(self, request: Request) -> Response:
        form = SearchSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        return _page(request, form)

    @documented(
        "Search by a picture, also with words, a post and filters",
        SearchPageSerializer,
        form=SearchFormSerializer,
        query=[limit_param(20), min_similarity_param()],
        errors=[404, 503],
    )
    def post(self, request: Request) -> Response:
        upload = uploaded_file(request)
        form = SearchSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return _page(request, form, decode_upload(upload, client_key(request)))


class SuggestionsView(APIView):
    @documented(
        "Suggestions while a query is typed",
        SuggestionSerializer(many=True),
        query=[query_param("q", "string", "The query as typed so far")],
    )
    def get(self, request: Request) -> Response:
        typed = request.query_params.get("q", "")
        if "\0" in typed:
            raise InvalidInput("null_characters")
        suggestions = suggest(request.user, typed[:MAX_QUERY_LENGTH])
        return success([{"text": each.text, "kind": each.kind} for each in suggestions])


class TextSearchView(APIView):
    throttle_scope = "ai"

    @documented(
        "Search by text",
        FoundByTextSerializer,
        body=TextSearchSerializer,
        query=[limit_param(20), min_similarity_param(default=services.MIN_TEXT_SCORE)],
    )
    def post(self, request: Request) -> Response:
        form = TextSearchSerializer(data=request.data)
        if not form.is_valid():
            raise InvalidInput("search_query_required")
        query = form.validated_data["query"]
        page = services.search_text(
            request.user,
            query,
            limit=page_limit(request.query_params),
            min_score=_min_score(request, services.MIN_TEXT_SCORE),
        )
        message = "Text search completed successfully"
        if not page.ai_available:
            message = "The AI is not available: searched by words"
        data = {**_results(page.matches), "query_type": "text", "query": query}
        return success({**data, "ai_available": page.ai_available}, message)


class ImageSearchView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "ai"

    @documented(
        "Search by an image",
        FoundByImageSerializer,
        form=ImageFormSerializer,
        query=[limit_param(20), min_similarity_param(default=services.MIN_IMAGE_SCORE)],
        errors=[503],
    )
    def post(self, request: Request) -> Response:
        page = services.search_image(
            request.user,
            decode_upload(uploaded_file(request), client_key(request)),
            limit=page_limit(request.query_params),
            min_score=_min_score(request, services.MIN_IMAGE_SCORE),
        )
        data = {
            **_results(page.matches),
            "query_type": "image",
            "generated_caption": page.caption,
        }
        return success(data, "Image search completed successfully")


class SimilarPostsView(APIView):
    throttle_scope = "ai"
    throttle_reads = True

    @documented("Similar posts", FoundSerializer, query=[limit_param(12)])
    def get(self, request: Request, post_id: UUID) -> Response:
        matches = services.similar_posts(
            request.user, post_id, limit=page_limit(request.query_params, default=12)
        )
        return success(_results(matches))


def _page(request: Request, form: SearchSerializer, image: Image.Image | None = None) -> Response:
    limit = page_limit(request.query_params)
    if cursor := form.validated_data.get("cursor"):
        return success(page_data(services.next_page(request.user, cursor, limit=limit)))
    given = request.query_params.get("minSimilarity")
    min_score = _min_score(request, services.MIN_TEXT_SCORE) if given else None
    query = form.query(image)
    return success(
        page_data(services.search(request.user, query, limit=limit, min_score=min_score))
    )


def _results(matches: list[services.Match]) -> dict[str, object]:
    return {"results": [match_data(match) for match in matches], "count": len(matches)}


def _min_score(request: Request, default: float) -> float:
    """Return the requested minimum, 0..1, or the default if it is missing or not a number."""
    try:
        score = float(request.query_params.get("minSimilarity", default))
    except ValueError:
        return default
    return min(1.0, max(0.0, score)) if score == score else default
