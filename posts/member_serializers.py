"""Shapes of answers about members that tell of their posts."""

from typing import Any

from rest_framework import serializers

from accounts.models import User
from accounts.serializers import OwnProfileSerializer, PublicProfileSerializer, SurveySerializer
from accounts.surveys import survey_of
from posts import members
from posts.models import Activity
from posts.serializers import PostListItemSerializer


class ActivitySerializer(serializers.ModelSerializer):
    post = PostListItemSerializer()

    class Meta:
        model = Activity
        fields = ["id", "user_id", "post_id", "activity_type", "created_at", "post"]


def own_profile(user: User) -> dict[str, Any]:
    survey = survey_of(user)
    return {
        **OwnProfileSerializer(user).data,
        "statistics": _statistics(user, user),
        "isFollowing": False,
        "survey": SurveySerializer(survey).data if survey else None,
    }


def profile_for(viewer: User, member: User) -> dict[str, Any]:
    """What somebody answered in the survey is nobody else's business."""
    return {
        **PublicProfileSerializer(member).data,
        "statistics": _statistics(member, viewer),
        "isFollowing": members.is_following(viewer, member),
        "survey": None,
    }


def _statistics(member: User, viewer: User) -> dict[str, int]:
    found = members.statistics_of(member, viewer)
    return {
        "postCount": found.posts,
        "totalLikes": found.likes,
        "totalComments": found.comments,
        "followerCount": found.followers,
        "followingCount": found.following,
    }
