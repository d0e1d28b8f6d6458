"""Request and response bodies of the AI routes. `media.images` checks uploaded files."""

from typing import Any

from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from ai.services import DEFAULT_LABELS
from smimso.web.parsers import parse_json
from smimso.web.serializers import UTCDateTimeField

CLIP_DIMENSIONS = 512
MAX_LABELS, MAX_LABEL_LENGTH = 100, 200
_reject_surrogates = ProhibitSurrogateCharactersValidator()  # JSON could not return them
LABELS_MESSAGE = "labels must be a JSON array of strings"


class TextQuerySerializer(serializers.Serializer):
    """`limit` is documented by the old service and has no effect: one text has one vector."""

    query = serializers.CharField(max_length=2_000)
    limit = serializers.IntegerField(default=20)


class LabelsField(serializers.Field):
    """A JSON array of strings in a form field, as sent by `curl -F 'labels=["a","b"]'`."""

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            labels = parse_json(data)
        except (TypeError, ValueError) as error:
            raise serializers.ValidationError(LABELS_MESSAGE) from error
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise serializers.ValidationError(LABELS_MESSAGE)
        if len(labels) > MAX_LABELS or any(len(label) > MAX_LABEL_LENGTH for label in labels):
            raise serializers.ValidationError(
                f"at most {MAX_LABELS} labels of {MAX_LABEL_LENGTH} characters"
            )
        for label in labels:
            _reject_surrogates(label)
        return labels or list(DEFAULT_LABELS)

    def to_representation(self, value: list[str]) -> list[str]:
        return value


class LabelsSerializer(serializers.Serializer):
    labels = LabelsField(default=list(DEFAULT_LABELS))


class ImageFormSerializer(serializers.Serializer):
    image = serializers.ImageField()


class ClassifyFormSerializer(ImageFormSerializer):
    labels = serializers.CharField(required=False, help_text=LABELS_MESSAGE)


class _VectorSerializer(serializers.Serializer):
    embedding = serializers.ListField(
        child=serializers.FloatField(), min_length=CLIP_DIMENSIONS, max_length=CLIP_DIMENSIONS
    )


class ImageFeaturesSerializer(_VectorSerializer):
    caption = serializers.CharField(allow_null=True)


class TextVectorSerializer(_VectorSerializer):
    query = serializers.CharField()


class PredictionSerializer(serializers.Serializer):
    label = serializers.CharField()  # type: ignore[assignment]
    score = serializers.FloatField(min_value=0, max_value=1)


class PredictionsSerializer(serializers.Serializer):
    predictions = PredictionSerializer(many=True)


class _ModelNamesSerializer(serializers.Serializer):
    clip = serializers.CharField()
    blip = serializers.CharField()


class ServiceSerializer(serializers.Serializer):
    service = serializers.CharField()
    status = serializers.ChoiceField(["running", "unavailable"])
    device = serializers.CharField()
    models = _ModelNamesSerializer()


class _ModelsLoadedSerializer(serializers.Serializer):
    clip = serializers.BooleanField()
    blip = serializers.BooleanField()


class HealthSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    status = serializers.ChoiceField(["healthy", "unhealthy"])
    message = serializers.CharField()
    timestamp = UTCDateTimeField()
    uptime = serializers.FloatField(help_text="Seconds")
    environment = serializers.CharField()
    version = serializers.CharField()
    device = serializers.CharField()
    models_loaded = _ModelsLoadedSerializer()
    database = serializers.BooleanField()
    redis = serializers.BooleanField()
