"""Search by words: PostgreSQL full text over what is written about a post and its captions.

Marks on letters do not matter: "pho bo" finds "Phở bò", and the other way round. What is searched
is stored in PostWords.
"""

import re
import unicodedata

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, Value

from posts.models import PostQuerySet

# On every server, without stemming or stop words: serves Vietnamese and English alike.
CONFIGURATION = "simple"
MOST_TERMS = 12
LONGEST_TERM = 100  # characters; PostgreSQL refuses words of more than 2 kB
# Vietnamese, and the languages of Europe. Documents are folded in the same way by migration 0003.
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
    found = posts.filter(words__document=query)
    return found.annotate(rank=SearchRank(F("words__document"), query))


def _folded(text: str) -> str:
    folding = str.maketrans("đĐ", "dd", _MARKS)
    return unicodedata.normalize("NFD", text.lower()).translate(folding)
