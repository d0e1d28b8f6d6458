"""Members, follows, surveys and categories."""

from typing import Any
from uuid import uuid4

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorExact, SearchVectorField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.passwords import normalize_password, password_forms
from smimso.login_names import normalize_email, normalize_login, normalize_phone
from smimso.text import MAX_WORD_LENGTH, UNIT, WordQuery, fold

MAX_WORDS = 12  # of a name that is searched for


class NameParts(models.Func):
    """Every part of the folded words of a name, as a tsvector (migration 0007)."""

    function = "name_parts"
    output_field = SearchVectorField()


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> "UserQuerySet":
        return UserQuerySet(self.model, using=self._db)

    def active(self) -> "UserQuerySet":
        return self.get_queryset().active()

    def named(self, text: str) -> "UserQuerySet":
        return self.get_queryset().named(text)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        phone = fields.pop("phone", None)
        phone = (normalize_phone(phone) or phone) if phone else None
        user = self.model(email=normalize_email(email), phone=phone, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalize_email(username or ""))

    def find_by_login(self, login: str) -> "User | None":
        """Return the member with this e-mail address or phone number.

        A number that is stored as typed belongs to a member whose number an older account has.
        """
        name, typed = normalize_login(login), login.strip()
        if "@" in name:
            return self.filter(email=name).first()
        by_phone = {user.phone: user for user in self.filter(phone__in=[typed, name])}
        return by_phone.get(typed) or by_phone.get(name)


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> "UserQuerySet":
        """Return members who are not deactivated; others cannot be listed, found or followed."""
        return self.filter(is_active=True)

    def named(self, text: str) -> "UserQuerySet":
        """Return the members whose name has each word of `text` as a part, in any order.

        Case and diacritics make no difference. No member has a text without words as a name.
        """
        (folded,) = fold([text])
        words = [word.replace(UNIT, "")[:MAX_WORD_LENGTH] for word in folded.split()[:MAX_WORDS]]
        if not words:
            return self.none()
        query = WordQuery(" & ".join(f"'{word}':*" for word in words))
        return self.filter(SearchVectorExact(NameParts("first_name", "last_name"), query))

    def with_is_following(self, viewer: "User") -> "UserQuerySet":
        """Annotate each member with `is_following`: the viewer follows that member."""
        followed = Follow.objects.filter(follower=viewer, following=models.OuterRef("pk"))
        return self.annotate(is_following=models.Exists(followed))


class User(AbstractBaseUser, PermissionsMixin):
    _password: str | None  # set by Django: the raw password until it is saved

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    email = models.EmailField(max_length=255, unique=True)
    phone = models.CharField(max_length=20, unique=True, null=True, blank=True)
    password = models.CharField(max_length=255, db_column="password_hash")
    first_name = models.CharField(max_length=100)
    last_name = models.CharField(max_length=100, blank=True)
    date_of_birth = models.DateField(null=True, blank=True)
    job = models.CharField(max_length=255, null=True, blank=True)
    avatar_url = models.TextField(null=True, blank=True)
    cover_url = models.TextField(null=True, blank=True)
    bio = models.TextField(null=True, blank=True)
    auth_provider = models.CharField(max_length=50, default="credential")
    google_id = models.CharField(max_length=255, unique=True, null=True, blank=True)
    is_verified = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    # Tokens issued before this time are invalid. Set when the password changes.
    tokens_valid_from = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["first_name", "last_name"]

    class Meta:
        db_table = "users"
        constraints = [models.UniqueConstraint(Lower("email"), name="users_email_ci_unique")]
        indexes = [
            GinIndex(NameParts("first_name", "last_name"), name="idx_users_name_parts"),
        ]

    def __str__(self) -> str:
        return self.full_name

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(normalize_password(raw_password) if raw_password else raw_password)

    def check_password(self, raw_password: str | None) -> bool:
        """Accept also a hash that was made of another form of the password, and renew it."""
        if raw_password is None:
            return False
        normalized, *others = password_forms(raw_password)
        if super().check_password(normalized):
            return True
        if not any(check_password(form, self.password) for form in others):
            return False
        self.set_password(normalized)
        self._password = None  # the same password: tokens stay valid
        self.save(update_fields=["password"])
        return True

    def save(self, *args: Any, **kwargs: Any) -> None:
        # `_password` is empty when a login upgrades the hash, which leaves tokens valid.
        if self._password is not None and not self._state.adding:
            self.tokens_valid_from = timezone.now()
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "tokens_valid_from"}
        super().save(*args, **kwargs)

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Follow(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    follower = models.ForeignKey(User, models.CASCADE, related_name="following_set")
    following = models.ForeignKey(User, models.CASCADE, related_name="follower_set")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "follows"
        constraints = [
            models.UniqueConstraint(fields=["follower", "following"], name="follows_once"),
            models.CheckConstraint(
                condition=~models.Q(follower=models.F("following")), name="follows_not_oneself"
            ),
        ]
        indexes = [models.Index(fields=["-created_at"], name="idx_follows_created_at")]

    def __str__(self) -> str:
        return f"{self.follower_id} → {self.following_id}"


class Survey(models.Model):
    """A member's answers about their interests; one survey per member."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.OneToOneField(User, models.CASCADE, related_name="survey")
    favorite_categories = ArrayField(models.TextField(), null=True, blank=True)
    usage_purposes = ArrayField(models.TextField(), null=True, blank=True)
    awareness_source = models.CharField(max_length=100, null=True, blank=True)
    expectation_level = models.IntegerField(null=True, blank=True)
    completed_at = models.DateTimeField()

    class Meta:
        db_table = "surveys"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(expectation_level__range=(1, 5)),
                name="surveys_expectation_level_valid",
            )
        ]

    def __str__(self) -> str:
        return f"Survey of {self.user_id}"


class Category(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=100, unique=True)
    description = models.TextField(null=True, blank=True)
    icon_url = models.TextField(null=True, blank=True)
    prompt = models.CharField(
        max_length=200,
        help_text="Describe an image of this category in English."
        " Separate several texts by semicolons.",
    )
    prompt_vi = models.CharField(
        "prompt in Vietnamese",
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="The same in Vietnamese, for models that understand it."
        " Default: the category's name.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "categories"
        ordering = ["name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name
