"""Posts and their images. `visible_to` is the one rule of who may see what."""

from functools import reduce
from operator import or_
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q
from pgvector.django import CosineDistance, VectorField

from accounts.models import Category, Follow, User

EMBEDDING_DIMENSIONS = 512
AUTHOR = "author"  # a source of captions; no model is called so


class Visibility(models.TextChoices):
    PUBLIC = "public"
    FRIENDS = "friends"  # those who follow the author and whom the author follows
    PRIVATE = "private"


class AIStatus(models.TextChoices):
    PENDING = "pending", "waiting"
    EMBEDDED = "embedded", "searchable, caption to come"
    DONE = "done", "done"
    FAILED = "failed", "failed"


def visible_posts(viewer: Any, prefix: str = "") -> Q:
    """The visibility rule as a condition on posts, or on rows that reach a post by `prefix`.

    Posts of deactivated members are their own alone.
    """
    return reduce(or_, _visible_parts(viewer, prefix))


def _visible_parts(viewer: Any, prefix: str = "") -> list[Q]:
    """A post belongs to at most one of them: public, the viewer's own, friends'."""
    author = F(f"{prefix}user_id")
    inactive = User.objects.filter(is_active=False)
    active = ~Q(_AnyOf(author, ArraySubquery(inactive.values("pk"))))
    public = Q(**{f"{prefix}visibility": Visibility.PUBLIC})
    if viewer is None or not viewer.is_authenticated:
        return [public & active]
    own = Q(**{f"{prefix}user_id": viewer.pk})
    friends = Follow.objects.filter(follower=viewer, following__following_set__following=viewer)
    by_friends = Q(_AnyOf(author, ArraySubquery(friends.values("following_id"))))
    of_friends = Q(**{f"{prefix}visibility": Visibility.FRIENDS}) & by_friends
    return [public & active, own & ~(public & active), of_friends & active & ~own]


class _AnyOf(Func):
    """`value = ANY (array)`: the array is made once, and costs no plan more than that.

    For the planner, `value IN (SELECT …)` in a rule with OR is made again for each joined row.
    """

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = models.BooleanField()


class PostQuerySet(models.QuerySet["Post"]):
    def visible_to(self, viewer: Any) -> "PostQuerySet":
        return self.filter(visible_posts(viewer))

    def count_visible_to(self, viewer: Any) -> int:
        """As `visible_to(viewer).count()`, each part from an index, without the posts' rows."""
        counted = [self.filter(part).values("user_id") for part in _visible_parts(viewer)]
        return counted[0].union(*counted[1:], all=True).count()

    def older_than(self, post: "Post") -> "PostQuerySet":
        """What follows `post` when the newest come first; ids tell equal times apart."""
        return self.filter(created_at__lte=post.created_at).exclude(
            created_at=post.created_at, id__gte=post.pk
        )

    def for_display(self, viewer: Any) -> "PostQuerySet":
        """With all that a card or a page shows, in a constant number of queries.

        `is_liked` and `is_saved` are the viewer's own.
        """
        known = viewer is not None and viewer.is_authenticated
        mine = {"post": OuterRef("pk"), "user": viewer.pk if known else None}
        return (
            self.select_related("user", "category")
            .prefetch_related(models.Prefetch("images", PostImage.objects.without_vectors()))
            .annotate(
                is_liked=Exists(Like.objects.filter(**mine)),
                is_saved=Exists(SavedPost.objects.filter(**mine)),
            )
        )


class Post(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="posts")
    title = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    category = models.ForeignKey(
        Category, models.PROTECT, null=True, blank=True, related_name="posts"
    )
    tags = ArrayField(models.TextField(), null=True, blank=True)
    visibility = models.CharField(
        max_length=20, choices=Visibility.choices, default=Visibility.PUBLIC
    )
    view_count = models.IntegerField(default=0)
    like_count = models.IntegerField(default=0)
    comment_count = models.IntegerField(default=0)
    caption = models.TextField(null=True, blank=True, help_text="AI caption of the first image")
    # Names of the fields that the author left open; only these may the AI fill.
    open_fields = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    # Names of the fields that the AI filled and nobody wrote since; it may fill them anew.
    ai_fields = ArrayField(models.CharField(max_length=20), default=list, db_default=[], blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PostQuerySet.as_manager()

    class Meta:
        db_table = "posts"
        constraints = [
            models.CheckConstraint(
                condition=Q(visibility__in=Visibility.values), name="posts_visibility_valid"
            )
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="idx_posts_created_at"),
            # With the id, visible posts are counted and joined without reading their rows.
            models.Index(
                fields=["visibility", "user"], include=["id"], name="idx_posts_visibility"
            ),
            models.Index(fields=["user", "-created_at", "-id"], name="idx_posts_user_id"),
        ]

    def __str__(self) -> str:
        return self.title


class PostWords(models.Model):
    """What is searched for words; PostgreSQL's triggers write it (migration 0003, ADR 5).

    A table of its own: rows of posts stay small, and change without touching this index.
    """

    post = models.OneToOneField(Post, models.CASCADE, primary_key=True, related_name="words")
    document = SearchVectorField()

    class Meta:
        db_table = "post_words"
        indexes = [GinIndex(fields=["document"], name="idx_post_words_document")]

    def __str__(self) -> str:
        return str(self.pk)


class PostImageQuerySet(models.QuerySet["PostImage"]):
    def visible_to(self, viewer: Any) -> "PostImageQuerySet":
        return self.filter(visible_posts(viewer, prefix="post__"))

    def without_vectors(self) -> "PostImageQuerySet":
        """2 kB a row that nothing but the database reads."""
        return self.defer("embedding", "next_embedding")

    def searchable(self, model: str) -> "PostImageQuerySet":
        """Embedded by `model`: vectors of two models are never compared."""
        return self.filter(embedding__isnull=False, embedding_model=model)

    def nearest(self, vector: list[float]) -> "PostImageQuerySet":
        """Ordered by cosine distance (0..2) to `vector`, 512 floats of unit length."""
        return self.annotate(distance=CosineDistance("embedding", vector)).order_by("distance")


class PostImage(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    post = models.ForeignKey(Post, models.CASCADE, related_name="images")
    image_url = models.TextField(help_text="Path below this site, or an absolute URL")
    image_path = models.TextField(help_text="Name in the storage; empty for an external image")
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)
    file_size = models.IntegerField(null=True, help_text="bytes")
    checksum = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the upload")
    placeholder = models.TextField(blank=True, help_text="Blurred preview as a data: URL")
    perceptual_hash = models.BigIntegerField(
        null=True, blank=True, help_text="64 bits that change little when the picture does"
    )
    colors = ArrayField(
        models.CharField(max_length=20), null=True, blank=True, help_text="Names, most area first"
    )
    caption = models.TextField(null=True, blank=True, help_text="Legacy AI caption (imports)")
    ai_caption = models.TextField(null=True, blank=True)
    user_caption = models.TextField(null=True, blank=True)
    display_order = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    embedding = VectorField(dimensions=EMBEDDING_DIMENSIONS, null=True, blank=True)
    embedding_model = models.CharField(max_length=200, blank=True)
    # While the collection moves to another model: its vectors, beside those that are searched.
    next_embedding = VectorField(dimensions=EMBEDDING_DIMENSIONS, null=True, blank=True)
    next_embedding_model = models.CharField(max_length=200, blank=True)
    fill_attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="to make a vector that was missing beside another one"
    )
    caption_model = models.CharField(max_length=200, blank=True)
    ai_status = models.CharField(
        "AI state", max_length=10, choices=AIStatus.choices, default=AIStatus.PENDING
    )
    ai_error = models.TextField("AI error", blank=True)
    ai_attempts = models.PositiveSmallIntegerField("AI attempts", default=0)
    ai_queued_at = models.DateTimeField("queued for the AI at", null=True)

    distance: float  # cosine, 0..2; only on what `nearest` returns

    objects = PostImageQuerySet.as_manager()

    class Meta:
        db_table = "post_images"
        ordering = ["display_order", "created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ai_status__in=AIStatus.values), name="post_images_ai_status_valid"
            )
        ]
        indexes = [
            models.Index(
                fields=["ai_queued_at"],
                condition=Q(ai_status__in=[AIStatus.PENDING, AIStatus.EMBEDDED]),
                name="idx_post_images_unfinished",
            ),
            models.Index(fields=["image_path"], name="idx_post_images_path"),
        ]

    def __str__(self) -> str:
        return self.alt_text or str(self.pk)

    @property
    def alt_text(self) -> str:
        """The author's words before the machine's."""
        return self.user_caption or self.ai_caption or self.caption or ""

    @property
    def caption_source(self) -> str | None:
        """Who said what `alt_text` says: "author", a model's name, or "unknown" of an import's."""
        if self.user_caption:
            return AUTHOR
        return (self.caption_model or "unknown") if self.alt_text else None


class Like(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="likes")
    post = models.ForeignKey(Post, models.CASCADE, related_name="likes")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "likes"
        constraints = [models.UniqueConstraint(fields=["user", "post"], name="likes_once")]
        indexes = [models.Index(fields=["user", "-created_at"], name="idx_likes_user_id")]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.post_id}"


class SavedPost(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_posts")
    post = models.ForeignKey(Post, models.CASCADE, related_name="saves")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "saved_posts"
        constraints = [models.UniqueConstraint(fields=["user", "post"], name="saved_posts_once")]
        indexes = [models.Index(fields=["user", "-created_at"], name="idx_saved_posts_user_id")]

    def __str__(self) -> str:
        return f"{self.user_id} saved {self.post_id}"


class Comment(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="comments")
    post = models.ForeignKey(Post, models.CASCADE, related_name="comments")
    parent_comment = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="replies"
    )
    content = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "comments"
        indexes = [models.Index(fields=["post", "created_at"], name="idx_comments_post_id")]

    def __str__(self) -> str:
        return self.content[:80]


class ActivityType(models.TextChoices):
    VIEW = "view"
    LIKE = "like"
    COMMENT = "comment"
    SAVE = "save"
    SHARE = "share"


class Activity(models.Model):
    """The log of what a member did with posts; only ever appended to."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="activities")
    post = models.ForeignKey(Post, models.CASCADE, related_name="activities")
    activity_type = models.CharField(max_length=50, choices=ActivityType.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "user_activities"
        verbose_name_plural = "activities"
        indexes = [
            models.Index(fields=["user", "-created_at"], name="idx_user_activities_user_id"),
            models.Index(fields=["activity_type"], name="idx_user_activities_type"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.activity_type} {self.post_id}"
