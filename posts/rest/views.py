"""REST: posts, lists of them, and files."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

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
from smimso.web.openapi import documented, documented_page, documented_plain, query_param
from smimso.web.paging import respond_with_page
from smimso.web.responses import success

FAVORITES = (
    100  # posts; the frontend's pages of liked and saved posts ask for no more than one page
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": 255},
    OpenApiParameter.HEADER,
    description="The same request with the same key answers with the post that it made, for a day."
    " Without a key, the same words and pictures are taken for a retry for a few minutes.",
)


class PostListView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"

    @documented_page("The feed", PostListItemSerializer, query=[FeedQuerySerializer])
    def get(self, request: Request) -> Response:
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
    def post(self, request: Request) -> Response:
        uploads = uploaded_files(request, "images")
        form = NewPostSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        post = services.create_post(
            author=request.user,
            uploads=uploads,
            request_key=_idempotency_key(request),
            **form.validated_data,
        )
        return _detail(request, post.pk, "Post created successfully", status=201)


class PostView(APIView):
    @documented("A post", PostDetailSerializer)
    def get(self, request: Request, post_id: UUID) -> Response:
        post = services.get_visible_post(request.user, post_id)
        view_counter.record_view(user=request.user, post=post)
        return success(PostDetailSerializer(post).data)

    @documented("Change my post", PostDetailSerializer, body=PostChangesSerializer)
    def put(self, request: Request, post_id: UUID) -> Response:
        form = PostChangesSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        services.update_post(user=request.user, post_id=post_id, **form.validated_data)
        return _detail(request, post_id, "Post updated successfully")

    @documented("Delete my post")
    def delete(self, request: Request, post_id: UUID) -> Response:
        services.delete_post(user=request.user, post_id=post_id)
        return success(None, "Post deleted successfully")


class ImageView(APIView):
    @documented("Say what my image shows", PostImageSerializer, body=ImageCaptionSerializer)
    def patch(self, request: Request, post_id: UUID, image_id: UUID) -> Response:
        form = ImageCaptionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        captions = {image_id: form.validated_data["user_caption"]}
        services.set_captions(user=request.user, post_id=post_id, captions=captions)
        image = services.get_visible_image(request.user, post_id, image_id)
        return success(PostImageSerializer(image).data, "Caption updated successfully")


class LikedPostsView(APIView):
    @documented_page("Posts that I like", PostListItemSerializer)
    def get(self, request: Request) -> Response:
        return _respond_with_favorites(request, feed.liked_posts)


class SavedPostsView(APIView):
    @documented_page("Posts that I saved", PostListItemSerializer)
    def get(self, request: Request) -> Response:
        return _respond_with_favorites(request, feed.saved_posts)


def _respond_with_favorites(
    request: Request, fetch: Callable[..., tuple[list[Post], int]]
) -> Response:
    return respond_with_page(
        request.query_params,
        partial(fetch, request.user),
        PostListItemSerializer,
        default=FAVORITES,
    )


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > 255:
        raise InvalidInput("idempotency_key_too_long")
    return key


def _detail(request: Request, post_id: UUID, message: str, **options: Any) -> Response:
    post = services.get_visible_post(request.user, post_id)
    return success(PostDetailSerializer(post).data, message, **options)


@documented_plain(
    "A file",
    parameters=[
        OpenApiParameter("name", str, OpenApiParameter.PATH, description="With slashes"),
        query_param("expires", "string", "Of a signed URL"),
        query_param("signature", "string", "Of a signed URL"),
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
    """For whom `files.may_fetch` lets through; all others learn nothing, not even that it is."""
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
    """Names are unique and files never change, but who may see a post's file does."""
    image_id = access.image_id_of(name)
    if image_id is None:
        return "public, max-age=31536000, immutable"
    if access.is_signed(image_id, expires, signature):
        return f"private, max-age={max(0, int(expires) - int(time.time()))}"
    scope = "private" if request.user.is_authenticated else "public"
    return f"{scope}, max-age=300, must-revalidate"
