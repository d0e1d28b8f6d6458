"""REST: edit the own profile, search for members, follow them."""

from uuid import UUID

from drf_spectacular.utils import extend_schema_view
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import profiles, services
from accounts.profile_images import ProfileImageField
from accounts.rest.requests import MemberRequest
from accounts.rest.serializers import (
    AvatarFormSerializer,
    CoverFormSerializer,
    ListedUserSerializer,
    OwnProfileSerializer,
    ProfileFormSerializer,
    UserCardSerializer,
)
from smimso.errors import InvalidInput
from smimso.web.openapi import answers, answers_page, in_query
from smimso.web.responses import page_and_limit, paginated, success


class ProfileView(APIView):
    @answers("Change my profile", OwnProfileSerializer, body=ProfileFormSerializer)
    def put(self, request: MemberRequest) -> Response:
        form = ProfileFormSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = profiles.update_profile(user=request.user, **form.validated_data)
        return success(OwnProfileSerializer(user).data, "Profile updated successfully")


class _ProfileImageView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"
    field: ProfileImageField
    message: str

    def post(self, request: MemberRequest) -> Response:
        if set(request.FILES) - {self.field}:
            raise InvalidInput("unexpected_file_field")
        upload = request.FILES.get(self.field)
        if upload is None:
            raise InvalidInput("file_required")
        user = profiles.update_profile(user=request.user, uploads={self.field: upload})
        return success(OwnProfileSerializer(user).data, self.message)


@extend_schema_view(
    post=answers("Upload my avatar", OwnProfileSerializer, form=AvatarFormSerializer)
)
class AvatarView(_ProfileImageView):
    field = "avatar"
    message = "Avatar uploaded successfully"


@extend_schema_view(
    post=answers("Upload my cover picture", OwnProfileSerializer, form=CoverFormSerializer)
)
class CoverView(_ProfileImageView):
    field = "cover"
    message = "Cover image uploaded successfully"


class UserSearchView(APIView):
    @answers(
        "Find members",
        UserCardSerializer(many=True),
        query=[in_query("q", "string", "Name or e-mail")],
    )
    def get(self, request: MemberRequest) -> Response:
        members = profiles.search_members(request.query_params.get("q", ""))
        return success(UserCardSerializer(members, many=True).data)


class FollowView(APIView):
    """Follow and unfollow. Both are idempotent, because the frontend does not check first."""

    @answers("Follow a member")
    def post(self, request: MemberRequest, user_id: UUID) -> Response:
        services.follow_user(follower=request.user, following_id=user_id)
        return success(None, "Followed successfully")

    @answers("Unfollow a member")
    def delete(self, request: MemberRequest, user_id: UUID) -> Response:
        services.unfollow_user(follower=request.user, following_id=user_id)
        return success(None, "Unfollowed successfully")


class FollowersView(APIView):
    @answers_page("Who follows a member", ListedUserSerializer)
    def get(self, request: MemberRequest, user_id: UUID) -> Response:
        page, limit = page_and_limit(request.query_params)
        members, total = profiles.followers(request.user, user_id, page=page, limit=limit)
        data = ListedUserSerializer(members, many=True).data
        return paginated(data, page=page, limit=limit, total=total)


class FollowingView(APIView):
    @answers_page("Whom a member follows", ListedUserSerializer)
    def get(self, request: MemberRequest, user_id: UUID) -> Response:
        page, limit = page_and_limit(request.query_params)
        members, total = profiles.following(request.user, user_id, page=page, limit=limit)
        data = ListedUserSerializer(members, many=True).data
        return paginated(data, page=page, limit=limit, total=total)
