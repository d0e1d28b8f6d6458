"""Posts that a member may like, each with the reason.

Three of four are near the member's interests, the fourth is popular; a member of whom nothing is
known gets what is popular, in the categories of the survey first. Chosen once in KEPT_SECONDS, so
that pages neither repeat nor skip, and when a first page is asked for after another like or save.
Who may see a post is asked anew at every page.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, zip_longest
from typing import Literal, NamedTuple
from uuid import UUID

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db.models import ExpressionWrapper, F, FloatField, Q, Window
from django.db.models.functions import Extract, Now, RowNumber
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import Category, Survey, User
from ai import services as ai
from ai.vector_space import in_one_vector_space
from posts.ingest.embeddings import AsNumpy
from posts.models import EMBEDDING_DIMENSIONS, Post, PostImage, PostImageQuerySet
from posts.services import UNTITLED
from recommendations import interests
from recommendations.interests import Deed
from search.ann.nearest import nearest_to_each
from search.dedup import collapse

ReasonKind = Literal["liked", "saved", "viewed", "category", "popular"]

MOST = 120  # recommendations
NEAR_AN_INTEREST = 40  # posts
POPULAR_AFTER = 3  # of the member's taste
KEPT_SECONDS, POPULAR_SECONDS = 600, 300
_POPULAR = "recommendations:popular-images"
MOST_RECENT, OF_A_CATEGORY = 20_000, 40  # popular among the newest; of each category at most
# Maximal marginal relevance: Carbonell and Goldstein 1998.
RELEVANCE, AUTHOR_AGAIN, AUTHOR_FORGOTTEN = 0.7, 0.15, 0.8


@dataclass(frozen=True)
class Recommendation:
    """kind: why. about: the title of the post that was liked, or the category's name, or blank."""

    post: Post
    kind: ReasonKind
    about: str
    about_id: UUID | None

    @property
    def reason(self) -> str:
        """In the reader's language."""
        texts = {
            "liked": gettext("Because you liked “%(about)s”"),
            "saved": gettext("Because you saved “%(about)s”"),
            "viewed": gettext("Because you looked at “%(about)s”"),
            "category": gettext("Popular in %(about)s, which you chose"),
            "popular": gettext("Popular at the moment"),
        }
        if self.kind != "popular" and not self.about:
            return gettext("Like what you enjoyed before")
        about = gettext("Untitled") if self.about == UNTITLED else self.about
        return texts[self.kind] % {"about": about}


@dataclass(frozen=True)
class Candidate:
    """An image that stands for its post. vector: float32 [512], UNKNOWN of what is popular."""

    pk: UUID
    post_id: UUID
    author_id: UUID
    checksum: str
    perceptual_hash: int | None
    vector: np.ndarray
    relevance: float = 0.0
    kind: ReasonKind = "popular"
    about_id: UUID | None = None


class Popular(NamedTuple):
    """Ids as text: of UUIDs, Python reads a list that is kept in 5 ms instead of 0.2."""

    category_id: str
    pk: str
    post_id: str
    author_id: str
    checksum: str
    perceptual_hash: int | None


COLUMNS = ("pk", "post_id", "post__user_id", "checksum", "perceptual_hash")  # as in Candidate
UNKNOWN = np.zeros(EMBEDDING_DIMENSIONS, dtype=np.float32)
# post, kind of the reason, and the post or category that it is about
Chosen = tuple[UUID, ReasonKind, UUID | None]


@in_one_vector_space
def for_you(member: User, *, page: int, limit: int) -> tuple[list[Recommendation], int]:
    """One page and the number of all. What has become invisible is left out of its page."""
    kept = cache.get(_key(member))
    if kept is None or (page == 1 and _is_outdated(member, kept[0])):
        kept = timezone.now(), choose(member)
        cache.set(_key(member), kept, KEPT_SECONDS)
    chosen = kept[1]
    return _shown(member, chosen[(page - 1) * limit : page * limit]), len(chosen)


def _is_outdated(member: User, chosen_at: datetime) -> bool:
    newest = interests.newest_choice(member)
    return newest is not None and newest > chosen_at


def forget_taste(member: User) -> None:
    interests.forget(member)
    cache.delete(_key(member))


def choose(member: User) -> list[Chosen]:
    """At most MOST, best first."""
    model = ai.clip_name()
    known = interests.known_to(member)
    deeds = interests.deeds_of(member, model)
    interests.learn(member, deeds, model)
    liked = _diverse(_near(member, deeds, known, model))
    popular = _diverse(_popular(member, known))
    mixed = _mixed(liked, popular)
    chosen: dict[UUID, Chosen] = {}
    for each in collapse(mixed, np.array([each.vector for each in mixed])):
        chosen.setdefault(each.post_id, (each.post_id, each.kind, each.about_id))
    return list(chosen.values())[:MOST]


# --- Near the member's interests --------------------------------------------------------------


def _near(member: User, deeds: list[Deed], known: set[UUID], model: str) -> list[Candidate]:
    # The deeds themselves are what is nearest; what else is known is left out below, because a
    # long list of ids takes longer to plan than to scan.
    where = ~Q(post__user=member) & ~Q(post_id__in=[deed.post_id for deed in deeds])
    found: dict[UUID, float] = {}  # image: relevance
    own_interests = interests.interests_of(deeds, model)
    if not own_interests:
        return []
    asked = [interest.vector.tolist() for interest in own_interests]
    near = nearest_to_each(member, asked, model=model, limit=NEAR_AN_INTEREST, where=where)
    for interest, images in zip(own_interests, near, strict=True):
        for image in images:
            relevance = 1 - image.distance + 0.2 * interest.share
            if image.post_id not in known:
                found[image.pk] = max(relevance, found.get(image.pk, 0.0))
    first = _first_of_each_post(PostImage.objects.searchable(model).filter(pk__in=found))
    candidates = [Candidate(*row) for row in first.values_list(*COLUMNS, AsNumpy("embedding"))]
    if not candidates:
        return []
    vectors = np.array([each.vector for each in candidates])
    # The deed that is most like a post is the reason for it.
    reasons = (vectors @ np.array([deed.vector for deed in deeds]).T).argmax(axis=1)
    return [
        replace(each, relevance=found[each.pk], kind=deeds[n].kind, about_id=deeds[n].post_id)
        for each, n in zip(candidates, reasons, strict=True)
    ]


def _first_of_each_post(images: PostImageQuerySet) -> PostImageQuerySet:
    return images.order_by("post_id", "display_order", "pk").distinct("post_id")


# --- Popular ----------------------------------------------------------------------------------


def _popular(member: User, known: set[UUID]) -> list[Candidate]:
    """Those of the categories that the survey names first."""
    surveys = Survey.objects.filter(user=member).values_list("favorite_categories", flat=True)
    wished = set(surveys.first() or ()) - {""}  # of a post without category
    unwanted = {str(post_id) for post_id in known}
    others = [
        each
        for each in _popular_images()
        if each.author_id != str(member.pk) and each.post_id not in unwanted
    ]
    others.sort(key=lambda each: each.category_id not in wished)
    return [_candidate(each, place, wished) for place, each in enumerate(others[:MOST])]


def _candidate(image: Popular, place: int, wished: set[str]) -> Candidate:
    category_id = UUID(image.category_id) if image.category_id in wished else None
    ids = UUID(image.pk), UUID(image.post_id), UUID(image.author_id)
    known = image.checksum, image.perceptual_hash, UNKNOWN
    kind: ReasonKind = "category" if category_id else "popular"
    return Candidate(*ids, *known, 1 - place / MOST, kind, category_id)


def _popular_images() -> list[Popular]:
    """One of each popular public post, most popular first; the same for everybody."""
    popular = cache.get(_POPULAR)
    if popular is None:
        days = Extract(Now() - F("created_at"), "epoch") / 86_400.0
        deeds = 3.0 * F("like_count") + 2.0 * F("comment_count") + 0.1 * F("view_count") + 1.0
        public = Post.objects.visible_to(AnonymousUser())
        newest = public.order_by("-created_at", "-id").values("pk")[:MOST_RECENT]
        rows = (
            Post.objects.filter(pk__in=newest)
            .annotate(popularity=ExpressionWrapper(deeds / (days + 7.0), FloatField()))
            .annotate(
                place=Window(RowNumber(), partition_by="category", order_by=F("popularity").desc())
            )
            .filter(place__lte=OF_A_CATEGORY)
            .order_by("-popularity", "pk")
        )
        categories = dict(rows.values_list("pk", "category_id"))
        first = _first_of_each_post(PostImage.objects.filter(post_id__in=categories))
        images = {row[1]: row for row in first.values_list(*COLUMNS)}
        popular = []
        for post_id, category_id in categories.items():
            if post_id in images:
                pk, _, author_id, *seen = images[post_id]
                ids = str(category_id or ""), str(pk), str(post_id), str(author_id)
                popular.append(Popular(*ids, *seen))
        cache.set(_POPULAR, popular, POPULAR_SECONDS)
    return popular


# --- Order ------------------------------------------------------------------------------------


def _diverse(candidates: Sequence[Candidate]) -> list[Candidate]:
    """By relevance, less what is like an earlier one or by the same author again."""
    if not candidates:
        return []
    vectors = np.array([each.vector for each in candidates])
    alike = vectors @ vectors.T
    relevance = np.array([each.relevance for each in candidates])
    authors = np.unique([str(each.author_id) for each in candidates], return_inverse=True)[1]
    closest, again = np.zeros(len(candidates)), np.zeros(len(candidates))
    left = np.ones(len(candidates), dtype=bool)
    order = []
    for _ in range(min(MOST, len(candidates))):
        score = RELEVANCE * relevance - (1 - RELEVANCE) * closest - again
        best = int(np.where(left, score, -np.inf).argmax())
        left[best] = False
        order.append(candidates[best])
        closest = np.maximum(closest, alike[best])
        again = AUTHOR_FORGOTTEN * again + AUTHOR_AGAIN * (authors == authors[best])
    return order


def _mixed(liked: Sequence[Candidate], popular: Sequence[Candidate]) -> list[Candidate]:
    if not liked:
        return list(popular)
    thirds = [liked[n : n + POPULAR_AFTER] for n in range(0, len(liked), POPULAR_AFTER)]
    slots = zip_longest(thirds, [[each] for each in popular], fillvalue=())
    return list(chain.from_iterable(chain.from_iterable(slots)))


# --- Shown and kept ---------------------------------------------------------------------------


def _shown(member: User, chosen: Iterable[Chosen]) -> list[Recommendation]:
    rows = list(chosen)
    posts = Post.objects.visible_to(member).for_display(member).in_bulk([row[0] for row in rows])
    about = {row[2] for row in rows if row[2]}
    # A post that was liked may have been hidden since: then its title is nobody's business.
    titles = dict(Post.objects.visible_to(member).filter(pk__in=about).values_list("pk", "title"))
    titles |= dict(Category.objects.filter(pk__in=about).values_list("pk", "name"))
    return [
        Recommendation(
            posts[post_id],
            kind,
            titles.get(about_id, "") if about_id else "",
            about_id if about_id in titles else None,
        )
        for post_id, kind, about_id in rows
        if post_id in posts
    ]


def _key(member: User) -> str:
    return f"recommendations:{ai.clip_name()}:{member.pk}"
