"""Shapes of search requests and results."""

from typing import Any, get_args

from rest_framework import serializers

from posts.serializers import PostImageSerializer, PostListItemSerializer
from search.for_you import ReasonKind, Recommendation
from search.services import Match, Method

MOST_CHARACTERS = 1_000  # of a query; more than a worker or the search by words looks at


class _Text(serializers.CharField):
    """CharField takes numbers, too."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TextSearchSerializer(serializers.Serializer):
    query = _Text()

    def validate_query(self, query: str) -> str:
        return query[:MOST_CHARACTERS]


# Made once: building the fields of a serializer takes longer than all else that a match needs.
_POST, _IMAGE = PostListItemSerializer(), PostImageSerializer()


def match_data(match: Match) -> dict[str, Any]:
    match.image.post = match.post  # for the visibility of the file's URL
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


class SimilarMemberSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    first_name = serializers.CharField()
    last_name = serializers.CharField(allow_blank=True)
    avatar_url = serializers.CharField(allow_null=True)
    job = serializers.CharField(allow_null=True)
    similarity_score = serializers.FloatField(min_value=0, max_value=1)
    shared_interests = serializers.ListField(child=serializers.CharField())


class ReasonSerializer(serializers.Serializer):
    """post_id: the post that was liked, saved or looked at. text: in the reader's language."""

    kind = serializers.ChoiceField(get_args(ReasonKind))
    text = serializers.CharField()
    post_id = serializers.UUIDField(allow_null=True)


class RecommendationSerializer(PostListItemSerializer):
    reason = ReasonSerializer()

    class Meta(PostListItemSerializer.Meta):
        fields = [*PostListItemSerializer.Meta.fields, "reason"]


def recommendation_data(found: Recommendation) -> dict[str, Any]:
    about_post = found.about_id if found.kind in ("liked", "saved", "viewed") else None
    reason = {"kind": found.kind, "text": found.reason, "post_id": about_post}
    return {**PostListItemSerializer(found.post).data, "reason": reason}
