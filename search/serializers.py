"""Shapes of search requests and results."""

from typing import Any

from rest_framework import serializers

from posts.serializers import PostImageSerializer, PostListItemSerializer
from search.services import Match

MOST_CHARACTERS = 1_000  # of a query; more than a worker or the search by words looks at


class TextQuerySerializer(serializers.Serializer):
    query = serializers.CharField()

    def validate_query(self, query: str) -> str:
        return query[:MOST_CHARACTERS]


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
