"""Compact descriptions of a picture: a perceptual hash and the names of its colors.

Both are computed from a small rendition in about a millisecond, without a model.
"""

import numpy as np
from PIL import Image

HASH_SIDE, HASH_FREQUENCIES = 32, 8  # pixels; lowest frequencies of each axis, 64 bits in all
MIN_CONTRAST = 2.0  # standard deviation of the gray levels, 0..255; below it the hash is noise
COLOR_SIDE = 48  # pixels on the longer side
MIN_SHARE = 0.05  # of the picture's area
COLORS = (
    *("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink"),
    *("brown", "black", "grey", "white"),
)
# Upper limits of the hues, degrees in Oklch. In CSS, red is at 29, orange at 71, yellow at 110,
# lime at 142, cyan at 195, blue at 264 and magenta at 328.
_HUES = (
    *((12, "pink"), (44, "red"), (84, "orange"), (116, "yellow"), (164, "green")),
    *((216, "teal"), (285, "blue"), (330, "purple"), (360, "pink")),
)


def perceptual_hash(picture: Image.Image) -> int | None:
    """Return a 64-bit hash as a signed integer; copies of a picture differ in few bits.

    pHash: a bit is set if the frequency is above the median of the lowest 8 x 8 frequencies of the
    picture in grayscale, 32 x 32 (Zauner 2010, "Implementation and Benchmarking of Perceptual Image
    Hash Functions"; computed as in Buchner's imagehash). None for a picture of a single color.
    """
    size = (HASH_SIDE, HASH_SIDE)
    gray = picture.convert("L").resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(gray, dtype=np.float64)
    if pixels.std() < MIN_CONTRAST:
        return None
    frequencies = _DCT @ pixels @ _DCT.T
    bits = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)


def _dct_matrix() -> np.ndarray:
    """Return the first rows of the discrete cosine transform (DCT-II), float64 [8, 32]."""
    angles = np.pi * (2 * np.arange(HASH_SIDE) + 1) / (2 * HASH_SIDE)
    return np.cos(np.arange(HASH_FREQUENCIES)[:, None] * angles)


_DCT = _dct_matrix()


def color_names(picture: Image.Image) -> list[str]:
    """Return the COLORS that cover at least MIN_SHARE of a picture, largest area first."""
    small = picture.convert("RGB")
    small.thumbnail((COLOR_SIDE, COLOR_SIDE), Image.Resampling.BOX)
    indexes = _color_indexes(np.asarray(small, dtype=np.float64).reshape(-1, 3) / 255)
    shares = np.bincount(indexes, minlength=len(COLORS)) / len(indexes)
    return [COLORS[n] for n in np.argsort(-shares, kind="stable") if shares[n] >= MIN_SHARE]


def _color_indexes(rgb: np.ndarray) -> np.ndarray:
    """Map sRGB 0..1, float64 [n, 3], to positions in COLORS, int [n]."""
    lightness, a, b = _oklab(rgb).T
    chroma = np.hypot(a, b)
    hue = np.degrees(np.arctan2(b, a)) % 360
    hues = np.array([COLORS.index(name) for _, name in _HUES])
    indexes = hues[np.searchsorted([end for end, _ in _HUES], hue, side="right")]
    dark_orange = (hue >= 25) & (hue < 100) & (lightness < 0.65) & (chroma < 0.157)
    light_red = ((hue >= 340) | (hue < 35)) & (lightness >= 0.7)
    light_magenta = (hue >= 325) & (lightness >= 0.65)
    indexes[dark_orange] = COLORS.index("brown")
    indexes[light_red | light_magenta] = COLORS.index("pink")
    colorless = chroma < np.where(lightness > 0.9, 0.03, 0.04)
    indexes[colorless] = COLORS.index("grey")
    indexes[colorless & (lightness > 0.9)] = COLORS.index("white")
    indexes[(lightness < 0.22) | (colorless & (lightness < 0.32))] = COLORS.index("black")
    return indexes


def _oklab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB 0..1 to L, a, b (Ottosson 2020, "A perceptual color space"), float64 [n, 3]."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T


_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
