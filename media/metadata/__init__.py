"""Lossless removal of metadata from pictures, and from recordings (audio and video).

A file is walked by an allow-list: only the parts that its pixels or sounds need are written again,
and parts with room for more (JFIF, ICC profiles) are rebuilt from their known fields. So place,
device, names, thumbnails and whatever else a file carries are gone, as is data after its end. The
compressed pixels and sounds stay as the author uploaded them.
"""

import struct
from collections.abc import Callable

from media.metadata.flac import strip_flac
from media.metadata.frames import strip_aac, strip_amr, strip_mp3
from media.metadata.gif import strip_gif
from media.metadata.heif import strip_heif
from media.metadata.jpeg import strip_jpeg
from media.metadata.matroska import strip_matroska
from media.metadata.movie import strip_movie
from media.metadata.ogg import strip_ogg
from media.metadata.png import strip_png
from media.metadata.riff import strip_aiff, strip_riff
from media.metadata.webp import strip_webp

_PICTURES: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": strip_jpeg,
    "PNG": strip_png,
    "WEBP": strip_webp,
    "GIF": strip_gif,
    "AVIF": strip_heif,
    "HEIF": strip_heif,
}
_RECORDINGS: dict[str, Callable[[bytes], bytes]] = {
    **dict.fromkeys(("mp4", "m4v", "m4a", "mov", "3gp"), strip_movie),
    **dict.fromkeys(("webm", "mkv"), strip_matroska),
    **dict.fromkeys(("wav", "avi"), strip_riff),
    **{"mp3": strip_mp3, "aac": strip_aac, "amr": strip_amr, "ogg": strip_ogg},
    **{"flac": strip_flac, "aiff": strip_aiff},
}


def strip_metadata(data: bytes, image_format: str) -> bytes:
    """Return a picture without its metadata. image_format: its name in Pillow, such as "JPEG".

    Raises ValueError if the structure of the file is invalid, KeyError for other formats.
    """
    return _strip(data, _PICTURES[image_format])


def strip_recording(data: bytes, extension: str) -> bytes:
    """Return an audio or video file without its metadata. extension: that of its detected type.

    Raises ValueError if the type is not supported or the structure of the file is invalid.
    """
    if extension not in _RECORDINGS:
        raise ValueError(f"No way is known to remove the metadata of {extension} files")
    return _strip(data, _RECORDINGS[extension])


def _strip(data: bytes, strip: Callable[[bytes], bytes]) -> bytes:
    try:
        return strip(data)
    except (IndexError, struct.error) as error:
        raise ValueError("The file ends early") from error
