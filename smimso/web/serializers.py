"""Base classes of serializers: times are in UTC, whatever time zone is active for pages."""

from datetime import UTC, tzinfo

from django.db import models
from rest_framework import serializers


class UTCDateTimeField(serializers.DateTimeField):
    """A time as in `2026-11-30T19:31:00.123456Z`."""

    def default_timezone(self) -> tzinfo:
        return UTC


class ModelSerializer(serializers.ModelSerializer):
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: UTCDateTimeField,
    }
