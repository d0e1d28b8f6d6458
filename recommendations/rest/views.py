"""REST: recommended posts, similar members, and the old AI service's route."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest.requests import MemberRequest
from recommendations import feed, legacy
from recommendations.rest.serializers import (
    MemberQuery,
    RecommendationSerializer,
    RecommendedSerializer,
    SimilarMemberSerializer,
    recommendation_data,
)
from recommendations.similar_members import similar_members
from search.rest.legacy_ai_views import LegacyAIView, checked_body, results_data
from smimso.web.openapi import documented, documented_page, limit_param
from smimso.web.paging import page_and_limit, page_limit, page_response
from smimso.web.responses import success

IN_BACKEND = "Recommendation logic should be implemented in the backend based on user activities"


class ForYouView(APIView):
    throttle_scope = "ai"
    throttle_reads = True

    @documented_page("Posts recommended to me, with reasons", RecommendationSerializer)
    def get(self, request: MemberRequest) -> Response:
        page, limit = page_and_limit(request.query_params)
        recommendations, total = feed.recommendation_page(request.user, page=page, limit=limit)
        data = [recommendation_data(each) for each in recommendations]
        return page_response(data, page=page, limit=limit, total=total)


class TasteView(APIView):
    @documented("Reset my recommendations")
    def delete(self, request: MemberRequest) -> Response:
        feed.reset_recommendations(request.user)
        return success(None, "Recommendations reset successfully")


class SimilarMembersView(APIView):
    @documented(
        "Members with similar interests",
        SimilarMemberSerializer(many=True),
        query=[limit_param(10)],
    )
    def get(self, request: MemberRequest) -> Response:
        limit = page_limit(request.query_params, default=10)
        return success(similar_members(request.user, limit=limit))


class RecommendationsView(LegacyAIView):
    """JSON {user_id, limit?} → {user_id, limit, message, post_ids, results, count}."""

    @documented(
        "Posts recommended to a member",
        RecommendedSerializer,
        body=MemberQuery,
        errors=[404],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        fields = checked_body(MemberQuery, request)
        matches = legacy.recommended_posts_of(
            fields["user_id"], viewer=request.user, limit=fields["limit"]
        )
        body = {"user_id": fields["user_id"], "limit": fields["limit"], "message": IN_BACKEND}
        return Response(
            {**body, "post_ids": [match.post.pk for match in matches], **results_data(matches)}
        )
