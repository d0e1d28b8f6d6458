"""Search by words: PostgreSQL full text over what is written about a post and its captions.

Marks on letters do not matter: "pho bo" finds "Phở bò", and the other way round.
"""

import re
import unicodedata

from django.contrib.postgres.aggregates import StringAgg
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import F, Func, OuterRef, Subquery, TextField, Value
from django.db.models.functions import Lower

from posts.models import PostImage, PostQuerySet

# On every server, without stemming or stop words: serves Vietnamese and English alike.
CONFIGURATION = "simple"
MOST_TERMS = 12
LONGEST_TERM = 100  # characters; PostgreSQL refuses words of more than 2 kB
# Vietnamese, and the languages of Europe; translate() takes time for every one of them.
_MARKS = (
    "\u0300\u0301\u0302\u0303\u0304\u0306\u0308\u0309\u030a\u030b\u030c\u031b\u0323\u0327\u0328"
)


def matching(posts: PostQuerySet, words: str) -> PostQuerySet:
    """Those of `posts` in which every one of `words` begins a word, each with its `rank`."""
    terms = re.findall(r"[^\W_]+", _folded(words))[:MOST_TERMS]
    if not terms:
        return posts.none().annotate(rank=Value(0.0))
    query = SearchQuery(
        " & ".join(f"{term[:LONGEST_TERM]}:*" for term in terms),
        config=CONFIGURATION,
        search_type="raw",
    )
    text = _text_of_posts()
    return posts.annotate(text=text, rank=SearchRank(text, query)).filter(text=query)


def _folded(text: str) -> str:
    folding = str.maketrans("đĐ", "dd", _MARKS)
    return unicodedata.normalize("NFD", text.lower()).translate(folding)


class _Folded(Func):
    """`_folded` in SQL; the extension unaccent is not on every server."""

    template = "translate(normalize(%(expressions)s, NFD), %%s, %%s)"
    output_field = TextField()

    def as_sql(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        sql, params = super().as_sql(*args, **kwargs)
        # What has no counterpart is left out; a server with the locale C leaves Đ as it is.
        return sql, (*params, f"đĐ{_MARKS}", "dd")


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
    written = Func(
        Value(" "),
        "title",
        "description",
        tags,
        "category__name",
        "user__first_name",
        "user__last_name",
        Subquery(captions),
        function="concat_ws",
        output_field=TextField(),
    )
    # As the query is cut into words: a server with the locale C takes “ and — for letters.
    words_only = Func(
        *(_Folded(Lower(written)), Value("[^[:alnum:]]+"), Value(" "), Value("g")),
        function="regexp_replace",
        output_field=TextField(),
    )
    return SearchVector(words_only, config=CONFIGURATION)
