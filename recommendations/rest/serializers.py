"""Serializers of recommendations."""

from typing import get_args

from rest_framework import serializers

from posts.rest.serializers import PostListItemSerializer
from recommendations.feed import ReasonKind, Recommendation
from search.rest.serializers import FoundSerializer

_POST = PostListItemSerializer()


class SimilarMemberSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    first_name = serializers.CharField()
    last_name = serializers.CharField(allow_blank=True)
    avatar_url = serializers.CharField(allow_null=True)
    job = serializers.CharField(allow_null=True)
    similarity_score = serializers.FloatField(min_value=0, max_value=1)
    shared_interests = serializers.ListField(child=serializers.CharField())


class ReasonSerializer(serializers.Serializer):
    """post_id: the post that the member liked, saved or viewed. text: in the reader's language."""

    kind = serializers.ChoiceField(get_args(ReasonKind))
    text = serializers.CharField()
    post_id = serializers.UUIDField(allow_null=True)


class RecommendationSerializer(PostListItemSerializer):
    reason = ReasonSerializer()

    class Meta(PostListItemSerializer.Meta):
        fields = [*PostListItemSerializer.Meta.fields, "reason"]


def recommendation_data(recommendation: Recommendation) -> dict[str, object]:
    kind = recommendation.reason_kind
    reason = {
        "kind": kind,
        "text": recommendation.reason,
        "post_id": recommendation.source_id if kind in ("liked", "saved", "viewed") else None,
    }
    return {**_POST.to_representation(recommendation.post), "reason": reason}


# --- The old AI service's route ---------------------------------------------------------------


class MemberQuery(serializers.Serializer):
    user_id = serializers.UUIDField()
    limit = serializers.IntegerField(default=20)


class RecommendedSerializer(FoundSerializer):
    user_id = serializers.UUIDField()
    limit = serializers.IntegerField(help_text="As applied: 1 to 100")
    message = serializers.CharField()
    post_ids = serializers.ListField(child=serializers.UUIDField())
