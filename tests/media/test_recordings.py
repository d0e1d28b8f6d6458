"""Audio and video files lose place, device, names and texts, and no sound or pixel."""

import contextlib
import struct
import time
from collections.abc import Iterator

import filetype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.metadata import strip_recording
from tests.media.recordings import (
    PICTURE,
    RECORDINGS,
    SECRET,
    SOUND,
    box,
    element,
    full_box,
    mp4,
    numbers,
    ogg,
    ogg_checksum,
)
from tests.properties import examples

MEDIA = (PICTURE, SOUND)


def places_of(data: bytes, content: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(content, at)]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_loses_what_describes_it_and_nothing_else(name: str) -> None:
    extension, data = RECORDINGS[name]
    assert filetype.guess(data).extension == extension
    stripped = strip_recording(data, extension)
    assert SECRET in data
    assert SECRET[:4] not in stripped
    assert filetype.guess(stripped).extension == extension
    for content in MEDIA:
        assert len(places_of(stripped, content)) == len(places_of(data, content))
        if extension != "ogg":  # its pages are not addressed
            assert places_of(stripped, content) == places_of(data, content)
    assert any(content in stripped for content in MEDIA)


@pytest.mark.parametrize("name", RECORDINGS)
def test_stripping_twice_changes_nothing_more(name: str) -> None:
    extension, data = RECORDINGS[name]
    once = strip_recording(data, extension)
    assert strip_recording(once, extension) == once


def test_times_of_recording_are_gone_and_tracks_of_places_are_no_tracks() -> None:
    stripped = strip_recording(mp4(), "mp4")
    assert struct.pack(">I", 3_000_000_001) not in stripped
    assert mp4().count(b"trak") == 3
    assert stripped.count(b"trak") == 2


def test_an_ogg_file_keeps_valid_pages() -> None:
    stripped = strip_recording(ogg(), "ogg")
    pages = [b"OggS" + page for page in stripped.split(b"OggS")[1:]]
    assert len(pages) == 4
    for page in pages:
        checksum = struct.unpack_from("<I", page, 22)[0]
        assert ogg_checksum(page[:22] + bytes(4) + page[26:]) == checksum


@pytest.mark.parametrize("extension", ["midi", "wmv", "mpg", "flv"])
def test_types_that_cannot_be_cleaned_are_a_value_error(extension: str) -> None:
    with pytest.raises(ValueError, match=extension):
        strip_recording(b"", extension)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_file_that_ends_early_is_a_value_error_or_still_no_secret(name: str) -> None:
    extension, data = RECORDINGS[name]
    for length in range(0, len(data), 3):
        with contextlib.suppress(ValueError):
            assert SECRET not in strip_recording(data[:length], extension)


@examples(60)
@given(
    name=st.sampled_from(list(RECORDINGS)),
    changes=st.lists(st.tuples(st.integers(0, 5_000), st.binary(max_size=6)), max_size=8),
)
def test_corrupted_files_raise_nothing_but_value_errors(
    name: str, changes: list[tuple[int, bytes]]
) -> None:
    extension, data = RECORDINGS[name]
    for at, replacement in changes:
        at %= len(data)
        data = data[:at] + replacement + data[at + 3 :] or b"\xff"
    with contextlib.suppress(ValueError):
        strip_recording(data, extension)


@examples(50)
@given(name=st.sampled_from(list(RECORDINGS)), data=st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_value_errors(name: str, data: bytes) -> None:
    with contextlib.suppress(ValueError):
        strip_recording(data, RECORDINGS[name][0])


NESTED = element("18538067", unknown_size=True)
HOSTILE = {
    "empty boxes": ("mp4", mp4() + 100_000 * box(b"free")),
    "tracks": ("mp4", box(b"moov", 19_000 * box(b"trak", full_box(b"hdlr", bytes(4), b"vide")))),
    "tables": ("mp4", box(b"moov", box(b"trak", full_box(b"stco", numbers(2**32 - 1))))),
    "nested segments": ("webm", 50_000 * NESTED),
    "clusters": ("webm", NESTED + 30_000 * element("1F43B675", unknown_size=True)),
    "voids": ("webm", NESTED + 60_000 * b"\xec\x80"),
    "false frames": ("mp3", 500_000 * b"\xff\xfb\x14"),
    "tags": ("mp3", 100_000 * b"ID3\3\0\0\0\0\0\0"),
    "pages": ("ogg", 30_000 * (b"OggS\0\2" + bytes(21))),
    "blocks": ("flac", b"fLaC" + 500_000 * bytes([1, 0, 0, 0])),
    "nested lists": ("avi", b"RIFF\xff\xff\xff\0AVI " + 50_000 * b"LIST\xff\xff\xff\0movi"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_files_of_thousands_of_empty_parts_take_no_time(name: str, cpu_limit: None) -> None:
    extension, data = HOSTILE[name]
    with contextlib.suppress(ValueError):
        strip_recording(data, extension)


@pytest.fixture
def cpu_limit() -> Iterator[None]:
    start = time.thread_time()
    yield
    assert time.thread_time() - start < 1.5
