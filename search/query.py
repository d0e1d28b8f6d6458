"""A search query as typed or chosen: words, an image, a post, what to exclude, and filters."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal
from uuid import UUID

import numpy as np
from django.contrib.postgres.search import SearchVectorExact
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat
from PIL import Image

from accounts.models import Follow
from accounts.viewer import Viewer
from posts.full_text import (
    MAX_TERMS,
    NAMES,
    TAGS,
    Term,
    match_all,
    match_any,
    match_phrases,
    parse_phrases,
    parse_terms,
    prefix_query,
)
from posts.models import PostImage
from smimso.text import FoldedWords, WordQuery, fold

Sort = Literal["relevance", "date"]
Orientation = Literal["landscape", "portrait", "square"]
QueryType = Literal["text", "image", "post", "mixed", "filters"]
MAX_EXCLUDED = 5  # each is embedded
MAX_SQUARE_RATIO = 1.1  # of the longer side of a square image to the shorter one


@dataclass(frozen=True)
class Filters:
    """Conditions that all results meet; a blank one filters nothing.

    author: an id, or words of a name, of which the last may be incomplete. tags: all of them.
    since is included, until is not. followed: only authors whom the viewer follows.
    """

    category: UUID | None = None
    author: UUID | str = ""
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    visibility: str = ""
    followed: bool = False
    color: str = ""
    orientation: Orientation | Literal[""] = ""

    def __bool__(self) -> bool:
        return self != Filters()

    def image_condition(self, viewer: Viewer) -> Q:
        """Return the condition on images, including that on their posts."""
        return self._on_post(viewer, "post__") & self.appearance_condition()

    def post_condition(self, viewer: Viewer) -> Q:
        """Return the condition on posts, including that one of their images passes."""
        condition = self._on_post(viewer, "")
        if self.color or self.orientation:
            images = PostImage.objects.filter(self.appearance_condition(), post=OuterRef("pk"))
            condition &= Q(Exists(images))
        return condition

    def _on_post(self, viewer: Viewer, prefix: str) -> Q:
        """Return the condition on the post alone; `prefix` leads to the post."""
        condition = Q()
        exact = {
            "category_id": self.category,
            "user_id": self.author if isinstance(self.author, UUID) else None,
            "created_at__gte": self.since,
            "created_at__lt": self.until,
            "visibility": self.visibility,
        }
        for name, value in exact.items():
            if value:
                condition &= Q(**{f"{prefix}{name}": value})
        if self.author and isinstance(self.author, str):
            condition &= _author_condition(self._author_query, prefix)
        if self.followed:
            followed = Follow.objects.filter(follower=viewer.pk if viewer else None)
            condition &= Q(**{f"{prefix}user_id__in": followed.values("following_id")})
        for words in self._tag_queries:
            condition &= Q(**{f"{prefix}search_document__document": words})
        return condition

    @cached_property
    def _author_query(self) -> WordQuery:
        return prefix_query(fold([str(self.author)])[0].split()[:MAX_TERMS], NAMES)

    @cached_property
    def _tag_queries(self) -> list[WordQuery]:
        return match_phrases(self.tags, TAGS)

    def appearance_condition(self) -> Q:
        """Return the condition on images alone: their colour and shape."""
        condition = Q(colors__contains=[self.color]) if self.color else Q()
        match self.orientation:
            case "landscape":
                condition &= Q(width__gt=F("height") * MAX_SQUARE_RATIO)
            case "portrait":
                condition &= Q(height__gt=F("width") * MAX_SQUARE_RATIO)
            case "square":
                condition &= Q(
                    width__lte=F("height") * MAX_SQUARE_RATIO,
                    height__lte=F("width") * MAX_SQUARE_RATIO,
                )
        return condition


NO_FILTERS = Filters()


def _author_condition(words: WordQuery, prefix: str) -> Q:
    """Match the name by the index, then read it: names of categories have the same weight there."""
    full_name = Concat(F(f"{prefix}user__first_name"), Value(" "), F(f"{prefix}user__last_name"))
    is_author = SearchVectorExact(FoldedWords(full_name), words)
    return Q(**{f"{prefix}search_document__document": words}) & Q(is_author)


@dataclass(frozen=True)
class Query:
    """A parsed query.

    text: what the pictures should show, without operators. terms: its keywords. excluded: texts
    that results must not match. image: RGB. vector: instead of an image, 512 floats of unit length.
    post_id: find posts like this one.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()
    excluded: tuple[str, ...] = ()
    image: Image.Image | None = field(default=None, compare=False)
    vector: np.ndarray | None = field(default=None, compare=False)
    post_id: UUID | None = None
    filters: Filters = NO_FILTERS
    sort: Sort = "relevance"

    @property
    def required(self) -> list[Term]:
        """Quoted phrases, which must occur word for word."""
        return [term for term in self.terms if term.is_phrase]

    @property
    def query_type(self) -> QueryType:
        image = self.image is not None or self.vector is not None
        parts: dict[QueryType, object] = {"text": self.text, "image": image, "post": self.post_id}
        given = [name for name, value in parts.items() if value]
        return given[0] if len(given) == 1 else "mixed" if given else "filters"

    @property
    def has_subject(self) -> bool:
        """Return False if there are only filters and excludes, so that nothing can be ranked."""
        return self.query_type != "filters"

    @property
    def is_empty(self) -> bool:
        return not (self.has_subject or self.excluded or self.filters)

    def keyword_condition(self, prefix: str) -> Q:
        """Require quoted phrases and forbid excluded words; `prefix` leads to the post."""
        condition = Q()
        if self.required:
            condition &= Q(**{f"{prefix}search_document__document": match_all(self.required)})
        for words in self._excluded_queries:
            condition &= ~Q(**{f"{prefix}search_document__document": words})
        return condition

    @cached_property
    def _excluded_queries(self) -> list[WordQuery]:
        return [match_any([phrase]) for phrase in parse_phrases(self.excluded)]


# A hyphen or minus sign before a word, an emoji or a phrase, where a word may begin.
_EXCLUDED = re.compile(r'(?:(?<=\s)|^)[-−](?:"([^"]+)"|((?:\w|[^\x00-\x7f])[^\s"]*))')


def parse_query(
    text: str,
    *,
    negative: str = "",
    image: Image.Image | None = None,
    post_id: UUID | None = None,
    filters: Filters = NO_FILTERS,
    sort: Sort = "relevance",
) -> Query:
    """Parse a query as members type it: `sunset "red boat" -people -"two cars"`.

    negative: more excluded texts, separated by commas.
    """
    typed = " ".join(text.translate(_STRAIGHT_QUOTES).split())
    excluded = [phrase or word for phrase, word in _EXCLUDED.findall(typed)]
    excluded += [" ".join(part.split()) for part in negative.split(",")]
    phrases = parse_phrases(dict.fromkeys(excluded))[:MAX_EXCLUDED]
    included = " ".join(_EXCLUDED.sub(" ", typed).split())
    terms = parse_terms(included)
    return Query(
        text=" ".join(included.replace('"', " ").split()) if terms else "",
        terms=tuple(terms),
        excluded=tuple(phrase.text for phrase in phrases),
        image=image,
        post_id=post_id,
        filters=filters,
        sort=sort,
    )


_STRAIGHT_QUOTES = str.maketrans("“”„«»", '"""""')
