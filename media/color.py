"""Conversion of decoded pictures to sRGB by the description that their file carries.

The description is, in the order of the PNG specification (third edition): code points (PNG's cICP
chunk), an ICC profile, PNG's sRGB chunk, PNG's gAMA and cHRM chunks. In AVIF and HEIC, a profile
precedes code points. Each of them becomes an ICC profile for LittleCMS. A description that is
broken, or does not fit the pixels, is ignored, as browsers do.
"""

import io
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageCms

from media.cicp import code_points_profile, linearize_srgb, read_code_points
from media.icc import build_profile, color_space, reduce_profile

_SRGB_CHROMATICITIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_SAME_COLOR = 1  # of 255; a profile that changes no channel by more counts as sRGB
_CACHED_TRANSFORMS = 8
_MIN_GAMMA = 0.1  # of PNG; the value of linear light is 1, that of a monitor 0.45
_DESCRIPTIONS = ("code_points", "icc_profile", "srgb", "gamma", "chromaticity")  # in Image.info
_MODES = {
    b"RGB ": ("RGB", "RGBA", "P", "PA", "L", "LA"),
    b"GRAY": ("L", "LA"),
    b"CMYK": ("CMYK",),
    b"Lab ": ("LAB",),
}
_EXPANDED = {  # modes without and with transparency
    **dict.fromkeys(("1", "L", "LA"), ("L", "LA")),
    **dict.fromkeys(("P", "PA", "RGB", "RGBA"), ("RGB", "RGBA")),
}
_RGB_OF = {"L": "RGB", "LA": "RGBA"}


def describe(image: Image.Image, data: bytes) -> None:
    """Add to `image.info` the code points of its file, which Pillow does not read."""
    if image.format == "PNG" or "icc_profile" not in image.info:
        image.info["code_points"] = read_code_points(data)


def expand_channels(image: Image.Image) -> Image.Image:
    """Replace a palette and a transparent color by channels, so that resizing is smooth."""
    if image.mode not in _EXPANDED:
        return image
    mode = _EXPANDED[image.mode][image.has_transparency_data]
    return image if image.mode == mode else image.convert(mode)


def embeddable_profile(image: Image.Image) -> bytes | None:
    """Return an ICC profile of these pixels; None if their file does not describe them."""
    return next((profile for profile in _profiles(image) if _fits(image, profile)), None)


def to_srgb(image: Image.Image) -> Image.Image:
    """Return the picture in sRGB, with mode RGB, RGBA, L, LA, P or 1, and without a description.

    Call it after `describe` and after shrinking, as it takes about 15 ms per megapixel. A picture
    in sRGB, or without a description, is returned as it is.
    """
    profile = embeddable_profile(image)
    if profile is not None:
        image = _convert(image, profile)
    if image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        image = _build_transform(lab, "LAB").apply(image)
    elif image.mode in ("CMYK", "YCbCr", "HSV"):
        image = image.convert("RGB")
    for name in _DESCRIPTIONS:
        image.info.pop(name, None)
    return image


def _profiles(image: Image.Image) -> Iterator[bytes]:
    """Yield the usable descriptions as ICC profiles, most important first."""
    code_points = image.info.get("code_points")
    if code_points and (profile := code_points_profile(code_points)):
        yield profile
    embedded = image.info.get("icc_profile")
    if embedded and (profile := reduce_profile(embedded)):
        yield profile
    if "srgb" not in image.info and (profile := _png_profile(image)):
        yield profile


def _png_profile(image: Image.Image) -> bytes | None:
    """Return the profile that gAMA and cHRM describe; as in browsers, one of them is enough."""
    gamma = image.info.get("gamma", 0)
    has_gamma = _MIN_GAMMA <= gamma <= 1 / _MIN_GAMMA
    chromaticities = image.info.get("chromaticity")
    if not has_gamma and not chromaticities:
        return None
    codes = np.arange(256) / 255
    curve = codes ** (1 / gamma) if has_gamma else linearize_srgb(codes)
    try:
        return build_profile(chromaticities or _SRGB_CHROMATICITIES, curve)
    except ValueError:
        return None


def _fits(image: Image.Image, profile: bytes) -> bool:
    return image.mode in _MODES[color_space(profile)]


def _convert(image: Image.Image, profile: bytes) -> Image.Image:
    pixels = expand_channels(image)
    if pixels.mode == "LA" and color_space(profile) == b"GRAY":
        gray, alpha = pixels.split()
        converted = _convert(gray, profile)
        converted.putalpha(alpha)
        return converted
    if color_space(profile) == b"RGB " and pixels.mode in _RGB_OF:
        pixels = pixels.convert(_RGB_OF[pixels.mode])
    transform = _find_transform(profile, pixels.mode)
    return image if transform is None else transform.apply(pixels)


@lru_cache(_CACHED_TRANSFORMS)
def _find_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion to sRGB; None if it is not needed or LittleCMS refuses the profile."""
    try:
        transform = _build_transform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), mode)
    except (ImageCms.PyCMSError, OSError):
        return None
    if mode in ("CMYK", "LAB"):
        return transform
    samples = _SAMPLES.convert(mode)
    converted = transform.apply(samples).convert("RGB")
    change = np.asarray(ImageChops.difference(samples.convert("RGB"), converted))
    return None if change.max() <= _SAME_COLOR else transform


def _build_transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    target = "RGBA" if mode == "RGBA" else "RGB"
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, target)


def _sample_colors() -> Image.Image:
    """Return all colors of 9 levels per channel, and all grays."""
    levels = np.linspace(0, 255, 9).round()
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    grays = np.repeat(np.arange(256)[:, None], 3, axis=1)
    return Image.fromarray(np.concatenate([cube, grays])[None].astype(np.uint8))


_SAMPLES = _sample_colors()
