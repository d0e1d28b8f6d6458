"""REST: likes, saves and comments."""

from uuid import UUID

from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest.requests import MemberRequest
from posts import interactions
from posts.rest.serializers import CommentSerializer, NewCommentSerializer
from smimso.web.idempotency_key import IDEMPOTENCY_KEY, idempotency_key
from smimso.web.openapi import PAGING, documented
from smimso.web.paging import page_and_limit
from smimso.web.responses import success


class LikeView(APIView):
    @documented("Like a post")
    def post(self, request: MemberRequest, post_id: UUID) -> Response:
        interactions.like_post(user=request.user, post_id=post_id)
        return success(None, "Post liked successfully")

    @documented("Unlike a post")
    def delete(self, request: MemberRequest, post_id: UUID) -> Response:
        interactions.unlike_post(user=request.user, post_id=post_id)
        return success(None, "Post unliked successfully")


class SaveView(APIView):
    @documented("Save a post")
    def post(self, request: MemberRequest, post_id: UUID) -> Response:
        interactions.save_post(user=request.user, post_id=post_id)
        return success(None, "Post saved successfully")

    @documented("Unsave a post")
    def delete(self, request: MemberRequest, post_id: UUID) -> Response:
        interactions.unsave_post(user=request.user, post_id=post_id)
        return success(None, "Post unsaved successfully")


class CommentListView(APIView):
    @documented("Comments of a post", CommentSerializer(many=True), query=PAGING)
    def get(self, request: MemberRequest, post_id: UUID) -> Response:
        max_limit = interactions.MAX_COMMENTS
        page, limit = page_and_limit(request.query_params, default=max_limit, max_limit=max_limit)
        paged = page if "page" in request.query_params else None
        comments = interactions.comments_of(request.user, post_id, page=paged, limit=limit)
        return success(CommentSerializer(comments, many=True).data)

    @documented(
        "Comment on a post",
        CommentSerializer,
        body=NewCommentSerializer,
        query=[IDEMPOTENCY_KEY],
        status=201,
    )
    def post(self, request: MemberRequest, post_id: UUID) -> Response:
        form = NewCommentSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        comment = interactions.add_comment(
            user=request.user,
            post_id=post_id,
            request_key=idempotency_key(request),
            **form.validated_data,
        )
        return success(CommentSerializer(comment).data, "Comment added successfully", status=201)


class CommentView(APIView):
    @documented("Delete a comment")
    def delete(self, request: MemberRequest, post_id: UUID, comment_id: UUID) -> Response:
        interactions.delete_comment(user=request.user, post_id=post_id, comment_id=comment_id)
        return success(None, "Comment deleted successfully")
