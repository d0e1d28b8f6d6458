"""REST: profiles with statistics, members' posts, leaderboards, deleting an account."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.profiles import get_active_member
from accounts.rest.profile_views import ProfileView
from accounts.rest.requests import MemberRequest
from accounts.rest.serializers import IdentitySerializer, UserCardSerializer
from accounts.rest.views import MeView, PublicView
from members import leaderboards, services
from members.rest.serializers import (
    ActiveMemberSerializer,
    ActivitySerializer,
    FavoriteMemberSerializer,
    FullProfileSerializer,
    MemberProfileSerializer,
    TopCreatorSerializer,
    ViewedMemberSerializer,
    own_profile,
    profile_for,
)
from posts import feed
from posts.models import ActivityType
from posts.rest.serializers import PostListItemSerializer
from smimso.errors import InvalidInput
from smimso.web.openapi import View, documented, documented_page, limit_param, query_param
from smimso.web.paging import page_limit, respond_with_page
from smimso.web.responses import success
from smimso.web.throttling import AccountThrottle


class AccountView(MeView):
    throttle_classes = [AccountThrottle]

    @documented("Delete my account", body=IdentitySerializer, errors=[501])
    def delete(self, request: MemberRequest) -> Response:
        form = IdentitySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        services.delete_account(user=request.user, **form.validated_data)
        return success(None, "Account deleted successfully")


class OwnProfileView(ProfileView):
    @documented("My profile", FullProfileSerializer)
    def get(self, request: MemberRequest) -> Response:
        return success(own_profile(request.user))


class MemberView(APIView):
    @documented("A member's profile", MemberProfileSerializer)
    def get(self, request: MemberRequest, user_id: UUID) -> Response:
        member = get_active_member(user_id)
        if member == request.user:
            return success(own_profile(request.user))
        return success(profile_for(request.user, member))


class MemberPostsView(APIView):
    @documented_page("A member's posts", PostListItemSerializer)
    def get(self, request: MemberRequest, user_id: UUID) -> Response:
        fetch = partial(feed.posts_of, request.user, user_id)
        return respond_with_page(request.query_params, fetch, PostListItemSerializer)


class PostsOfMemberView(MemberPostsView):
    """The older route, with its own error for a malformed id."""

    @documented_page("A member's posts, by the older route", PostListItemSerializer)
    def get(self, request: MemberRequest, user_id: str) -> Response:  # type: ignore[override]
        try:
            member_id = UUID(user_id)
        except ValueError as error:
            raise InvalidInput("posts_query_invalid") from error
        return super().get(request, member_id)


class OwnPostsView(APIView):
    @documented_page("My posts", PostListItemSerializer)
    def get(self, request: MemberRequest) -> Response:
        fetch = partial(feed.posts_of, request.user, request.user.pk)
        return respond_with_page(request.query_params, fetch, PostListItemSerializer)


class OwnLikedPostsView(APIView):
    @documented_page("Posts that I like", PostListItemSerializer)
    def get(self, request: MemberRequest) -> Response:
        fetch = partial(feed.liked_posts, request.user)
        return respond_with_page(request.query_params, fetch, PostListItemSerializer)


class OwnSavedPostsView(APIView):
    @documented_page("Posts that I saved", PostListItemSerializer)
    def get(self, request: MemberRequest) -> Response:
        fetch = partial(feed.saved_posts, request.user)
        return respond_with_page(request.query_params, fetch, PostListItemSerializer)


class ActivitiesView(APIView):
    @documented(
        "My activities",
        ActivitySerializer(many=True),
        query=[query_param("type", "string", enum=ActivityType.values)],
    )
    def get(self, request: MemberRequest) -> Response:
        activity_type = request.query_params.get("type", "")
        activities = services.activities_of(request.user, activity_type)
        return success(ActivitySerializer(activities, many=True).data)


class RelatedMembersView(APIView):
    @documented(
        "Members with similar likes", UserCardSerializer(many=True), query=[limit_param(10)]
    )
    def get(self, request: MemberRequest) -> Response:
        members = services.related_members(request.user, limit=_limit(request))
        return success(UserCardSerializer(members, many=True).data)


def _document_leaderboard(
    summary: str, entry: type[serializers.Serializer]
) -> Callable[[View], View]:
    return documented(summary, entry(many=True), query=[limit_param(10)])


class LeaderboardView(PublicView):
    board: Callable[[], list[leaderboards.Entry]]

    def get(self, request: Request) -> Response:
        return success(self.board()[: _limit(request)])


@extend_schema_view(get=_document_leaderboard("Most liked members", TopCreatorSerializer))
class TopCreatorsView(LeaderboardView):
    board = staticmethod(leaderboards.top_creators)


@extend_schema_view(
    get=_document_leaderboard("Most liked members with their totals", FavoriteMemberSerializer)
)
class MostFavoriteView(LeaderboardView):
    board = staticmethod(leaderboards.most_favorite)


@extend_schema_view(get=_document_leaderboard("Most viewed members", ViewedMemberSerializer))
class MostViewedView(LeaderboardView):
    board = staticmethod(leaderboards.most_viewed)


@extend_schema_view(get=_document_leaderboard("Most active members", ActiveMemberSerializer))
class MostActiveView(LeaderboardView):
    board = staticmethod(leaderboards.most_active)


def _limit(request: Request) -> int:
    return page_limit(request.query_params, default=10, max_limit=leaderboards.MAX_ENTRIES)
