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
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Left
from pgvector.django import CosineDistance, VectorField

from accounts.models import Category, Follow, User
from posts.keyset import Cursor

EMBEDDING_DIMENSIONS = 512
AUTHOR = "author"  # a source of captions; no model is called so
BAND_SHIFTS = (48, 32, 16, 0)  # the four 16-bit bands of a perceptual hash, each with an index
BAND_MASKS = (0, *(1 << bit for bit in range(16)))  # what a band of a near hash may differ in
MAX_HASH_DISTANCE = (
    7  # the most that this finds: four bands that differ in two bits each are missed
)


def phash_band(shift: int) -> CombinedExpression:
    return F("perceptual_hash").bitrightshift(shift).bitand(0xFFFF)


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


class _HashDistance(Func):
    """In how many of 64 bits two hashes differ."""

    template = "bit_count((%(expressions)s)::bit(64))"
    arg_joiner = " # "
    output_field = models.IntegerField()


class PostQuerySet(models.QuerySet["Post"]):
    def visible_to(self, viewer: Any) -> "PostQuerySet":
        return self.filter(visible_posts(viewer))

    def count_visible_to(self, viewer: Any) -> int:
        """As `visible_to(viewer).count()`, each part from an index, without the posts' rows."""
        return self._count_parts(_visible_parts(viewer))

    def count_public(self) -> int:
        """What everybody may see."""
        return self._count_parts(_visible_parts(None))

    def count_beyond_public(self, viewer: Any) -> int:
        """What the viewer may see and not everybody: with `count_public`, `count_visible_to`."""
        parts = _visible_parts(viewer)[1:]
        return self._count_parts(parts) if parts else 0

    def _count_parts(self, parts: list[Q]) -> int:
        counted = [self.filter(part).values("user_id") for part in parts]
        return counted[0].union(*counted[1:], all=True).count()

    def older_than(self, place: Cursor) -> "PostQuerySet":
        """What follows `place` when the newest come first; ids tell equal times apart."""
        return self.filter(created_at__lte=place.created_at).exclude(
            created_at=place.created_at, id__gte=place.pk
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
    # Fields that the author left empty. The AI writes no others.
    ai_writable_fields = ArrayField(
        models.CharField(max_length=20),
        verbose_name="fields the AI may fill in",
        db_column="open_fields",
        default=list,
        blank=True,
    )
    # Of the request that made it; rows of bulk imports have none.
    request_digest = models.CharField(
        max_length=64, default="", db_default="", blank=True, editable=False
    )
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
            GinIndex(fields=["tags"], name="idx_posts_tags"),
        ]

    def __str__(self) -> str:
        return self.title


class PostSearchDocument(models.Model):
    """What is searched for words; PostgreSQL's triggers write it (migration 0003, ADR 5).

    A table of its own: rows of posts stay small, and change without touching this index.
    """

    post = models.OneToOneField(
        Post, models.CASCADE, primary_key=True, related_name="search_document"
    )
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

    def failed(self) -> "PostImageQuerySet":
        """`reason`: how `ai_error` begins, which is the same for what failed alike."""
        return self.filter(ai_status=AIStatus.FAILED).annotate(reason=Left("ai_error", 200))

    def searchable(self, model: str) -> "PostImageQuerySet":
        """Embedded by `model`: vectors of two models are never compared."""
        return self.filter(embedding__isnull=False, embedding_model=model)

    def without_appearance(self) -> "PostImageQuerySet":
        """Stored here, but nobody has looked yet for their colours and perceptual hash."""
        return self.filter(colors__isnull=True).exclude(image_path="")

    def near_duplicates(self, checksum: str, perceptual_hash: int | None) -> "PostImageQuerySet":
        """Return images of the same file, or whose hash differs in few bits (`hash_distance`).

        At most MAX_HASH_DISTANCE bits, found by multi-index hashing (Norouzi et al. 2012, "Fast
        Search in Hamming Space with Multi-Index Hashing"). A blank checksum and a hash of None
        match nothing.
        """
        same = Q(checksum=checksum) if checksum else Q(pk__in=[])
        if perceptual_hash is None:
            return self.filter(same).annotate(
                hash_distance=Value(None, output_field=models.IntegerField())
            )
        bands = {f"band_{shift}": phash_band(shift) for shift in BAND_SHIFTS}
        either = [
            Q(**{f"band_{shift}__in": [perceptual_hash >> shift & 0xFFFF ^ m for m in BAND_MASKS]})
            for shift in BAND_SHIFTS
        ]
        near = reduce(or_, either) & Q(hash_distance__lte=MAX_HASH_DISTANCE)
        distance = _HashDistance("perceptual_hash", Value(perceptual_hash))
        return self.alias(**bands).annotate(hash_distance=distance).filter(same | near)

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
        null=True, blank=True, help_text="64-bit hash; similar pictures differ in few bits"
    )
    colors = ArrayField(
        models.CharField(max_length=20),
        null=True,
        blank=True,
        help_text="Color names, largest area first",
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
        default=0, db_default=0, help_text="Attempts to compute the vector of the secondary column"
    )
    caption_model = models.CharField(max_length=200, blank=True)
    ai_status = models.CharField(
        "AI state", max_length=10, choices=AIStatus.choices, default=AIStatus.PENDING
    )
    ai_error = models.TextField("AI error", blank=True)
    ai_attempts = models.PositiveSmallIntegerField("AI attempts", default=0)
    ai_queued_at = models.DateTimeField("queued for the AI at", null=True)

    distance: float  # cosine, 0..2; only on what `nearest` returns
    hash_distance: int | None  # bits; only on what `near_duplicates` returns

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
            models.Index(fields=["-created_at", "-id"], name="idx_post_images_created_at"),
            # All that is counted of the AI's work, without the rows; with both models, as their
            # columns exchange their names.
            models.Index(
                fields=["ai_status", "caption_model", "embedding_model", "next_embedding_model"],
                name="idx_post_images_ai_state",
            ),
            models.Index(
                fields=["id"],
                condition=Q(colors__isnull=True) & ~Q(image_path=""),
                name="idx_post_images_unseen",
            ),
            models.Index(
                fields=["checksum"], condition=~Q(checksum=""), name="idx_post_images_checksum"
            ),
            models.Index(phash_band(48), name="idx_post_images_hash_1"),
            models.Index(phash_band(32), name="idx_post_images_hash_2"),
            models.Index(phash_band(16), name="idx_post_images_hash_3"),
            models.Index(phash_band(0), name="idx_post_images_hash_4"),
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
