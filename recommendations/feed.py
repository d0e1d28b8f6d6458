"""Recommended posts for a member, each with a reason.

Three of four are near the member's interests, the fourth is popular. A member without interactions
gets popular posts, those in the categories of the survey first. The list is cached, so that pages
neither repeat nor skip, and renewed when the first page is requested after another like or save.
Visibility is checked again for every page.
"""

from collections.abc import Sequence
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
from smimso.visible_text import isolate

ReasonKind = Literal["liked", "saved", "viewed", "category", "popular"]

MAX_RECOMMENDATIONS = 120
PER_INTEREST = 40  # posts
LIKED_PER_POPULAR = 3  # posts near the interests, before each popular one
CACHE_SECONDS, POPULAR_CACHE_SECONDS = 600, 300
_POPULAR = "recommendations:popular-images"
MAX_RECENT_POSTS = 20_000  # popular posts are chosen among the newest
MAX_PER_CATEGORY = 40  # popular posts
# Maximal marginal relevance (Carbonell and Goldstein 1998), with a penalty for the same author.
RELEVANCE, AUTHOR_PENALTY, PENALTY_DECAY = 0.7, 0.15, 0.8


@dataclass(frozen=True)
class Recommendation:
    """A post and why it is recommended.

    source: title of the post that the member liked, saved or viewed, or name of the category; blank
    if there is none, or if the member may not see it. source_id: its id.
    """

    post: Post
    reason_kind: ReasonKind
    source: str
    source_id: UUID | None

    @property
    def reason(self) -> str:
        """The reason in the reader's language."""
        texts = {
            "liked": gettext("Because you liked “%(source)s”"),
            "saved": gettext("Because you saved “%(source)s”"),
            "viewed": gettext("Because you viewed “%(source)s”"),
            "category": gettext("Popular in %(source)s, which you chose"),
            "popular": gettext("Popular right now"),
        }
        if self.reason_kind != "popular" and not self.source:
            return gettext("Similar to what you enjoyed before")
        source = gettext("Untitled") if self.source == UNTITLED else self.source
        return texts[self.reason_kind] % {"source": isolate(source)}


@dataclass(frozen=True)
class Candidate:
    """An image that stands for its post. vector: float32 [512]; NO_VECTOR for popular images."""

    pk: UUID
    post_id: UUID
    author_id: UUID
    checksum: str
    perceptual_hash: int | None
    vector: np.ndarray
    relevance: float = 0.0
    reason_kind: ReasonKind = "popular"
    source_id: UUID | None = None


class PopularImage(NamedTuple):
    """An image of a popular post.

    Ids are text, because a cached list with UUIDs takes 5 ms to read instead of 0.2 ms.
    """

    category_id: str
    pk: str
    post_id: str
    author_id: str
    checksum: str
    perceptual_hash: int | None


IMAGE_COLUMNS = ("pk", "post_id", "post__user_id", "checksum", "perceptual_hash")  # as in Candidate
NO_VECTOR = np.zeros(EMBEDDING_DIMENSIONS, dtype=np.float32)
# Post, kind of the reason, and the post or category that is its source; cached.
RankedPost = tuple[UUID, ReasonKind, UUID | None]


@in_one_vector_space
def recommendation_page(member: User, *, page: int, limit: int) -> tuple[list[Recommendation], int]:
    """Return a page and the total number. Posts that became invisible are missing in their page."""
    cached = cache.get(_key(member))
    if cached is None or (page == 1 and _is_outdated(member, cached[0])):
        cached = timezone.now(), recommend(member)
        cache.set(_key(member), cached, CACHE_SECONDS)
    ranked = cached[1]
    return _load(member, ranked[(page - 1) * limit : page * limit]), len(ranked)


def _is_outdated(member: User, ranked_at: datetime) -> bool:
    last = interests.last_interaction_at(member)
    return last is not None and last > ranked_at


def reset_recommendations(member: User) -> None:
    """Ignore the member's interactions until now."""
    interests.reset(member)
    cache.delete(_key(member))


def recommend(member: User) -> list[RankedPost]:
    """Rank up to MAX_RECOMMENDATIONS posts, best first, and update the member's embedding."""
    model = ai.clip_name()
    seen = interests.seen_posts(member)
    interactions = interests.interactions_of(member, model)
    interests.update_embedding(member, interactions, model)
    liked = _diversify(_near_interests(member, interactions, seen, model))
    popular = _diversify(_popular_candidates(member, seen))
    candidates = _interleave(liked, popular)
    ranked: dict[UUID, RankedPost] = {}
    for each in collapse(candidates, np.array([each.vector for each in candidates])):
        ranked.setdefault(each.post_id, (each.post_id, each.reason_kind, each.source_id))
    return list(ranked.values())[:MAX_RECOMMENDATIONS]


# --- Near the member's interests ----------------------------------------------------------------


def _near_interests(
    member: User, interactions: list[Interaction], seen: set[UUID], model: str
) -> list[Candidate]:
    member_interests = interests.interests_of(interactions, model)
    if not member_interests:
        return []
    # The posts of the interactions are nearest of all. Other seen posts are dropped below, because
    # a long list of ids takes longer to plan than to scan.
    used = [interaction.post_id for interaction in interactions]
    where = ~Q(post__user=member) & ~Q(post_id__in=used)
    vectors = [interest.vector.tolist() for interest in member_interests]
    near = nearest_to_each(member, vectors, model=model, limit=PER_INTEREST, where=where)
    relevance: dict[UUID, float] = {}  # by image
    for interest, images in zip(member_interests, near, strict=True):
        for image in images:
            if image.post_id not in seen:
                score = 1 - image.distance + 0.2 * interest.share
                relevance[image.pk] = max(score, relevance.get(image.pk, 0.0))
    first = _first_of_each_post(PostImage.objects.searchable(model).filter(pk__in=relevance))
    rows = first.values_list(*IMAGE_COLUMNS, AsNumpy("embedding"))
    candidates = [Candidate(*row) for row in rows]
    if not candidates:
        return []
    similarity = (
        np.array([each.vector for each in candidates])
        @ np.array([interaction.vector for interaction in interactions]).T
    )
    return [
        replace(
            each,
            relevance=relevance[each.pk],
            reason_kind=interactions[n].kind,
            source_id=interactions[n].post_id,
        )
        for each, n in zip(candidates, similarity.argmax(axis=1), strict=True)
    ]


def _first_of_each_post(images: PostImageQuerySet) -> PostImageQuerySet:
    return images.order_by("post_id", "display_order", "pk").distinct("post_id")


# --- Popular ------------------------------------------------------------------------------------


def _popular_candidates(member: User, seen: set[UUID]) -> list[Candidate]:
    """Return unseen popular posts by others, those in the survey's categories first."""
    surveys = Survey.objects.filter(user=member).values_list("favorite_categories", flat=True)
    favorites = set(surveys.first() or ()) - {""}  # posts without a category have a blank one
    seen_ids = {str(post_id) for post_id in seen}
    unseen = [
        image
        for image in _popular_images()
        if image.author_id != str(member.pk) and image.post_id not in seen_ids
    ]
    unseen.sort(key=lambda image: image.category_id not in favorites)
    return [
        _popular_candidate(image, rank, favorites)
        for rank, image in enumerate(unseen[:MAX_RECOMMENDATIONS])
    ]


def _popular_candidate(image: PopularImage, rank: int, favorites: set[str]) -> Candidate:
    category_id = UUID(image.category_id) if image.category_id in favorites else None
    return Candidate(
        UUID(image.pk),
        UUID(image.post_id),
        UUID(image.author_id),
        image.checksum,
        image.perceptual_hash,
        NO_VECTOR,
        relevance=1 - rank / MAX_RECOMMENDATIONS,
        reason_kind="category" if category_id else "popular",
        source_id=category_id,
    )


def _popular_images() -> list[PopularImage]:
    """Return an image of each popular public post, most popular first; the same for everybody."""
    popular = cache.get(_POPULAR)
    if popular is None:
        popular = _rank_by_popularity()
        cache.set(_POPULAR, popular, POPULAR_CACHE_SECONDS)
    return popular


def _rank_by_popularity() -> list[PopularImage]:
    days = Extract(Now() - F("created_at"), "epoch") / 86_400.0
    weight = 3.0 * F("like_count") + 2.0 * F("comment_count") + 0.1 * F("view_count") + 1.0
    public = Post.objects.visible_to(AnonymousUser())
    newest = public.order_by("-created_at", "-id").values("pk")[:MAX_RECENT_POSTS]
    rank = Window(RowNumber(), partition_by="category", order_by=F("popularity").desc())
    posts = (
        Post.objects.filter(pk__in=newest)
        .annotate(popularity=ExpressionWrapper(weight / (days + 7.0), FloatField()))
        .annotate(category_rank=rank)
        .filter(category_rank__lte=MAX_PER_CATEGORY)
        .order_by("-popularity", "pk")
    )
    categories = dict(posts.values_list("pk", "category_id"))
    first = _first_of_each_post(PostImage.objects.filter(post_id__in=categories))
    images = {row[1]: row for row in first.values_list(*IMAGE_COLUMNS)}
    popular = []
    for post_id, category_id in categories.items():
        if post_id in images:
            pk, _, author_id, *hashes = images[post_id]
            ids = str(category_id or ""), str(pk), str(post_id), str(author_id)
            popular.append(PopularImage(*ids, *hashes))
    return popular


# --- Order --------------------------------------------------------------------------------------


def _diversify(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort by relevance, penalising images similar to earlier ones and authors that repeat."""
    if not candidates:
        return []
    vectors = np.array([each.vector for each in candidates])
    similarity = vectors @ vectors.T
    relevance = np.array([each.relevance for each in candidates])
    authors = np.unique([str(each.author_id) for each in candidates], return_inverse=True)[1]
    closest, penalty = np.zeros(len(candidates)), np.zeros(len(candidates))
    is_left = np.ones(len(candidates), dtype=bool)
    order = []
    for _ in range(min(MAX_RECOMMENDATIONS, len(candidates))):
        score = RELEVANCE * relevance - (1 - RELEVANCE) * closest - penalty
        best = int(np.where(is_left, score, -np.inf).argmax())
        is_left[best] = False
        order.append(candidates[best])
        closest = np.maximum(closest, similarity[best])
        penalty = PENALTY_DECAY * penalty + AUTHOR_PENALTY * (authors == authors[best])
    return order


def _interleave(liked: Sequence[Candidate], popular: Sequence[Candidate]) -> list[Candidate]:
    if not liked:
        return list(popular)
    groups = [liked[n : n + LIKED_PER_POPULAR] for n in range(0, len(liked), LIKED_PER_POPULAR)]
    slots = zip_longest(groups, [[each] for each in popular], fillvalue=())
    return list(chain.from_iterable(chain.from_iterable(slots)))


# --- From the ranked posts to a page ------------------------------------------------------------


def _load(member: User, ranked: list[RankedPost]) -> list[Recommendation]:
    """Load the posts that the member may see now, with the names of their sources."""
    posts = Post.objects.visible_to(member).for_display(member)
    by_id = posts.in_bulk([post_id for post_id, _, _ in ranked])
    source_ids = {source_id for _, _, source_id in ranked if source_id}
    # The title of a liked post that was hidden since must not be revealed.
    sources = Post.objects.visible_to(member).filter(pk__in=source_ids)
    names = dict(sources.values_list("pk", "title"))
    names |= dict(Category.objects.filter(pk__in=source_ids).values_list("pk", "name"))
    return [
        Recommendation(
            by_id[post_id],
            reason_kind,
            names.get(source_id, "") if source_id else "",
            source_id if source_id in names else None,
        )
        for post_id, reason_kind, source_id in ranked
        if post_id in by_id
    ]


def _key(member: User) -> str:
    return f"recommendations:{ai.clip_name()}:{member.pk}"
