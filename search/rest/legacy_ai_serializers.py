"""Serializers of the old AI service's routes that find posts."""

import math

from rest_framework import serializers

from ai.rest.serializers import CLIP_DIMENSIONS, TextVectorSerializer
from search.rest.serializers import FoundSerializer

BAD_VECTOR = f"must be an array of {CLIP_DIMENSIONS} finite numbers, not all of them 0"


class _VectorField(serializers.ListField):
    """A list of numbers; unlike ListField, it rejects texts and booleans."""

    child = serializers.FloatField()

    def to_internal_value(self, data: object) -> list[float]:
        if not isinstance(data, list) or len(data) != CLIP_DIMENSIONS:
            raise serializers.ValidationError(BAD_VECTOR)
        if not all(type(number) in (int, float) for number in data):
            raise serializers.ValidationError(BAD_VECTOR)
        try:
            numbers = [float(number) for number in data]
        except OverflowError as error:
            raise serializers.ValidationError(BAD_VECTOR) from error
        if not all(map(math.isfinite, numbers)) or not any(numbers):
            raise serializers.ValidationError(BAD_VECTOR)
        return numbers


class VectorQuery(serializers.Serializer):
    embedding = _VectorField(min_length=CLIP_DIMENSIONS, max_length=CLIP_DIMENSIONS)
    limit = serializers.IntegerField(default=20)


class TextMatchesSerializer(TextVectorSerializer, FoundSerializer):
    message = serializers.CharField()


class SimilarImagesSerializer(FoundSerializer):
    embedding = serializers.ListField(
        child=serializers.FloatField(), min_length=CLIP_DIMENSIONS, max_length=CLIP_DIMENSIONS
    )
    limit = serializers.IntegerField(help_text="As applied: 1 to 100")
    message = serializers.CharField()
