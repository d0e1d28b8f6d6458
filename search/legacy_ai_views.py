"""The old AI service's routes that are about posts, with its plain answers.

It left the search to whoever called it; `results` and `count` are what the database found.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ai import services as ai
from ai.permissions import IsAuthenticatedUnlessPublic
from ai.serializers import TextQuery
from ai.vector_space import steady
from search import ai_recommendations, services
from search.legacy_ai_serializers import (
    MemberQuery,
    RecommendedSerializer,
    SimilarImagesSerializer,
    TextMatchesSerializer,
    VectorQuery,
)
from search.serializers import MOST_CHARACTERS, match_data
from smimso.web.openapi import answers

MOST = 100  # results
IN_DATABASE = "Use this embedding to search in your database with vector similarity"
IN_BACKEND = "Recommendation logic should be implemented in the backend based on user activities"


class _AIView(APIView):
    permission_classes = [IsAuthenticatedUnlessPublic]
    throttle_scope = "ai"


class SearchByTextView(_AIView):
    """JSON {query, limit?} → {query, embedding: float[512], message, results, count}"""

    @answers(
        "Search by text, with the text's vector",
        TextMatchesSerializer,
        body=TextQuery,
        errors=[503],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        fields = _checked(TextQuery, request)
        query = fields["query"]
        vector, found = _vector_and_matches(request.user, query, fields["limit"])
        body = {"query": query, "embedding": vector, "message": IN_DATABASE}
        return Response({**body, **_results(found.matches)})


class SimilarImagesView(_AIView):
    """JSON {embedding: float[512], limit?} → {embedding, limit, message, results, count}"""

    @answers(
        "Posts with images near to a vector",
        SimilarImagesSerializer,
        body=VectorQuery,
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        fields = _checked(VectorQuery, request)
        found = services.similar_to_vector(request.user, fields["embedding"], limit=fields["limit"])
        body = {"embedding": fields["embedding"], "limit": fields["limit"], "message": IN_DATABASE}
        return Response({**body, **_results(found)})


class RecommendationsView(_AIView):
    """JSON {user_id, limit?} → {user_id, limit, message, post_ids, results, count}"""

    @answers(
        "Posts that a member may like",
        RecommendedSerializer,
        body=MemberQuery,
        errors=[404],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        fields = _checked(MemberQuery, request)
        found = ai_recommendations.recommended_to(
            fields["user_id"], viewer=request.user, limit=fields["limit"]
        )
        body = {"user_id": fields["user_id"], "limit": fields["limit"], "message": IN_BACKEND}
        return Response({**body, "post_ids": [match.post.pk for match in found], **_results(found)})


@steady
def _vector_and_matches(viewer: Any, query: str, limit: int) -> tuple[list[float], services.Page]:
    """Without a vector there is no answer as the old one was: raises Unavailable."""
    vector = ai.embed_text(query)
    found = services.search_text(
        viewer, query[:MOST_CHARACTERS], limit=limit, least_score=services.TEXT_SCORE
    )
    return vector, found


def _checked(shape: Any, request: Request) -> dict[str, Any]:
    """The body; its `limit` is between 1 and MOST."""
    form = shape(data=request.data)
    form.is_valid(raise_exception=True)
    fields = form.validated_data
    return {**fields, "limit": max(1, min(MOST, fields["limit"]))}


def _results(matches: list[services.Match]) -> dict[str, Any]:
    return {"results": [match_data(match) for match in matches], "count": len(matches)}
