"""What is looked for: words, a picture, a post, what must not be there, and filters."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import numpy as np
from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db.models import Exists, F, Func, OuterRef, Q, Value
from django.db.models.functions import Concat
from PIL import Image

from accounts.models import Follow
from posts.full_text import (
    EMPTY_QUERY,
    NAMES,
    TAGS,
    Term,
    match_all,
    match_any,
    parse_terms,
    prefix_query,
    strip_diacritics,
)
from posts.models import PostImage

Sort = Literal["relevance", "date"]
Orientation = Literal["landscape", "portrait", "square"]
MAX_EXCLUDED = 5  # each is embedded
MAX_SQUARE_RATIO = 1.1  # of the longer side to the shorter one, at most


@dataclass(frozen=True)
class Filters:
    """Each one that is given must be fulfilled. since, until: the latter excluded.

    author: an id, or words of a name, of which the last may have just begun.
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

    def of_images(self, viewer: Any) -> Q:
        """For rows of images: the picture and its post."""
        return self._of_post(viewer, "post__") & self.of_picture()

    def of_posts(self, viewer: Any) -> Q:
        """For rows of posts: the post, and one of its pictures."""
        condition = self._of_post(viewer, "")
        if self.color or self.orientation:
            pictures = PostImage.objects.filter(self.of_picture(), post=OuterRef("pk"))
            condition &= Q(Exists(pictures))
        return condition

    def _of_post(self, viewer: Any, prefix: str) -> Q:
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
            condition &= _author_condition(self.author, prefix)
        if self.followed:
            known = viewer is not None and viewer.is_authenticated
            followed = Follow.objects.filter(follower=viewer.pk if known else None)
            condition &= Q(**{f"{prefix}user_id__in": followed.values("following_id")})
        for words in map(_tag_query, self.tags):
            condition &= Q(**{f"{prefix}search_document__document": words})
        return condition

    def of_picture(self) -> Q:
        """For rows of images: the picture alone."""
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


def _tag_query(tag: str) -> SearchQuery:
    """From the index of words, where tags have a weight of their own; nothing has one of signs."""
    composed = unicodedata.normalize("NFC", tag)
    words = tuple(strip_diacritics(word) for word in re.findall(r"[^\W_]+", composed))
    return match_all([Term(tag, words, is_phrase=True)], weights=TAGS) if words else EMPTY_QUERY


def _author_condition(name: str, prefix: str) -> Q:
    """The index of words has the names of categories in the same place; so the author's is read."""
    words = prefix_query(name, NAMES) or EMPTY_QUERY
    authors = (F(f"{prefix}user__first_name"), Value(" "), F(f"{prefix}user__last_name"))
    named = SearchVectorExact(_FoldedWords(Concat(*authors)), words)
    return Q(**{f"{prefix}search_document__document": words}) & Q(named)


class _FoldedWords(Func):
    """As words are stored (migration 0003 of posts)."""

    function = "folded_words"
    output_field = SearchVectorField()


@dataclass(frozen=True)
class Query:
    """text: what is to be seen, without operators. excluded: what is not.

    picture: an RGB image. vector: in its place, 512 floats of unit length. post_id: like this post.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()
    excluded: tuple[str, ...] = ()
    picture: Image.Image | None = field(default=None, compare=False)
    vector: np.ndarray | None = field(default=None, compare=False)
    post_id: UUID | None = None
    filters: Filters = Filters()
    sort: Sort = "relevance"

    @property
    def required(self) -> list[Term]:
        """Quoted phrases must be there word for word."""
        return [term for term in self.terms if term.is_phrase]

    @property
    def looks_for_something(self) -> bool:
        """Or only filters and excludes."""
        return self.kind != "filters"

    @property
    def kind(self) -> str:
        """What the query is made of, in a word."""
        image = self.picture is not None or self.vector is not None
        given = {"text": self.text, "image": image, "post": self.post_id}
        names = [name for name, value in given.items() if value]
        return names[0] if len(names) == 1 else "mixed" if names else "filters"

    def words(self, prefix: str) -> Q:
        """What the words of a post must and must not have; prefix leads to the post."""
        condition = Q()
        if self.required:
            condition &= Q(**{f"{prefix}search_document__document": match_all(self.required)})
        excluded = [terms for text in self.excluded if (terms := parse_terms(f'"{text}"'))]
        for terms in excluded:
            condition &= ~Q(**{f"{prefix}search_document__document": match_any(terms)})
        return condition


# A minus or "not" sign before a word or a phrase, where a word may begin.
_EXCLUDED = re.compile(r'(?:(?<=\s)|^)[-−](?:"([^"]+)"|(\w[^\s"]*))')


def parse_query(text: str, *, negative: str = "", **parts: Any) -> Query:
    """A query as members type it: `sunset "red boat" -people -"two cars"`.

    negative: more that must not be there, separated by commas.
    """
    typed = " ".join(text.translate(_STRAIGHT_QUOTES).split())
    excluded = [phrase or word for phrase, word in _EXCLUDED.findall(typed)]
    excluded += [" ".join(part.split()) for part in negative.split(",")]
    excluded = [part for part in dict.fromkeys(excluded) if parse_terms(part)][:MAX_EXCLUDED]
    wanted = " ".join(_EXCLUDED.sub(" ", typed).split())
    meant = " ".join(wanted.replace('"', " ").split())
    if not any(unicodedata.category(sign) in _CONTENT_CATEGORIES for sign in meant):
        meant = ""
    terms = tuple(parse_terms(wanted)) if meant else ()
    return Query(text=meant, terms=terms, excluded=tuple(excluded), **parts)


# Letters, numbers, and pictures in text; the rest is punctuation.
_CONTENT_CATEGORIES = frozenset(["Ll", "Lu", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "So"])
_STRAIGHT_QUOTES = str.maketrans("“”„«»", '"""""')
