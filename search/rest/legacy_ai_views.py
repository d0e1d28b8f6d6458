"""The old AI service's routes that find posts, with its responses without an envelope.

That service returned only vectors and left the search to its callers; we add `results` and `count`.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.viewer import Viewer
from ai import services as ai
from ai.rest.permissions import IsAuthenticatedUnlessPublic
from ai.rest.serializers import TextQuerySerializer
from ai.vector_space import in_one_vector_space
from search import services
from search.rest.legacy_ai_serializers import (
    SimilarImagesSerializer,
    TextMatchesSerializer,
    VectorQuery,
)
from search.rest.serializers import MAX_QUERY_LENGTH, match_data
from smimso.web.openapi import documented

MAX_RESULTS = 100
IN_DATABASE = "Use this embedding to search in your database with vector similarity"


class LegacyAIView(APIView):
    permission_classes = [IsAuthenticatedUnlessPublic]
    throttle_scope = "ai"


class SearchByTextView(LegacyAIView):
    """JSON {query, limit?} → {query, embedding: float[512], message, results, count}."""

    @documented(
        "Search by text, with the text's vector",
        TextMatchesSerializer,
        body=TextQuerySerializer,
        errors=[503],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        fields = checked_body(TextQuerySerializer, request)
        query = fields["query"]
        vector, page = _embed_and_search(request.user, query, fields["limit"])
        body = {"query": query, "embedding": vector, "message": IN_DATABASE}
        return Response({**body, **results_data(page.matches)})


class SimilarImagesView(LegacyAIView):
    """JSON {embedding: float[512], limit?} → {embedding, limit, message, results, count}."""

    @documented(
        "Search by a vector",
        SimilarImagesSerializer,
        body=VectorQuery,
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        fields = checked_body(VectorQuery, request)
        matches = services.search_vector(request.user, fields["embedding"], limit=fields["limit"])
        body = {"embedding": fields["embedding"], "limit": fields["limit"], "message": IN_DATABASE}
        return Response({**body, **results_data(matches)})


@in_one_vector_space
def _embed_and_search(viewer: Viewer, query: str, limit: int) -> tuple[list[float], services.Page]:
    """Raise Unavailable without a vector, which the response must contain."""
    vector = ai.embed_text(query)
    page = services.search_text(
        viewer, query[:MAX_QUERY_LENGTH], limit=limit, min_score=services.MIN_TEXT_SCORE
    )
    return vector, page


def checked_body(serializer_class: type[Serializer], request: Request) -> dict[str, Any]:
    """Return the valid body, with `limit` clamped to 1..MAX_RESULTS."""
    form = serializer_class(data=request.data)
    form.is_valid(raise_exception=True)
    fields = form.validated_data
    return {**fields, "limit": max(1, min(MAX_RESULTS, fields["limit"]))}


def results_data(matches: list[services.Match]) -> dict[str, object]:
    return {"results": [match_data(match) for match in matches], "count": len(matches)}
