"""REST: the member's own comments, likes, saves and files, wherever they are."""

from functools import partial

from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest.requests import MemberRequest
from posts.contributions import Row, contributions_of
from posts.files import attachments
from posts.models import Comment, Like, SavedPost
from posts.rest.serializers import (
    OwnCommentSerializer,
    OwnFileSerializer,
    OwnReactionSerializer,
)
from smimso.web.openapi import documented, documented_page
from smimso.web.paging import respond_with_page
from smimso.web.responses import success


class OwnCommentsView(APIView):
    @documented_page("My comments", OwnCommentSerializer)
    def get(self, request: MemberRequest) -> Response:
        return _respond_with_rows(request, Comment, OwnCommentSerializer)


class OwnLikesView(APIView):
    @documented_page("My likes", OwnReactionSerializer)
    def get(self, request: MemberRequest) -> Response:
        """Include likes of posts that are hidden from me now, which `/posts/liked` leaves out."""
        return _respond_with_rows(request, Like, OwnReactionSerializer)


class OwnSavesView(APIView):
    @documented_page("What I saved", OwnReactionSerializer)
    def get(self, request: MemberRequest) -> Response:
        """Include posts that are hidden from me now, which `/posts/saved` leaves out."""
        return _respond_with_rows(request, SavedPost, OwnReactionSerializer)


class OwnFilesView(APIView):
    @documented_page("Files that I uploaded for messages", OwnFileSerializer)
    def get(self, request: MemberRequest) -> Response:
        fetch = partial(attachments.attachments_of, request.user.pk)
        return respond_with_page(request.query_params, fetch, OwnFileSerializer)


class OwnFileView(APIView):
    @documented("Delete a file that I uploaded for messages")
    def delete(self, request: MemberRequest, filename: str) -> Response:
        attachments.remove_attachment(request.user.pk, filename)
        return success(None, "File deleted successfully")


def _respond_with_rows(
    request: MemberRequest, model: type[Row], serializer: type[serializers.BaseSerializer]
) -> Response:
    fetch = partial(contributions_of, request.user, model)
    return respond_with_page(request.query_params, fetch, serializer)
