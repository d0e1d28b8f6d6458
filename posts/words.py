"""Search by words: PostgreSQL full text over what is written about a post and its captions."""

import re

from django.contrib.postgres.aggregates import StringAgg
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import F, Func, OuterRef, Subquery, TextField, Value

from posts.models import PostImage, PostQuerySet

# On every server, without stemming or stop words: serves Vietnamese and English alike.
CONFIGURATION = "simple"
MOST_TERMS = 12


def matching(posts: PostQuerySet, words: str) -> PostQuerySet:
    """Those of `posts` in which every one of `words` begins a word, each with its `rank`."""
    terms = re.findall(r"\w+", words.lower())[:MOST_TERMS]
    if not terms:
        return posts.none()
    query = SearchQuery(
        " & ".join(f"{term}:*" for term in terms), config=CONFIGURATION, search_type="raw"
    )
    text = _text_of_posts()
    return posts.annotate(text=text, rank=SearchRank(text, query)).filter(text=query)


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
    return SearchVector(
        "title",
        "description",
        tags,
        "category__name",
        *author,
        Subquery(captions),
        config=CONFIGURATION,
    )
