"""Words for a picture before it is posted. Nothing of it is kept.

Without the AI there is less to suggest, and that is no error.
"""

from dataclasses import dataclass

from PIL import Image

from accounts.models import Category
from ai import services as ai
from posts.ingest.captions import extract_tags, words_from_file_name
from posts.ingest.classification import label_texts
from smimso.errors import Unavailable


@dataclass(frozen=True)
class CategoryGuess:
    """score: probability among all categories, 0..1."""

    category: Category
    score: float


@dataclass(frozen=True)
class Metadata:
    caption: str
    description: str
    tags: list[str]
    category: Category | None


def suggest_caption(image: Image.Image) -> tuple[str, CategoryGuess | None]:
    """The caption, "" when the AI has none, and the category if there is a likely one."""
    categories = list(Category.objects.all())
    try:
        caption, found = ai.caption_and_label(image, [label_texts(each) for each in categories])
    except Unavailable:
        return "", None
    return caption, CategoryGuess(categories[found[0]], found[1]) if found else None


def suggest_metadata(image: Image.Image, file_name: str) -> Metadata:
    """Without a caption the words of the file's name, if a member named it: better none than wrong.

    file_name: as the member's device calls it.
    """
    caption, guess = suggest_caption(image)
    text = caption or words_from_file_name(file_name)
    return Metadata(
        caption=text,
        description=text,
        tags=extract_tags(caption),
        category=guess.category if guess else None,
    )
