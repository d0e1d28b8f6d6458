"""Serializers of requests and responses about posts."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Manager
from django.http import QueryDict
from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.rest.serializers import CategoryBriefSerializer, UserBriefSerializer
from posts.files import access
from posts.files.attachments import Attachment
from posts.models import Comment, Post, PostImage
from posts.tags import clean_tags
from posts.visibility import Visibility
from smimso.web.parsers import parse_json
from smimso.web.serializers import ModelSerializer, UTCDateTimeField
from smimso.web.text_fields import LineField, TextField

MAX_CAPTION_LENGTH = 2_000  # characters


@extend_schema_field({"type": "string", "description": "A JSON array of strings"})
class JSONListField(serializers.ListField):
    """A list sent as a JSON array inside a multipart field, as the frontend does."""

    def get_value(self, dictionary: Mapping[Any, object]) -> object:
        return dictionary.get(self.field_name, serializers.empty)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, str):
            data = self._parse(data)
        return super().to_internal_value(data)

    def _parse(self, text: str) -> list[Any]:
        try:
            parsed = parse_json(text)
        except ValueError:
            return [text]
        return parsed if isinstance(parsed, list) else [text]


class TagsField(JSONListField):
    """A list as a JSON array or comma separated. Blanks and repetitions are dropped."""

    child = LineField(max_length=50, allow_blank=True)

    def _parse(self, text: str) -> list[Any]:
        parsed = super()._parse(text)
        return text.split(",") if parsed == [text] else parsed

    def to_internal_value(self, data: object) -> list[str]:
        return clean_tags(super().to_internal_value(data))


class NewPostSerializer(serializers.Serializer):
    title = LineField(max_length=255, allow_blank=True, default="")
    description = TextField(max_length=10_000, allow_blank=True, default="")
    category_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    visibility = serializers.ChoiceField(Visibility.choices, default=Visibility.PUBLIC)
    tags = TagsField(default=list, max_length=30)
    user_captions = JSONListField(
        child=TextField(max_length=MAX_CAPTION_LENGTH, allow_blank=True), default=list
    )

    def to_internal_value(self, data: QueryDict) -> dict[str, object]:
        # A form cannot send null: the frontend leaves category_id blank.
        if data.get("category_id") == "":
            return super().to_internal_value({**data.dict(), "category_id": None})
        return super().to_internal_value(data)


class NewPostFormSerializer(NewPostSerializer):
    """The whole form with its files, for the OpenAPI document."""

    images = serializers.ListField(child=serializers.ImageField(), min_length=1, max_length=10)


class PostChangesSerializer(serializers.Serializer):
    """Changes of a post, for use with partial=True. Blank values become None."""

    title = LineField(max_length=255, allow_blank=True, allow_null=True)
    description = TextField(max_length=10_000, allow_blank=True, allow_null=True)
    category_id = serializers.UUIDField(allow_null=True)
    tags = serializers.ListField(
        child=LineField(max_length=50, allow_blank=True),
        max_length=30,
        allow_null=True,
    )
    visibility = serializers.ChoiceField(Visibility.choices)

    def to_internal_value(self, data: object) -> dict[str, object]:
        if isinstance(data, dict) and not data.get("category_id", True):
            data = {**data, "category_id": None}
        return super().to_internal_value(data)

    def validate_description(self, description: str | None) -> str | None:
        return description or None

    def validate_tags(self, tags: list[str] | None) -> list[str] | None:
        return clean_tags(tags or []) or None


class ImageCaptionSerializer(serializers.Serializer):
    """The author's caption; null or a blank restores the AI's caption."""

    user_caption = TextField(max_length=MAX_CAPTION_LENGTH, allow_blank=True, allow_null=True)


class FeedQuerySerializer(serializers.Serializer):
    categoryId = serializers.UUIDField(required=False)  # noqa: N815 - the frontend's name
    category_id = serializers.UUIDField(required=False)
    search = LineField(required=False, allow_blank=True, max_length=1_000)

    def to_internal_value(self, data: Any) -> dict[str, object]:
        given = {name: data[name] for name in self.fields if data.get(name)}
        return super().to_internal_value(given)

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        category_id = attrs.pop("categoryId", None)
        return {**attrs, "category_id": category_id or attrs.get("category_id")}


class PostImageSerializer(ModelSerializer):
    image_url = serializers.SerializerMethodField()
    image_path = serializers.SerializerMethodField(method_name="get_image_url")
    thumbnail_url = serializers.SerializerMethodField()
    preview_url = serializers.SerializerMethodField()
    alt_text = serializers.CharField(read_only=True, help_text="The author's caption, or the AI's")
    caption_source = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text='Source of alt_text: "author", or a model as name@commit',
    )

    class Meta:
        model = PostImage
        fields = [
            "id",
            "post_id",
            "image_url",
            "image_path",
            "thumbnail_url",
            "preview_url",
            "placeholder",
            "width",
            "height",
            "file_size",
            "caption",
            "ai_caption",
            "user_caption",
            "alt_text",
            "caption_source",
            "ai_status",
            "display_order",
            "created_at",
        ]

    def get_image_url(self, image: PostImage) -> str:
        return access.file_url(image, image.post.visibility)

    def get_thumbnail_url(self, image: PostImage) -> str:
        return access.file_url(image, image.post.visibility, "thumbnail")

    def get_preview_url(self, image: PostImage) -> str:
        return access.file_url(image, image.post.visibility, "preview")


@extend_schema_field(PostImageSerializer(allow_null=True))
class FirstImageField(serializers.Field):
    """The first image of a post, or None."""

    def to_representation(self, images: Manager[PostImage]) -> dict[str, object] | None:
        image = next(iter(images.all()), None)
        return self._image.to_representation(image) if image else None

    @cached_property
    def _image(self) -> PostImageSerializer:
        return PostImageSerializer()


class PostRowSerializer(ModelSerializer):
    user = UserBriefSerializer()
    category = CategoryBriefSerializer(allow_null=True)
    isLiked = serializers.BooleanField(source="is_liked")  # noqa: N815 - the frontend's name
    isSaved = serializers.BooleanField(source="is_saved")  # noqa: N815 - the frontend's name

    class Meta:
        model = Post
        fields = [
            "id",
            "user_id",
            "title",
            "description",
            "category_id",
            "tags",
            "visibility",
            "caption",
            "view_count",
            "like_count",
            "comment_count",
            "created_at",
            "updated_at",
            "user",
            "category",
            "isLiked",
            "isSaved",
        ]


class PostListItemSerializer(PostRowSerializer):
    # A field, because its serializer is then built once per list instead of once per post.
    image = FirstImageField(source="images", read_only=True)

    class Meta(PostRowSerializer.Meta):
        fields = [*PostRowSerializer.Meta.fields, "image"]


class PostDetailSerializer(PostRowSerializer):
    images = PostImageSerializer(many=True)

    class Meta(PostRowSerializer.Meta):
        fields = [*PostRowSerializer.Meta.fields, "images"]


class ChecksumsSerializer(serializers.Serializer):
    """SHA-256 (hex) of the original files, or blanks, in the order of the renditions sent."""

    checksums = JSONListField(
        child=serializers.RegexField("^([0-9a-f]{64})?$", allow_blank=True),
        default=list,
        max_length=10,
    )


class DuplicatesFormSerializer(ChecksumsSerializer):
    images = serializers.ListField(child=serializers.ImageField(), min_length=1, max_length=10)


class DuplicateSerializer(serializers.Serializer):
    """A post with a picture that is the same file ("exact") or looks the same ("near")."""

    kind = serializers.ChoiceField(["exact", "near"])
    own = serializers.BooleanField()
    post_id = serializers.UUIDField(source="post.pk")
    title = serializers.CharField(source="post.title")
    created_at = UTCDateTimeField(source="post.created_at")
    user = UserBriefSerializer(source="post.user")
    image = PostImageSerializer()


class DuplicatesSerializer(serializers.Serializer):
    """The duplicates of one picture."""

    duplicates = DuplicateSerializer(many=True)


class NewCommentSerializer(serializers.Serializer):
    content = TextField(max_length=5_000, allow_blank=True, allow_null=True, default="")
    parent_comment_id = serializers.UUIDField(required=False, allow_null=True, default=None)


class CommentSerializer(ModelSerializer):
    user = UserBriefSerializer()

    class Meta:
        model = Comment
        fields = [
            "id",
            "user_id",
            "post_id",
            "parent_comment_id",
            "content",
            "created_at",
            "updated_at",
            "user",
        ]


class OwnCommentSerializer(ModelSerializer):
    """A comment of the member. `post` is null if it is hidden from the member now."""

    post = PostListItemSerializer(source="visible_post", allow_null=True)

    class Meta:
        model = Comment
        fields = [
            *("id", "post_id", "parent_comment_id", "content", "created_at", "updated_at"),
            "post",
        ]


class OwnReactionSerializer(serializers.Serializer):
    """A like or save of the member. `post` is null if it is hidden from the member now."""

    id = serializers.UUIDField()
    post_id = serializers.UUIDField()
    created_at = UTCDateTimeField()
    post = PostListItemSerializer(source="visible_post", allow_null=True)


class OwnFileSerializer(serializers.Serializer):
    url = serializers.SerializerMethodField()
    filename = serializers.CharField()
    size = serializers.IntegerField(help_text="bytes")
    created_at = UTCDateTimeField()

    def get_url(self, file: Attachment) -> str:
        return access.unguarded_url(file.name)


class FileFormSerializer(serializers.Serializer):
    file = serializers.FileField()


class ImagesFormSerializer(serializers.Serializer):
    images = serializers.ListField(child=serializers.ImageField(), min_length=1)


class StoredFileSerializer(serializers.Serializer):
    url = serializers.CharField()
    filename = serializers.CharField()


class CaptionSerializer(serializers.Serializer):
    caption = serializers.CharField()
    category_label = serializers.CharField(required=False)
    category_score = serializers.FloatField(required=False, min_value=0, max_value=1)


class MetadataSerializer(serializers.Serializer):
    caption = serializers.CharField(allow_blank=True)
    description = serializers.CharField(allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField())
    category_id = serializers.UUIDField(required=False)
