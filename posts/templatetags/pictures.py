"""Template tags that show pictures and name their states."""

from django import template
from django.conf import settings
from django.utils.translation import gettext, gettext_lazy

from posts.files.access import file_url
from posts.models import UNFINISHED, AIStatus, Post, PostImage
from posts.services import UNTITLED
from posts.visibility import Visibility
from smimso.text import text_key

register = template.Library()

# Width over height in a grid. Pictures beyond these limits are cropped, to keep rows balanced.
MIN_RATIO, MAX_RATIO = 0.66, 2.2
# On a post's page. A narrower strip would be unrecognizable; the viewer shows all of it.
MIN_PAGE_RATIO, MAX_PAGE_RATIO = 0.4, 4.0
VISIBILITIES = {
    Visibility.PUBLIC: gettext_lazy("Everyone"),
    Visibility.FRIENDS: gettext_lazy("Friends"),
    Visibility.PRIVATE: gettext_lazy("Only me"),
}
AI_STATES = {
    AIStatus.PENDING: gettext_lazy("Waiting for the AI"),
    AIStatus.EMBEDDED: gettext_lazy("Searchable, caption pending"),
    AIStatus.DONE: gettext_lazy("Searchable and captioned"),
    AIStatus.FAILED: gettext_lazy("The AI could not read this picture"),
}


@register.inclusion_tag("posts/_picture.html")
def picture(post: Post, image: PostImage, size: str = "card") -> dict[str, object]:
    """Render an <img> with its space reserved. size: "card", "page" or "small"."""
    widths = {
        name: min(width, image.width or width)
        for name, width in settings.UPLOAD_THUMBNAIL_WIDTHS.items()
    }
    alt = image.alt_text or (post.title if size == "page" else "")
    if size == "card" and text_key(alt) == text_key(post.title):
        alt = ""  # the card shows the title below the picture
    moves = size == "page" and image.is_animated
    return {
        "image": image,
        "moving": file_url(image, post.visibility) if moves else "",
        "size": size,
        "alt": alt,
        "thumbnail": file_url(image, post.visibility, "thumbnail"),
        "preview": file_url(image, post.visibility, "preview"),
        "widths": widths,
        "several_sizes": not moves
        and bool(image.image_path)
        and widths["thumbnail"] < widths["preview"],
    }


@register.simple_tag
def picture_url(post: Post, image: PostImage, rendition: str | None = None) -> str:
    return file_url(image, post.visibility, rendition)


@register.filter
def aspect_ratio(image: PostImage | None) -> str:
    """Return width over height for CSS; 4:3 if unknown. Templates pass "" if there is no image."""
    if not image or not image.width or not image.height:
        return "1.333"
    return f"{image.width / image.height:.3f}"


@register.filter
def grid_ratio(image: PostImage | None) -> str:
    return f"{min(max(float(aspect_ratio(image)), MIN_RATIO), MAX_RATIO):.3f}"


@register.filter
def page_ratio(image: PostImage) -> str:
    return f"{min(max(float(aspect_ratio(image)), MIN_PAGE_RATIO), MAX_PAGE_RATIO):.3f}"


@register.filter
def is_cropped(image: PostImage) -> bool:
    """Return True if a post's page shows only a part of the picture."""
    return page_ratio(image) != aspect_ratio(image)


@register.filter
def display_title(post: Post) -> str:
    return gettext("Untitled") if post.title == UNTITLED else post.title


@register.filter
def visibility_name(value: str) -> str:
    return str(VISIBILITIES[Visibility(value)])


@register.filter
def ai_state_name(value: str) -> str:
    return str(AI_STATES[AIStatus(value)])


@register.filter
def waits_for_ai(post: Post) -> bool:
    return any(image.ai_status in UNFINISHED for image in post.images.all())


@register.filter
def percent(score: float) -> str:
    return f"{round(score * 100)} %"
