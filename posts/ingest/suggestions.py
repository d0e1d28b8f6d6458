"""Suggested captions, tags and categories for a picture before it is posted; nothing is stored.

Without the AI there are fewer suggestions, but no error.
"""

from dataclasses import dataclass

from PIL import Image

from accounts.models import Category
from ai import services as ai
from posts.ingest.captions import extract_tags
from posts.ingest.classification import label_texts
from posts.ingest.file_names import words_from_file_name
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
    """Return the AI's caption, "" without one, and the category if one is likely."""
    categories = list(Category.objects.all())
    try:
        caption, label = ai.caption_and_label(image, [label_texts(each) for each in categories])
    except Unavailable:
        return "", None
    if label is None:
        return caption, None
    index, score = label
    return caption, CategoryGuess(categories[index], score)


def suggest_metadata(image: Image.Image, file_name: str) -> Metadata:
    """Suggest all texts of a post; without a caption, the words of the file's name.

    file_name: the name on the member's device. A generated one gives no words: better none than
    wrong ones.
    """
    caption, guess = suggest_caption(image)
    text = caption or words_from_file_name(file_name)
    return Metadata(
        caption=text,
        description=text,
        tags=extract_tags(caption),
        category=guess.category if guess else None,
    )
