"""Serializers of members with the statistics of their posts."""

from rest_framework import serializers

from accounts.models import User
from accounts.rest.serializers import (
    OwnProfileSerializer,
    PublicProfileSerializer,
    SurveySerializer,
    UserCardSerializer,
)
from accounts.surveys import survey_of
from members import services
from posts.models import Activity
from posts.rest.serializers import PostListItemSerializer
from smimso.web.serializers import ModelSerializer


class ActivitySerializer(ModelSerializer):
    post = PostListItemSerializer()

    class Meta:
        model = Activity
        fields = ["id", "user_id", "post_id", "activity_type", "created_at", "post"]


def own_profile(user: User) -> dict[str, object]:
    survey = survey_of(user)
    return {
        **OwnProfileSerializer(user).data,
        "statistics": _statistics(user, user),
        "isFollowing": False,
        "survey": SurveySerializer(survey).data if survey else None,
    }


def profile_for(viewer: User, member: User) -> dict[str, object]:
    """Return another member's profile, without the survey, which is private."""
    return {
        **PublicProfileSerializer(member).data,
        "statistics": _statistics(member, viewer),
        "isFollowing": services.is_following(viewer, member),
        "survey": None,
    }


def _statistics(member: User, viewer: User) -> dict[str, int]:
    statistics = services.statistics_of(member, viewer)
    return {
        "postCount": statistics.posts,
        "totalLikes": statistics.likes,
        "totalComments": statistics.comments,
        "followerCount": statistics.followers,
        "followingCount": statistics.following,
    }


class StatisticsSerializer(serializers.Serializer):
    postCount = serializers.IntegerField()  # noqa: N815 - the frontend's names
    totalLikes = serializers.IntegerField()  # noqa: N815
    totalComments = serializers.IntegerField()  # noqa: N815
    followerCount = serializers.IntegerField()  # noqa: N815
    followingCount = serializers.IntegerField()  # noqa: N815


class _MemberExtrasSerializer(serializers.Serializer):
    statistics = StatisticsSerializer()
    isFollowing = serializers.BooleanField()  # noqa: N815
    survey = SurveySerializer(allow_null=True)


class FullProfileSerializer(OwnProfileSerializer, _MemberExtrasSerializer):
    class Meta(OwnProfileSerializer.Meta):
        fields = [*OwnProfileSerializer.Meta.fields, "statistics", "isFollowing", "survey"]


class MemberProfileSerializer(PublicProfileSerializer, _MemberExtrasSerializer):
    """A profile; the member's own one has the private fields, too."""

    email = serializers.EmailField(required=False)
    phone = serializers.CharField(required=False, allow_null=True)
    date_of_birth = serializers.DateField(required=False, allow_null=True)

    class Meta(PublicProfileSerializer.Meta):
        fields = FullProfileSerializer.Meta.fields


class TopCreatorSerializer(UserCardSerializer):
    totalLikes = serializers.IntegerField()  # noqa: N815

    class Meta(UserCardSerializer.Meta):
        fields = [*UserCardSerializer.Meta.fields, "totalLikes"]


class FavoriteMemberSerializer(TopCreatorSerializer):
    totalViews = serializers.IntegerField()  # noqa: N815
    totalPosts = serializers.IntegerField()  # noqa: N815

    class Meta(TopCreatorSerializer.Meta):
        fields = [*TopCreatorSerializer.Meta.fields, "totalViews", "totalPosts"]


class ViewedMemberSerializer(UserCardSerializer):
    totalViews = serializers.IntegerField()  # noqa: N815

    class Meta(UserCardSerializer.Meta):
        fields = [*UserCardSerializer.Meta.fields, "totalViews"]


class ActiveMemberSerializer(UserCardSerializer):
    totalPosts = serializers.IntegerField()  # noqa: N815
    totalComments = serializers.IntegerField()  # noqa: N815
    recentPosts = serializers.IntegerField()  # noqa: N815
    activityScore = serializers.IntegerField()  # noqa: N815

    class Meta(UserCardSerializer.Meta):
        fields = [
            *UserCardSerializer.Meta.fields,
            *("totalPosts", "totalComments", "recentPosts", "activityScore"),
        ]
