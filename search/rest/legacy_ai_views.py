"""The old AI service's routes that are about posts, with its plain answers.

It left the search to whoever called it; `results` and `count` are what the database found.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
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

MAX_RESULTS = 100  # results
IN_DATABASE = "Use this embedding to search in your database with vector similarity"


class LegacyAIView(APIView):
    permission_classes = [IsAuthenticatedUnlessPublic]
    throttle_scope = "ai"


class SearchByTextView(LegacyAIView):
    """JSON {query, limit?} → {query, embedding: float[512], message, results, count}"""

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
    """JSON {embedding: float[512], limit?} → {embedding, limit, message, results, count}"""

    @documented(
        "Posts with images near to a vector",
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
    """Without a vector there is no answer as the old one was: raises Unavailable."""
    vector = ai.embed_text(query)
    page = services.search_text(
        viewer, query[:MAX_QUERY_LENGTH], limit=limit, min_score=services.MIN_TEXT_SCORE
    )
    return vector, page


def checked_body(shape: Any, request: Request) -> dict[str, Any]:
    """The body; its `limit` is between 1 and MOST."""
    form = shape(data=request.data)
    form.is_valid(raise_exception=True)
    fields = form.validated_data
    return {**fields, "limit": max(1, min(MAX_RESULTS, fields["limit"]))}


def results_data(matches: list[services.Match]) -> dict[str, Any]:
    return {"results": [match_data(match) for match in matches], "count": len(matches)}
