"""Serializers of requests and responses about members."""

from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from rest_framework import serializers

from accounts import options
from accounts.models import Category, Survey, User
from accounts.passwords import normalize_password
from smimso.web.serializers import ModelSerializer
from smimso.web.text_fields import EmailField, LineField, TextField


class BlankAsNoneDateField(serializers.DateField):
    """Accepts "", which the frontend sends for an empty date."""

    def to_internal_value(self, value: Any) -> Any:
        return None if value == "" else super().to_internal_value(value)


def validate_past_date(day: date | None) -> None:
    if day is not None and day > timezone.localdate():
        raise serializers.ValidationError(gettext("The date is in the future."))


class NewPasswordField(serializers.CharField):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=128, trim_whitespace=False, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(normalize_password(data) if isinstance(data, str) else data)


class RegistrationSerializer(serializers.Serializer):
    email = EmailField(max_length=255)
    password = NewPasswordField()
    confirmPassword = NewPasswordField(  # noqa: N815 - the frontend's name
        required=False
    )
    first_name = LineField(max_length=100)
    last_name = LineField(max_length=100, allow_blank=True, default="")
    phone = LineField(
        max_length=20, allow_blank=True, allow_null=True, required=False, default=None
    )
    date_of_birth = BlankAsNoneDateField(
        required=False, allow_null=True, default=None, validators=[validate_past_date]
    )
    job = LineField(max_length=255, allow_blank=True, allow_null=True, required=False, default=None)

    def validate(self, attrs: dict) -> dict:
        if attrs.pop("confirmPassword", attrs["password"]) != attrs["password"]:
            raise serializers.ValidationError("Passwords do not match")
        return attrs


class LoginSerializer(serializers.Serializer):
    emailOrPhone = serializers.CharField(  # noqa: N815 - the frontend's name
        max_length=255, source="email_or_phone"
    )
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class GoogleLoginSerializer(serializers.Serializer):
    token = serializers.CharField(max_length=8192)


class IdentitySerializer(serializers.Serializer):
    """Proof of the member's identity: the password, or a fresh ID token of Google."""

    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, allow_blank=True, default=""
    )
    googleToken = serializers.CharField(  # noqa: N815 - the frontend's name
        max_length=8192, allow_blank=True, default="", source="google_token"
    )


class NewPasswordSerializer(IdentitySerializer):
    newPassword = NewPasswordField(  # noqa: N815 - the frontend's name
        source="new_password"
    )


class ProfileFormSerializer(serializers.Serializer):
    """Fields of the profile that members can change. Blank means null; other keys are ignored."""

    first_name = LineField(max_length=100, required=False)
    last_name = LineField(max_length=100, allow_blank=True, required=False)
    phone = LineField(max_length=20, allow_blank=True, allow_null=True, required=False)
    date_of_birth = BlankAsNoneDateField(
        allow_null=True, required=False, validators=[validate_past_date]
    )
    job = LineField(max_length=255, allow_blank=True, allow_null=True, required=False)
    bio = TextField(max_length=5_000, allow_blank=True, allow_null=True, required=False)
    avatar_url = serializers.CharField(
        max_length=2_000, allow_blank=True, allow_null=True, required=False
    )
    cover_url = serializers.CharField(
        max_length=2_000, allow_blank=True, allow_null=True, required=False
    )

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        names = {"first_name", "last_name"}
        return {name: value if name in names else value or None for name, value in attrs.items()}


class SurveyFormSerializer(serializers.Serializer):
    favorite_categories = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=100
    )
    usage_purposes = serializers.ListField(
        child=serializers.ChoiceField(
            sorted(options.option_values(options.SURVEY_PURPOSES, options.PURPOSES))
        ),
        min_length=1,
        max_length=100,
    )
    awareness_source = serializers.ChoiceField(
        sorted(options.option_values(options.SURVEY_SOURCES, options.SOURCES))
    )
    expectation_level = serializers.IntegerField(
        min_value=1, max_value=5, allow_null=True, required=False, default=None
    )


class UserBriefSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "first_name", "last_name", "avatar_url"]


class OwnUserSerializer(ModelSerializer):
    """The member's own account, with e-mail, phone and date of birth: for that member only."""

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


class OwnProfileSerializer(OwnUserSerializer):
    """The member's own profile, without internal columns."""

    class Meta(OwnUserSerializer.Meta):
        fields = [*OwnUserSerializer.Meta.fields, "is_active", "updated_at"]


class PublicProfileSerializer(ModelSerializer):
    """A member as others see them, without private fields."""

    class Meta:
        model = User
        fields = [
            name
            for name in OwnProfileSerializer.Meta.fields
            if name not in ("email", "phone", "date_of_birth")
        ]


class UserCardSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "first_name", "last_name", "avatar_url", "bio", "job"]


class ListedUserSerializer(UserCardSerializer):
    isFollowing = serializers.BooleanField(  # noqa: N815 - the frontend's name
        source="is_following"
    )

    class Meta(UserCardSerializer.Meta):
        fields = [*UserCardSerializer.Meta.fields, "isFollowing"]


class SurveySerializer(ModelSerializer):
    class Meta:
        model = Survey
        fields = [
            "id",
            "user_id",
            "favorite_categories",
            "usage_purposes",
            "awareness_source",
            "expectation_level",
            "completed_at",
        ]


class CategorySerializer(ModelSerializer):
    class Meta:
        model = Category
        fields = ["id", "name", "slug", "description", "icon_url"]


class CategoryBriefSerializer(ModelSerializer):
    class Meta:
        model = Category
        fields = ["id", "name", "slug"]


class AvatarFormSerializer(serializers.Serializer):
    avatar = serializers.ImageField()


class CoverFormSerializer(serializers.Serializer):
    cover = serializers.ImageField()


class TokenSerializer(serializers.Serializer):
    token = serializers.CharField()


class SessionSerializer(TokenSerializer):
    user = OwnUserSerializer()


class GoogleSessionSerializer(SessionSerializer):
    isNewUser = serializers.BooleanField()  # noqa: N815 - the frontend's name


class OptionSerializer(serializers.Serializer):
    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class OptionsSerializer(serializers.Serializer):
    jobs = OptionSerializer(many=True)
    categories = CategorySerializer(many=True)
    purposes = OptionSerializer(many=True)
    sources = OptionSerializer(many=True)
    expectations = OptionSerializer(many=True)


class SurveyOptionsSerializer(serializers.Serializer):
    categories = CategorySerializer(many=True)
    usagePurposes = OptionSerializer(many=True)  # noqa: N815 - the frontend's name
    awarenessSources = OptionSerializer(many=True)  # noqa: N815 - the frontend's name


class SurveyStatusSerializer(serializers.Serializer):
    hasCompleted = serializers.BooleanField()  # noqa: N815 - the frontend's name
