"""Posts, their images, and what members do with them."""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Left
from pgvector.django import CosineDistance, VectorField

from accounts.models import Category
from accounts.viewer import Viewer
from posts.keyset import Cursor
from posts.phash import BAND_SHIFTS, MAX_HASH_DISTANCE, HashDistance, phash_band, shares_band
from posts.visibility import Visibility, visible_parts, visible_posts
from smimso.text import FoldedWords

EMBEDDING_DIMENSIONS = 512
AUTHOR = "author"  # a caption source; no model has this name


class AIStatus(models.TextChoices):
    PENDING = "pending", "waiting"
    EMBEDDED = "embedded", "searchable, caption pending"
    DONE = "done", "done"
    FAILED = "failed", "failed"


UNFINISHED = frozenset({AIStatus.PENDING, AIStatus.EMBEDDED})


class PostQuerySet(models.QuerySet["Post"]):
    def visible_to(self, viewer: Viewer) -> "PostQuerySet":
        return self.filter(visible_posts(viewer))

    def count_visible_to(self, viewer: Viewer) -> int:
        """Return `visible_to(viewer).count()`, by an index-only scan for each part of the rule."""
        return self._count_parts(visible_parts(viewer))

    def count_public(self) -> int:
        """Return the number of posts that everyone may see."""
        return self._count_parts(visible_parts(None))

    def count_beyond_public(self, viewer: Viewer) -> int:
        """Return the number of posts that the viewer may see in addition to the public ones."""
        parts = visible_parts(viewer)[1:]
        return self._count_parts(parts) if parts else 0

    def _count_parts(self, parts: list[Q]) -> int:
        rows = [self.filter(part).values("user_id") for part in parts]
        return rows[0].union(*rows[1:], all=True).count()

    def older_than(self, cursor: Cursor) -> "PostQuerySet":
        """Return the posts that follow `cursor` in the order newest first; ids break ties."""
        return self.filter(created_at__lte=cursor.created_at).exclude(
            created_at=cursor.created_at, id__gte=cursor.pk
        )

    def for_display(self, viewer: Viewer) -> "PostQuerySet":
        """Fetch everything that a card or a page shows, in a constant number of queries.

        `is_liked` and `is_saved` are the viewer's own.
        """
        user_id = viewer.pk if viewer is not None and viewer.is_authenticated else None
        own = {"post": OuterRef("pk"), "user": user_id}
        return (
            self.select_related("user", "category")
            .prefetch_related(models.Prefetch("images", PostImage.objects.without_vectors()))
            .annotate(
                is_liked=Exists(Like.objects.filter(**own)),
                is_saved=Exists(SavedPost.objects.filter(**own)),
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
    # Identifies the request that created the post (posts.idempotency); empty for imported posts.
    request_digest = models.CharField(
        max_length=64, default="", db_default="", blank=True, editable=False
    )
    # Fields that the AI filled in and nobody has edited since. It may overwrite them.
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
            # With the id, visible posts are counted and joined by index-only scans.
            models.Index(
                fields=["visibility", "user"], include=["id"], name="idx_posts_visibility"
            ),
            models.Index(fields=["user", "-created_at", "-id"], name="idx_posts_user_id"),
            GinIndex(fields=["tags"], name="idx_posts_tags"),
        ]

    def __str__(self) -> str:
        return self.title


class PostSearchDocument(models.Model):
    """The searchable text of a post, written by database triggers (migration 0003, ADR 5).

    In a table of its own, so that updates of a post (counters) do not touch the text index.
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
    def visible_to(self, viewer: Viewer) -> "PostImageQuerySet":
        return self.filter(visible_posts(viewer, prefix="post__"))

    def without_vectors(self) -> "PostImageQuerySet":
        """Defer the vectors: 2 kB each, and used only inside the database."""
        return self.defer("embedding", "next_embedding")

    def failed(self) -> "PostImageQuerySet":
        """Return failed images, annotated with `reason`, the first 200 characters of the error."""
        return self.filter(ai_status=AIStatus.FAILED).annotate(reason=Left("ai_error", 200))

    def searchable(self, model: str) -> "PostImageQuerySet":
        """Return images embedded by `model`; vectors of different models are not comparable."""
        return self.filter(embedding__isnull=False, embedding_model=model)

    def without_appearance(self) -> "PostImageQuerySet":
        """Return stored images whose colors and perceptual hash have not been computed yet."""
        return self.filter(colors__isnull=True).exclude(image_path="")

    def near_duplicates(self, checksum: str, perceptual_hash: int | None) -> "PostImageQuerySet":
        """Return images of the same file, or whose hash differs in few bits (`hash_distance`).

        At most MAX_HASH_DISTANCE bits. A blank checksum and a hash of None match nothing.
        """
        same = Q(checksum=checksum) if checksum else Q(pk__in=[])
        if perceptual_hash is None:
            return self.filter(same).annotate(
                hash_distance=Value(None, output_field=models.IntegerField())
            )
        bands = {f"band_{shift}": phash_band(shift) for shift in BAND_SHIFTS}
        near = shares_band(perceptual_hash) & Q(hash_distance__lte=MAX_HASH_DISTANCE)
        distance = HashDistance("perceptual_hash", Value(perceptual_hash))
        return self.alias(**bands).annotate(hash_distance=distance).filter(same | near)

    def nearest(self, vector: list[float]) -> "PostImageQuerySet":
        """Order by cosine `distance` (0..2) to `vector`, 512 floats of unit length."""
        return self.annotate(distance=CosineDistance("embedding", vector)).order_by("distance")


class PostImage(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    post = models.ForeignKey(Post, models.CASCADE, related_name="images")
    image_url = models.TextField(help_text="Path below this site, or an absolute URL")
    image_path = models.TextField(help_text="Name in the storage; empty for an external image")
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)
    file_size = models.IntegerField(null=True, help_text="bytes")
    is_animated = models.BooleanField(default=False, db_default=False)
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
    # The secondary column: vectors of another model while the collection is re-embedded (ADR 7).
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

    distance: float  # cosine, 0..2; annotated by `nearest`
    hash_distance: int | None  # bits; annotated by `near_duplicates`

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
            # For the AI statistics, by index-only scan. It has both models, because the two
            # vector columns can be swapped.
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
        """The author's caption, else the AI's."""
        return self.user_caption or self.ai_caption or self.caption or ""

    @property
    def caption_source(self) -> str | None:
        """The source of `alt_text`: "author", a model's name, or "unknown" for an import."""
        if self.user_caption:
            return AUTHOR
        return (self.caption_model or "unknown") if self.alt_text else None


class Like(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="likes")
    post = models.ForeignKey(Post, models.CASCADE, related_name="likes")
    created_at = models.DateTimeField(auto_now_add=True)

    visible_post: Post | None  # set by posts.contributions

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

    visible_post: Post | None  # set by posts.contributions

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
    # Identifies the request that created the comment (posts.idempotency); empty for imported ones.
    request_digest = models.CharField(
        max_length=64, default="", db_default="", blank=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    visible_post: Post | None  # set by posts.contributions

    class Meta:
        db_table = "comments"
        indexes = [
            models.Index(fields=["post", "created_at"], name="idx_comments_post_id"),
            models.Index(fields=["user", "-created_at", "-id"], name="idx_comments_user_id"),
            GinIndex(FoldedWords("content"), name="idx_comments_words"),
        ]

    def __str__(self) -> str:
        return self.content[:80]


class ActivityType(models.TextChoices):
    VIEW = "view"
    LIKE = "like"
    COMMENT = "comment"
    SAVE = "save"
    SHARE = "share"


class Activity(models.Model):
    """An append-only log of what members did with posts."""

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
