"""Shapes of search requests and results."""

from typing import Any

from rest_framework import serializers

from posts.serializers import PostImageSerializer, PostListItemSerializer
from search.services import Match


class TextQuerySerializer(serializers.Serializer):
    query = serializers.CharField(max_length=1_000)


def match_data(match: Match) -> dict[str, Any]:
    match.image.post = match.post  # for the visibility of the file's URL
    image = PostImageSerializer(match.image).data
    return {
        "post_id": match.post.pk,
        "image_id": match.image.pk,
        "image_url": image["image_url"],
        "similarity_score": round(match.score, 4),
        "search_method": match.method,
        "post": PostListItemSerializer(match.post).data,
    }
