"""REST: posts, and the files of their images."""

from uuid import UUID

from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from posts import feed, files, services
from posts.models import PostImage
from posts.serializers import (
    NewPostSerializer,
    PostDetailSerializer,
    PostListItemSerializer,
)
from smimso.errors import InvalidInput
from smimso.http import page_and_limit, paginated, success


class PostListView(APIView):
    def get_parsers(self) -> list:
        return [MultiPartParser()] if self.request.method == "POST" else super().get_parsers()

    def get(self, request: Request) -> Response:
        page, limit = page_and_limit(request.query_params)
        posts, total = feed.feed(request.user, page=page, limit=limit)
        data = PostListItemSerializer(posts, many=True).data
        return paginated(data, page=page, limit=limit, total=total)

    def post(self, request: Request) -> Response:
        if set(request.FILES) - {"images"}:
            raise InvalidInput("Unexpected field")
        form = NewPostSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        post = services.create_post(
            author=request.user, uploads=request.FILES.getlist("images"), **form.validated_data
        )
        saved = services.visible_post(request.user, post.pk)
        data = PostDetailSerializer(saved).data
        return success(data, "Post created successfully", status=201)


class PostView(APIView):
    def get(self, request: Request, post_id: UUID) -> Response:
        post = services.visible_post(request.user, post_id)
        return success(PostDetailSerializer(post).data)


@require_safe
def uploaded_file(request: HttpRequest, name: str) -> HttpResponse:
    """A file of a post image: by signed URL, or for whom the post is visible to; else 404."""
    image_id = files.image_id_of(name)
    if image_id is None:
        raise Http404
    signed = files.is_signed(
        image_id, request.GET.get("expires", ""), request.GET.get("signature", "")
    )
    visible = PostImage.objects.visible_to(request.user).filter(pk=image_id)
    if not (signed or visible.exists()):
        raise Http404
    try:
        with default_storage.open(name) as file:
            data = file.read()
    except FileNotFoundError as error:
        raise Http404 from error
    response = HttpResponse(data, content_type=files.content_type(name))
    # Names are unique and files never change; a shared cache may keep only what is public.
    scope = "private" if signed or request.user.is_authenticated else "public"
    response["Cache-Control"] = f"{scope}, max-age=31536000, immutable"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
