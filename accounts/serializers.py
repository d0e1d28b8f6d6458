"""Shapes of requests and responses about members."""

from typing import Any

from rest_framework import serializers

from accounts.models import Category, User


class BlankAsNoneDateField(serializers.DateField):
    """The frontend sends "" for a date that was left open."""

    def to_internal_value(self, value: Any) -> Any:
        return None if value == "" else super().to_internal_value(value)


class RegistrationSerializer(serializers.Serializer):
    email = serializers.EmailField(max_length=255)
    password = serializers.CharField(max_length=128, trim_whitespace=False)
    confirmPassword = serializers.CharField(  # noqa: N815 - the frontend's name
        max_length=128, trim_whitespace=False, required=False
    )
    first_name = serializers.CharField(max_length=100)
    last_name = serializers.CharField(max_length=100, allow_blank=True, default="")
    phone = serializers.CharField(
        max_length=20, allow_blank=True, allow_null=True, required=False, default=None
    )
    date_of_birth = BlankAsNoneDateField(required=False, allow_null=True, default=None)
    job = serializers.CharField(
        max_length=255, allow_blank=True, allow_null=True, required=False, default=None
    )

    def validate(self, attrs: dict) -> dict:
        if attrs.pop("confirmPassword", attrs["password"]) != attrs["password"]:
            raise serializers.ValidationError("Passwords do not match")
        return attrs


class LoginSerializer(serializers.Serializer):
    emailOrPhone = serializers.CharField(  # noqa: N815 - the frontend's name
        max_length=255, source="email_or_phone"
    )
    password = serializers.CharField(max_length=128, trim_whitespace=False)


class UserBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "first_name", "last_name", "avatar_url"]


class OwnUserSerializer(serializers.ModelSerializer):
    """For the member alone: it holds e-mail, phone and date of birth."""

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "phone",
            "first_name",
            "last_name",
            "date_of_birth",
            "job",
            "avatar_url",
            "cover_url",
            "bio",
            "auth_provider",
            "is_verified",
            "created_at",
        ]


class CategoryBriefSerializer(serializers.ModelSerializer):
    class Meta:
        model = Category
        fields = ["id", "name", "slug"]
