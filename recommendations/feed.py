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
from recommendations.interests import Interaction
from search.ann.nearest import nearest_to_each
from search.dedup import collapse

ReasonKind = Literal["liked", "saved", "viewed", "category", "popular"]

MAX_RECOMMENDATIONS = 120  # recommendations
PER_INTEREST = 40  # posts
LIKED_PER_POPULAR = 3  # of the member's taste
CACHE_SECONDS, POPULAR_CACHE_SECONDS = 600, 300
_POPULAR = "recommendations:popular-images"
MAX_RECENT_POSTS, MAX_PER_CATEGORY = (
    20_000,
    40,
)  # popular among the newest; of each category at most
# Maximal marginal relevance: Carbonell and Goldstein 1998.
RELEVANCE, AUTHOR_PENALTY, PENALTY_DECAY = 0.7, 0.15, 0.8


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


class PopularImage(NamedTuple):
    """Ids as text: of UUIDs, Python reads a list that is kept in 5 ms instead of 0.2."""

    category_id: str
    pk: str
    post_id: str
    author_id: str
    checksum: str
    perceptual_hash: int | None


IMAGE_COLUMNS = ("pk", "post_id", "post__user_id", "checksum", "perceptual_hash")  # as in Candidate
NO_VECTOR = np.zeros(EMBEDDING_DIMENSIONS, dtype=np.float32)
# post, kind of the reason, and the post or category that it is about
RankedPost = tuple[UUID, ReasonKind, UUID | None]


@in_one_vector_space
def recommendation_page(member: User, *, page: int, limit: int) -> tuple[list[Recommendation], int]:
    """One page and the number of all. What has become invisible is left out of its page."""
    kept = cache.get(_key(member))
    if kept is None or (page == 1 and _is_outdated(member, kept[0])):
        kept = timezone.now(), recommend(member)
        cache.set(_key(member), kept, CACHE_SECONDS)
    chosen = kept[1]
    return _load(member, chosen[(page - 1) * limit : page * limit]), len(chosen)


def _is_outdated(member: User, chosen_at: datetime) -> bool:
    newest = interests.last_interaction_at(member)
    return newest is not None and newest > chosen_at


def reset_recommendations(member: User) -> None:
    interests.reset(member)
    cache.delete(_key(member))


def recommend(member: User) -> list[RankedPost]:
    """At most MOST, best first."""
    model = ai.clip_name()
    known = interests.seen_posts(member)
    deeds = interests.interactions_of(member, model)
    interests.update_embedding(member, deeds, model)
    liked = _diversify(_near_interests(member, deeds, known, model))
    popular = _diversify(_popular_candidates(member, known))
    mixed = _interleave(liked, popular)
    chosen: dict[UUID, RankedPost] = {}
    for each in collapse(mixed, np.array([each.vector for each in mixed])):
        chosen.setdefault(each.post_id, (each.post_id, each.kind, each.about_id))
    return list(chosen.values())[:MAX_RECOMMENDATIONS]


# --- Near the member's interests --------------------------------------------------------------


def _near_interests(
    member: User, deeds: list[Interaction], known: set[UUID], model: str
) -> list[Candidate]:
    # The deeds themselves are what is nearest; what else is known is left out below, because a
    # long list of ids takes longer to plan than to scan.
    where = ~Q(post__user=member) & ~Q(post_id__in=[deed.post_id for deed in deeds])
    found: dict[UUID, float] = {}  # image: relevance
    own_interests = interests.interests_of(deeds, model)
    if not own_interests:
        return []
    asked = [interest.vector.tolist() for interest in own_interests]
    near = nearest_to_each(member, asked, model=model, limit=PER_INTEREST, where=where)
    for interest, images in zip(own_interests, near, strict=True):
        for image in images:
            relevance = 1 - image.distance + 0.2 * interest.share
            if image.post_id not in known:
                found[image.pk] = max(relevance, found.get(image.pk, 0.0))
    first = _first_of_each_post(PostImage.objects.searchable(model).filter(pk__in=found))
    candidates = [
        Candidate(*row) for row in first.values_list(*IMAGE_COLUMNS, AsNumpy("embedding"))
    ]
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


def _popular_candidates(member: User, known: set[UUID]) -> list[Candidate]:
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
    return [
        _popular_candidate(each, place, wished)
        for place, each in enumerate(others[:MAX_RECOMMENDATIONS])
    ]


def _popular_candidate(image: PopularImage, place: int, wished: set[str]) -> Candidate:
    category_id = UUID(image.category_id) if image.category_id in wished else None
    ids = UUID(image.pk), UUID(image.post_id), UUID(image.author_id)
    known = image.checksum, image.perceptual_hash, NO_VECTOR
    kind: ReasonKind = "category" if category_id else "popular"
    return Candidate(*ids, *known, 1 - place / MAX_RECOMMENDATIONS, kind, category_id)


def _popular_images() -> list[PopularImage]:
    """One of each popular public post, most popular first; the same for everybody."""
    popular = cache.get(_POPULAR)
    if popular is None:
        days = Extract(Now() - F("created_at"), "epoch") / 86_400.0
        deeds = 3.0 * F("like_count") + 2.0 * F("comment_count") + 0.1 * F("view_count") + 1.0
        public = Post.objects.visible_to(AnonymousUser())
        newest = public.order_by("-created_at", "-id").values("pk")[:MAX_RECENT_POSTS]
        rows = (
            Post.objects.filter(pk__in=newest)
            .annotate(popularity=ExpressionWrapper(deeds / (days + 7.0), FloatField()))
            .annotate(
                place=Window(RowNumber(), partition_by="category", order_by=F("popularity").desc())
            )
            .filter(place__lte=MAX_PER_CATEGORY)
            .order_by("-popularity", "pk")
        )
        categories = dict(rows.values_list("pk", "category_id"))
        first = _first_of_each_post(PostImage.objects.filter(post_id__in=categories))
        images = {row[1]: row for row in first.values_list(*IMAGE_COLUMNS)}
        popular = []
        for post_id, category_id in categories.items():
            if post_id in images:
                pk, _, author_id, *seen = images[post_id]
                ids = str(category_id or ""), str(pk), str(post_id), str(author_id)
                popular.append(PopularImage(*ids, *seen))
        cache.set(_POPULAR, popular, POPULAR_CACHE_SECONDS)
    return popular


# --- Order ------------------------------------------------------------------------------------


def _diversify(candidates: Sequence[Candidate]) -> list[Candidate]:
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
    for _ in range(min(MAX_RECOMMENDATIONS, len(candidates))):
        score = RELEVANCE * relevance - (1 - RELEVANCE) * closest - again
        best = int(np.where(left, score, -np.inf).argmax())
        left[best] = False
        order.append(candidates[best])
        closest = np.maximum(closest, alike[best])
        again = PENALTY_DECAY * again + AUTHOR_PENALTY * (authors == authors[best])
    return order


def _interleave(liked: Sequence[Candidate], popular: Sequence[Candidate]) -> list[Candidate]:
    if not liked:
        return list(popular)
    thirds = [liked[n : n + LIKED_PER_POPULAR] for n in range(0, len(liked), LIKED_PER_POPULAR)]
    slots = zip_longest(thirds, [[each] for each in popular], fillvalue=())
    return list(chain.from_iterable(chain.from_iterable(slots)))


# --- Shown and kept ---------------------------------------------------------------------------


def _load(member: User, chosen: Iterable[RankedPost]) -> list[Recommendation]:
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
