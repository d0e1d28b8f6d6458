"""Titles made from the names of files, unless a device or a program made up the name."""

import re
import string
from itertools import pairwise
from pathlib import PurePath

from smimso.text import text_key

MAX_NAME_LENGTH = 255
MIN_HEXADECIMAL_LENGTH = 8
MIN_ID_LENGTH = 12
MIN_SWITCHES = 2  # between letters and digits, in an id
# Words of devices and programs, which say nothing. All words here are in the form of `text_key`.
_DEVICE_WORDS = frozenset(
    re.findall(
        r"\w+",
        """img imag image photo picture pic vid video mov mvimg pxl pano dsc dscn dscf dscimg cimg
        imgp kimg rimg hpim sdc gopr dji screenshot scan download unnamed untitled blob tmp jpg jpeg
        png gif webp heic heif avif bmp tif tiff fullsizerender maxresdefault""",
    )
)
# Other words in front of or behind a device's numbers. By themselves they mean something.
_PREFIXES = frozenset(
    re.findall(
        r"\w+",
        """mg gh gx gp mah wa fb zalo viber line telegram whatsapp messenger snapchat signal
        received screen capture file resized facebook instagram tiktok tumblr pinterest pexels
        unsplash pixabay""",
    )
)
_ADDITIONS = _PREFIXES | frozenset(
    re.findall(
        r"\w+",
        """at on lúc à um am pm sa ch copy edited edit effects scaled compressed burst portrait
        night hdr cover mp ls top original large small thumb thumbnail final collage album creation
        shot""",
    )
)
_PHRASES = re.compile(
    r"ảnh chụp màn hình|ảnh màn hình|hình ảnh|capture d.écran|bildschirmfoto|captura de pantalla"
    r"|снимок экрана|スクリーンショット|屏幕截图|螢幕擷取畫面|스크린샷|微信图片"
)
_SCREENSHOT_OF_APP = re.compile(r"screenshot([ _-]?\d){12}.*")
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_SEPARATORS = re.compile(r"[\s_.,;:@~+&=#()\[\]{}'’-]+")
_NUMBER = re.compile(
    rf"({'|'.join(sorted(_DEVICE_WORDS | _PREFIXES))})?e?\d+"
    r"|[a-z]\d{4,}|[a-z]+\d{10,}|\d+(x|w|p|px)\d*"
)
_HEXADECIMAL = re.compile(rf"[0-9a-f]{{{MIN_HEXADECIMAL_LENGTH},}}")
_ID = re.compile(rf"[0-9a-z]{{{MIN_ID_LENGTH},}}")


def words_from_file_name(file_name: str) -> str:
    """Return the words of a file name, up to 255 characters; "" if nobody chose them.

    Devices and programs make names of numbers, ids, their own words ("IMG", "screenshot"), and
    what they add behind these ("edited").
    """
    stem = PurePath(file_name).stem
    if _is_generated(text_key(stem)):
        return ""
    return re.sub(r"[-_\s]+", " ", stem).strip()[:MAX_NAME_LENGTH]


def _is_generated(name: str) -> bool:
    if _SCREENSHOT_OF_APP.fullmatch(name):
        return True
    rest = _PHRASES.sub(" ", _UUID.sub(" 0 ", name))
    words = [word for word in _SEPARATORS.split(rest) if word]
    has_number = any(map(str.isdigit, rest))
    is_of_device = has_number and (_is_made_up(words[0]) or words[0] in _PREFIXES)
    return all(
        _is_made_up(word) or (is_of_device and word.rstrip(string.digits) in _ADDITIONS)
        for word in words
    )


def _is_made_up(word: str) -> bool:
    """Return True for a device's word, a number, an id, and a single letter from a to z."""
    if word in _DEVICE_WORDS or _NUMBER.fullmatch(word):
        return True
    switches = sum(a.isdigit() != b.isdigit() for a, b in pairwise(word))
    if _HEXADECIMAL.fullmatch(word):
        return switches >= MIN_SWITCHES or (len(word) >= MIN_ID_LENGTH and switches > 0)
    is_id = _ID.fullmatch(word) is not None and switches > MIN_SWITCHES
    return is_id or (len(word) == 1 and word.isascii())
