"""Images as they travel in a message: no larger than what the models look at."""

import base64
import io

from PIL import Image

from media.images import MODEL_SIDE, decode_bytes

QUALITY = 95  # JPEG


def to_message(image: Image.Image) -> str:
    """`image` (RGB) as base64 JPEG text."""
    if max(image.size) > MODEL_SIDE:
        image = image.copy()
        image.thumbnail((MODEL_SIDE, MODEL_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode()


def from_message(text: str) -> Image.Image:
    """The image of a message, RGB. Raises InvalidInput."""
    return decode_bytes(base64.b64decode(text))
