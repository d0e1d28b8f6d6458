"""REST: edit the own profile, search for members, follow them."""

from functools import partial
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
from smimso.web.file_fields import uploaded_file
from smimso.web.openapi import documented, documented_page, query_param
from smimso.web.paging import respond_with_page
from smimso.web.responses import success


class ProfileView(APIView):
    @documented("Change my profile", OwnProfileSerializer, body=ProfileFormSerializer)
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
        upload = uploaded_file(request, self.field, missing="file_required")
        user = profiles.update_profile(user=request.user, uploads={self.field: upload})
        return success(OwnProfileSerializer(user).data, self.message)


@extend_schema_view(
    post=documented("Upload my avatar", OwnProfileSerializer, form=AvatarFormSerializer)
)
class AvatarView(_ProfileImageView):
    field = "avatar"
    message = "Avatar uploaded successfully"


@extend_schema_view(
    post=documented("Upload my cover picture", OwnProfileSerializer, form=CoverFormSerializer)
)
class CoverView(_ProfileImageView):
    field = "cover"
    message = "Cover image uploaded successfully"


class UserSearchView(APIView):
    @documented(
        "Find members",
        UserCardSerializer(many=True),
        query=[query_param("q", "string", "Name or e-mail")],
    )
    def get(self, request: MemberRequest) -> Response:
        members = profiles.search_members(request.query_params.get("q", ""))
        return success(UserCardSerializer(members, many=True).data)


class FollowView(APIView):
    """Follow and unfollow. Both are idempotent, because the frontend does not check first."""

    @documented("Follow a member")
    def post(self, request: MemberRequest, user_id: UUID) -> Response:
        services.follow_user(follower=request.user, following_id=user_id)
        return success(None, "Followed successfully")

    @documented("Unfollow a member")
    def delete(self, request: MemberRequest, user_id: UUID) -> Response:
        services.unfollow_user(follower=request.user, following_id=user_id)
        return success(None, "Unfollowed successfully")


class FollowersView(APIView):
    @documented_page("Followers of a member", ListedUserSerializer)
    def get(self, request: MemberRequest, user_id: UUID) -> Response:
        fetch = partial(profiles.followers, request.user, user_id)
        return respond_with_page(request.query_params, fetch, ListedUserSerializer)


class FollowingView(APIView):
    @documented_page("Members that a member follows", ListedUserSerializer)
    def get(self, request: MemberRequest, user_id: UUID) -> Response:
        fetch = partial(profiles.following, request.user, user_id)
        return respond_with_page(request.query_params, fetch, ListedUserSerializer)
