"""Serializers of search requests and results."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from PIL import Image
from rest_framework import serializers

from accounts.models import Category
from media.appearance import COLORS
from posts.rest.serializers import PostImageSerializer, PostListItemSerializer
from posts.tags import clean_tags
from posts.visibility import Visibility
from search.autocomplete import SuggestionKind
from search.fusion import Method
from search.query import Filters, Orientation, Query, Sort, parse_query
from search.services import Match, Page
from smimso.errors import InvalidInput
from smimso.web.text_fields import LineField

MAX_QUERY_LENGTH = 1_000  # characters, more than CLIP or the keyword search use


class _Text(LineField):
    """A text; unlike CharField, it rejects numbers."""

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TextSearchSerializer(serializers.Serializer):
    query = _Text()

    def validate_query(self, query: str) -> str:
        return query[:MAX_QUERY_LENGTH]


class FiltersSerializer(serializers.Serializer):
    """Filters; blank ones are ignored. Days are those of the active time zone, `until` included."""

    category = serializers.CharField(
        required=False, allow_blank=True, max_length=100, help_text="A slug or an id"
    )
    author = LineField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="An id, or a name, whose last word may be incomplete",
    )
    tags = LineField(
        required=False,
        allow_blank=True,
        max_length=500,
        help_text="Separated by commas",
    )
    since = serializers.DateField(required=False, help_text="In the site's time zone")
    until = serializers.DateField(required=False, help_text="Inclusive")
    visibility = serializers.ChoiceField(Visibility.choices, required=False)
    followed = serializers.BooleanField(required=False, help_text="Only members whom I follow")
    color = serializers.ChoiceField(COLORS, required=False)
    orientation = serializers.ChoiceField(get_args(Orientation), required=False)
    sort = serializers.ChoiceField(get_args(Sort), required=False)

    def to_internal_value(self, data: Any) -> Any:
        given = {name: data[name] for name in self.fields if data.get(name) not in (None, "")}
        return super().to_internal_value(given)

    def validate_author(self, author: str) -> UUID | str:
        return _parse_id(author) or author

    def validate_category(self, category: str) -> UUID:
        pk = _parse_id(category)
        match = Category.objects.filter(Q(pk=pk) if pk else Q(slug=category)).first()
        if match is None:
            raise serializers.ValidationError(str(InvalidInput("category_not_found")))
        return match.pk

    def filters(self) -> Filters:
        given = self.validated_data
        return Filters(
            category=given.get("category"),
            author=given.get("author", ""),
            tags=tuple(clean_tags(given.get("tags", "").split(","))),
            since=_midnight(given.get("since"), days=0),
            until=_midnight(given.get("until"), days=1),
            visibility=given.get("visibility", ""),
            followed=given.get("followed", False),
            color=given.get("color", ""),
            orientation=given.get("orientation", ""),
        )


def _parse_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _midnight(day: date | None, *, days: int) -> datetime | None:
    """Return the start of the day that is `days` later, in the active time zone."""
    if day is None:
        return None
    zone = timezone.get_current_timezone()
    try:
        return datetime.combine(day + timedelta(days), time(), zone).astimezone(UTC)
    except OverflowError:  # the first or the last day that dates can express
        return None


class SearchSerializer(FiltersSerializer):
    q = LineField(
        required=False,
        allow_blank=True,
        help_text='Words; "a phrase" must occur, -word must not',
    )
    negative = LineField(
        required=False,
        allow_blank=True,
        max_length=500,
        help_text="Excluded, separated by commas",
    )
    post = serializers.UUIDField(required=False, help_text="Find posts similar to this one")
    cursor = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=8_000,
        help_text="Cursor of the next page; with it, all parameters but `limit` are ignored",
    )

    def query(self, image: Image.Image | None = None) -> Query:
        given = self.validated_data
        return parse_query(
            given.get("q", "")[:MAX_QUERY_LENGTH],
            negative=given.get("negative", ""),
            post_id=given.get("post"),
            filters=self.filters(),
            sort=given.get("sort", "relevance"),
            image=image,
        )


class SearchFormSerializer(SearchSerializer):
    image = serializers.ImageField()


def page_data(page: Page) -> dict[str, object]:
    results = [{**match_data(match), "matched_words": match.words} for match in page.matches]
    return {
        "results": results,
        "count": len(results),
        "total": page.total,
        "next_cursor": page.cursor,
        "query_type": page.query_type,
        "ai_available": page.ai_available,
        "generated_caption": page.caption,
    }


# Built once, because building the fields of a serializer takes longer than all else here.
_POST, _IMAGE = PostListItemSerializer(), PostImageSerializer()


def match_data(match: Match) -> dict[str, object]:
    match.image.post = match.post  # the file's URL depends on the post's visibility
    image = _IMAGE.to_representation(match.image)
    return {
        "post_id": match.post.pk,
        "image_id": match.image.pk,
        "image_url": image["image_url"],
        "similarity_score": round(match.score, 4),
        "search_method": match.method,
        "post": _POST.to_representation(match.post),
    }


class MatchSerializer(serializers.Serializer):
    post_id = serializers.UUIDField()
    image_id = serializers.UUIDField()
    image_url = serializers.CharField()
    similarity_score = serializers.FloatField(min_value=0, max_value=1)
    search_method = serializers.ChoiceField(get_args(Method))
    post = PostListItemSerializer()


class FoundSerializer(serializers.Serializer):
    results = MatchSerializer(many=True)
    count = serializers.IntegerField()


class FoundByTextSerializer(FoundSerializer):
    query_type = serializers.ChoiceField(["text"])
    query = serializers.CharField()
    ai_available = serializers.BooleanField()


class FoundByImageSerializer(FoundSerializer):
    query_type = serializers.ChoiceField(["image"])
    generated_caption = serializers.CharField(allow_blank=True)


class ExplainedMatchSerializer(MatchSerializer):
    matched_words = serializers.ListField(child=serializers.CharField())


class SearchPageSerializer(serializers.Serializer):
    """total: length of the list; posts deleted or hidden since are missing in the pages."""

    results = ExplainedMatchSerializer(many=True)
    count = serializers.IntegerField()
    total = serializers.IntegerField()
    next_cursor = serializers.CharField(allow_null=True)
    query_type = serializers.ChoiceField(["text", "image", "post", "mixed", "filters"])
    ai_available = serializers.BooleanField()
    generated_caption = serializers.CharField(allow_blank=True)


class SuggestionSerializer(serializers.Serializer):
    text = serializers.CharField()
    kind = serializers.ChoiceField(get_args(SuggestionKind))
