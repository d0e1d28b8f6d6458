"""The frame that stands for an animation: in its thumbnails, and for the models."""

from PIL import Image, ImageStat

MAX_FRAMES = 100  # that are looked at, from the first on
MAX_PIXELS = 2**26  # of all frames that are looked at
_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")  # the pictures of others, such as TIFF, are pages
_SIDE = 64  # pixels; contrast is measured on a small version
_GOOD = 25.0  # contrast of a first frame that needs no comparison
_ENOUGH = 0.5  # of the highest contrast of all frames


def choose_frame(image: Image.Image) -> Image.Image:
    """Return the first frame, or, if it shows little, the one with the most contrast.

    Animations often begin with an empty frame and fade in. A picture that is not animated is
    returned as it is. The image must be loaded.
    """
    if image.format not in _FORMATS or not getattr(image, "is_animated", False):
        return image
    first = best = image.copy()
    first_contrast = highest = _contrast(first)
    if first_contrast >= _GOOD:
        return first
    for number in range(1, _count_frames(image)):
        try:
            image.seek(number)
            contrast = _contrast(image)
        except (EOFError, OSError, SyntaxError, ValueError):  # the rest of the file is damaged
            break
        if contrast > highest:
            best, highest = image.copy(), contrast
    return first if first_contrast >= _ENOUGH * highest else best


def _count_frames(image: Image.Image) -> int:
    affordable = MAX_PIXELS // (image.width * image.height)
    return min(getattr(image, "n_frames", 1), MAX_FRAMES, affordable)


def _contrast(image: Image.Image) -> float:
    """Return the standard deviation of the grays on white, 0 to 127.5."""
    small = image.convert("RGBA").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    white = Image.new("RGBA", small.size, "white")
    return float(ImageStat.Stat(Image.alpha_composite(white, small).convert("L")).stddev[0])
