"""Search by words: PostgreSQL full text over what is written about a post and its captions."""

import re
import unicodedata
from typing import Any

from django.contrib.postgres.aggregates import StringAgg
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import F, Func, OuterRef, Subquery, TextField, Value

from posts.models import Post, PostImage, PostQuerySet

# On every server, without stemming or stop words: serves Vietnamese and English alike.
CONFIGURATION = "simple"
MOST_TERMS = 12


def matching_posts(viewer: Any, words: str) -> PostQuerySet:
    """Visible posts in which every one of `words` begins a word; best rank first."""
    # NFC: macOS sends accents as characters of their own, which would cut a word in two.
    terms = re.findall(r"\w+", unicodedata.normalize("NFC", words).lower())[:MOST_TERMS]
    if not terms:
        return Post.objects.none()
    query = SearchQuery(
        " & ".join(f"{term}:*" for term in terms), config=CONFIGURATION, search_type="raw"
    )
    text = _text_of_posts()
    return (
        Post.objects.visible_to(viewer)
        .annotate(text=text, rank=SearchRank(text, query))
        .filter(text=query)
        .order_by("-rank", "-created_at")
    )


def _text_of_posts() -> SearchVector:
    words = Func(Value(" "), "ai_caption", "user_caption", "caption", function="concat_ws")
    captions = (
        PostImage.objects.filter(post=OuterRef("pk"))
        .order_by()
        .values("post_id")
        .annotate(text=StringAgg(words, " ", output_field=TextField()))
        .values("text")
    )
    tags = Func(F("tags"), Value(" "), function="array_to_string", output_field=TextField())
    author = ("user__first_name", "user__last_name")
    written = Func(
        Value(" "),
        *("title", "description", tags, "category__name", *author, Subquery(captions)),
        function="concat_ws",
        output_field=TextField(),
    )
    # As the query is cut into words: a server with the locale C takes “ and — for letters.
    composed = Func(written, template="normalize(%(expressions)s, NFC)", output_field=TextField())
    words_only = Func(
        *(composed, Value("[^[:alnum:]]+"), Value(" "), Value("g")),
        function="regexp_replace",
        output_field=TextField(),
    )
    return SearchVector(words_only, config=CONFIGURATION)
