"""Encoding of images for messages, no larger than the models need."""

import base64
import io

from PIL import Image

from media.images import MODEL_SIDE, decode_bytes

JPEG_QUALITY = 95


def encode(image: Image.Image) -> str:
    """Return `image` (RGB), shrunk to MODEL_SIDE pixels, as base64 of a JPEG file."""
    if max(image.size) > MODEL_SIDE:
        image = image.copy()
        image.thumbnail((MODEL_SIDE, MODEL_SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode()


def decode(text: str) -> Image.Image:
    """Return the image of a message in RGB. Raises InvalidInput."""
    return decode_bytes(base64.b64decode(text))
