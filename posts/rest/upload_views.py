"""REST: attachments of messages, and checks and suggestions for pictures before they are posted."""

from pathlib import PurePath

from django.core.files.uploadedfile import UploadedFile
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest.requests import MemberRequest
from ai.rest.serializers import ImageFormSerializer
from media.images import check_count, decode_upload
from posts import duplicates
from posts.files import access, attachments
from posts.ingest import suggestions
from posts.rest.serializers import (
    CaptionSerializer,
    ChecksumsSerializer,
    DuplicatesFormSerializer,
    DuplicatesSerializer,
    FileFormSerializer,
    ImagesFormSerializer,
    MetadataSerializer,
    StoredFileSerializer,
)
from smimso.visible_text import clean_line
from smimso.web.file_fields import uploaded_files
from smimso.web.openapi import documented
from smimso.web.responses import success

FALLBACK_CAPTION = "Beautiful Image"  # the frontend treats it as "no caption"


class UploadView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"

    @documented("Upload a file for a message", StoredFileSerializer, form=FileFormSerializer)
    def post(self, request: MemberRequest) -> Response:
        upload = _checked_uploads(request, "file", missing="file_required")[0]
        name = attachments.store_attachment(request.user.pk, upload)
        data = {"url": access.unguarded_url(name), "filename": PurePath(name).name}
        return success(data, "File uploaded successfully")


class CheckDuplicatesView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "ai"

    @documented(
        "Find earlier posts of pictures",
        DuplicatesSerializer(many=True),
        form=DuplicatesFormSerializer,
    )
    def post(self, request: MemberRequest) -> Response:
        uploads = _checked_uploads(request, "images", missing="images_required")
        form = ChecksumsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        results = duplicates.find_duplicates(request.user, uploads, **form.validated_data)
        data = DuplicatesSerializer([{"duplicates": each} for each in results], many=True).data
        return success(data)


class GenerateCaptionView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "ai"

    @documented("Suggest a caption", CaptionSerializer, form=ImageFormSerializer)
    def post(self, request: MemberRequest) -> Response:
        upload = _checked_uploads(request, "image", missing="image_required")[0]
        caption, guess = suggestions.suggest_caption(decode_upload(upload, request.user.pk))
        data: dict[str, object] = {"caption": caption or FALLBACK_CAPTION}
        if guess:
            data |= {"category_label": guess.category.name, "category_score": guess.score}
        outcome = "successfully" if caption else "with fallback"
        return success(data, f"Caption generated {outcome}")


class GenerateMetadataView(APIView):
    parser_classes = [MultiPartParser]
    throttle_scope = "ai"

    @documented(
        "Suggest texts and a category for a post",
        MetadataSerializer,
        form=ImagesFormSerializer,
    )
    def post(self, request: MemberRequest) -> Response:
        upload = _checked_uploads(request, "images", missing="images_required")[0]
        picture = decode_upload(upload, request.user.pk)
        suggestion = suggestions.suggest_metadata(picture, clean_line(upload.name or ""))
        data: dict[str, object] = {
            "caption": suggestion.caption,
            "description": suggestion.description,
            "tags": suggestion.tags,
        }
        if suggestion.category:
            data["category_id"] = suggestion.category.pk
        return success(data, "Metadata generated successfully")


def _checked_uploads(request: MemberRequest, field: str, *, missing: str) -> list[UploadedFile]:
    """Return one or more files, no more than a post may have. Raises InvalidInput."""
    uploads = uploaded_files(request, field, missing=missing)
    check_count(uploads)
    return uploads
