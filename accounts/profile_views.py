"""REST: a member's own profile, finding members, following them."""

from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import profiles, services
from accounts.pictures import Kind
from accounts.requests import MemberRequest
from accounts.serializers import (
    ListedUserSerializer,
    OwnProfileSerializer,
    ProfileFormSerializer,
    UserCardSerializer,
)
from smimso.errors import InvalidInput
from smimso.http import page_and_limit, paginated, success, uuid_or_404

UNKNOWN = "User not found"


class ProfileView(APIView):
    def put(self, request: MemberRequest) -> Response:
        form = ProfileFormSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = profiles.update_profile(user=request.user, **form.validated_data)
        return success(OwnProfileSerializer(user).data, "Profile updated successfully")


class _PictureView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"
    kind: Kind
    message: str

    def post(self, request: MemberRequest) -> Response:
        if set(request.FILES) - {self.kind}:
            raise InvalidInput("Unexpected field")
        upload = request.FILES.get(self.kind)
        if upload is None:
            raise InvalidInput("No file uploaded")
        user = profiles.change_picture(user=request.user, kind=self.kind, upload=upload)
        return success(OwnProfileSerializer(user).data, self.message)


class AvatarView(_PictureView):
    kind = "avatar"
    message = "Avatar uploaded successfully"


class CoverView(_PictureView):
    kind = "cover"
    message = "Cover image uploaded successfully"


class UserSearchView(APIView):
    def get(self, request: MemberRequest) -> Response:
        found = profiles.search_members(request.query_params.get("q", ""))
        return success(UserCardSerializer(found, many=True).data)


class FollowView(APIView):
    """Both are idempotent: the frontend does not look before it asks."""

    def post(self, request: MemberRequest, user_id: str) -> Response:
        services.follow_user(follower=request.user, following_id=uuid_or_404(user_id, UNKNOWN))
        return success(None, "Followed successfully")

    def delete(self, request: MemberRequest, user_id: str) -> Response:
        services.unfollow_user(follower=request.user, following_id=uuid_or_404(user_id, UNKNOWN))
        return success(None, "Unfollowed successfully")


class FollowersView(APIView):
    def get(self, request: MemberRequest, user_id: str) -> Response:
        page, limit = page_and_limit(request.query_params)
        found, total = profiles.followers(
            request.user, uuid_or_404(user_id, UNKNOWN), page=page, limit=limit
        )
        data = ListedUserSerializer(found, many=True).data
        return paginated(data, page=page, limit=limit, total=total)


class FollowingView(APIView):
    def get(self, request: MemberRequest, user_id: str) -> Response:
        page, limit = page_and_limit(request.query_params)
        found, total = profiles.following(
            request.user, uuid_or_404(user_id, UNKNOWN), page=page, limit=limit
        )
        data = ListedUserSerializer(found, many=True).data
        return paginated(data, page=page, limit=limit, total=total)
