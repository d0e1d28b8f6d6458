"""REST: posts, lists of posts, and uploaded files."""

import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest.requests import MemberRequest
from media.file_response import file_response
from posts import feed, services, view_counter
from posts.files import access
from posts.models import Post
from posts.rest.serializers import (
    FeedQuerySerializer,
    ImageCaptionSerializer,
    NewPostFormSerializer,
    NewPostSerializer,
    PostChangesSerializer,
    PostDetailSerializer,
    PostImageSerializer,
    PostListItemSerializer,
)
from smimso.errors import InvalidInput
from smimso.web.file_fields import uploaded_files
from smimso.web.idempotency_key import IDEMPOTENCY_KEY, idempotency_key
from smimso.web.openapi import documented, documented_page, documented_plain, query_param
from smimso.web.paging import respond_with_page
from smimso.web.responses import success

FAVORITES_LIMIT = 100  # posts; the frontend requests only one page of liked or saved posts


class PostListView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"

    @documented_page("The feed", PostListItemSerializer, query=[FeedQuerySerializer])
    def get(self, request: MemberRequest) -> Response:
        query = FeedQuerySerializer(data=request.query_params)
        if not query.is_valid():
            raise InvalidInput("posts_query_invalid")
        fetch = partial(feed.list_feed, request.user, **query.validated_data)
        return respond_with_page(request.query_params, fetch, PostListItemSerializer)

    @documented(
        "Post pictures",
        PostDetailSerializer,
        form=NewPostFormSerializer,
        query=[IDEMPOTENCY_KEY],
        status=201,
    )
    def post(self, request: MemberRequest) -> Response:
        uploads = uploaded_files(request, "images")
        form = NewPostSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        post = services.create_post(
            author=request.user,
            uploads=uploads,
            request_key=idempotency_key(request),
            **form.validated_data,
        )
        return _detail(request, post.pk, "Post created successfully", status=201)


class PostView(APIView):
    @documented("A post", PostDetailSerializer)
    def get(self, request: MemberRequest, post_id: UUID) -> Response:
        post = services.get_visible_post(request.user, post_id)
        view_counter.record_view(user=request.user, post=post)
        return success(PostDetailSerializer(post).data)

    @documented("Change my post", PostDetailSerializer, body=PostChangesSerializer)
    def put(self, request: MemberRequest, post_id: UUID) -> Response:
        form = PostChangesSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        services.update_post(user=request.user, post_id=post_id, **form.validated_data)
        return _detail(request, post_id, "Post updated successfully")

    @documented("Delete my post")
    def delete(self, request: MemberRequest, post_id: UUID) -> Response:
        services.delete_post(user=request.user, post_id=post_id)
        return success(None, "Post deleted successfully")


class ImageView(APIView):
    @documented("Set the caption of my image", PostImageSerializer, body=ImageCaptionSerializer)
    def patch(self, request: MemberRequest, post_id: UUID, image_id: UUID) -> Response:
        form = ImageCaptionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        captions = {image_id: form.validated_data["user_caption"]}
        services.set_captions(user=request.user, post_id=post_id, captions=captions)
        image = services.get_visible_image(request.user, post_id, image_id)
        return success(PostImageSerializer(image).data, "Caption updated successfully")


class LikedPostsView(APIView):
    @documented_page("Posts that I like", PostListItemSerializer)
    def get(self, request: MemberRequest) -> Response:
        return _respond_with_favorites(request, feed.liked_posts)


class SavedPostsView(APIView):
    @documented_page("Posts that I saved", PostListItemSerializer)
    def get(self, request: MemberRequest) -> Response:
        return _respond_with_favorites(request, feed.saved_posts)


def _respond_with_favorites(
    request: MemberRequest, fetch: Callable[..., tuple[list[Post], int]]
) -> Response:
    return respond_with_page(
        request.query_params,
        partial(fetch, request.user),
        PostListItemSerializer,
        default=FAVORITES_LIMIT,
    )


def _detail(request: MemberRequest, post_id: UUID, message: str, *, status: int = 200) -> Response:
    post = services.get_visible_post(request.user, post_id)
    return success(PostDetailSerializer(post).data, message, status=status)


@documented_plain(
    "A file",
    parameters=[
        OpenApiParameter("name", str, OpenApiParameter.PATH, description="Path, with slashes"),
        query_param("expires", "string", "From a signed URL"),
        query_param("signature", "string", "From a signed URL"),
    ],
    responses={
        (200, "*/*"): OpenApiTypes.BINARY,
        (206, "*/*"): OpenApiTypes.BINARY,
        304: OpenApiResponse(description="Not modified"),
        416: OpenApiResponse(description="No such range"),
    },
)
@require_safe
def uploaded_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve the file if `access.can_view` allows it.

    Everyone else gets 404, so they cannot tell that the file exists.
    """
    signature = request.GET.get("signature", "")
    expires = request.GET.get("expires", "")
    if not access.can_view(request.user, name, expires=expires, signature=signature):
        raise Http404
    content_type = access.content_type_of(name)
    try:
        response = file_response(
            request, name, content_type=content_type, inline=access.is_inline(content_type)
        )
    except FileNotFoundError as error:
        raise Http404 from error
    response["Cache-Control"] = _cache_control(request, name, expires, signature)
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _cache_control(request: HttpRequest, name: str, expires: str, signature: str) -> str:
    """Return the cache policy: files never change, but the visibility of posts does."""
    image_id = access.image_id_of(name)
    if image_id is None:
        return "public, max-age=31536000, immutable"
    if access.is_signed(image_id, expires, signature):
        return f"private, max-age={max(0, int(expires) - int(time.time()))}"
    scope = "private" if request.user.is_authenticated else "public"
    return f"{scope}, max-age=300, must-revalidate"
