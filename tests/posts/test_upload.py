"""POST /posts/upload: accepted types, names in the storage, and how files are served."""

import io
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User
from tests.media import recordings
from tests.posts.rows import invalid

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]

URL = "/api/posts/upload"
WEBM = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm" + b"\0" * 64
MP4 = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + b"\0" * 64
SAFARI = b"\0\0\0\x1cftypiso5\0\0\0\x01isomiso5hlsf" + b"\0" * 64
OGG = b"OggS\0\x02" + b"\0" * 64
MP3 = b"ID3\x03\0\0\0\0\0\x0a" + b"\0" * 64
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b" " * 64
PAGE = b"<!DOCTYPE html><script>alert(document.domain)</script>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
NO_RECORDING = (
    "The audio or video file is damaged, or of a type from which places and other private data "
    "cannot be removed. Please use MP4, WebM, MP3, M4A, WAV or OGG."
)
NO_FILE_TYPE = "Invalid file type. Only images, audio, video and common documents are allowed."


def wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 800)
    return buffer.getvalue()


def word_document() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("[Content_Types].xml", "_rels/.rels", "word/document.xml"):
            archive.writestr(name, "<x/>" * 40)
    return buffer.getvalue()


def stored() -> set[Path]:
    return set(Path(settings.MEDIA_ROOT).rglob("chat/*/*"))


@pytest.fixture
def send(api: Api, owner: User) -> Callable[..., Any]:
    def post(data: bytes, name: str = "file.bin", declared: str = "image/png") -> Any:
        file = SimpleUploadedFile(name, data, declared)
        return api(owner).post(URL, {"file": file}, format="multipart")

    return post


class TestAccepts:
    @pytest.mark.parametrize(
        ("data", "extension", "content_type", "inline"),
        [
            (WEBM, "webm", "video/webm", True),
            (MP4, "mp4", "video/mp4", True),
            (SAFARI, "mp4", "video/mp4", True),
            (OGG, "ogg", "audio/ogg", True),
            (MP3, "mp3", "audio/mpeg", True),
            (wav(), "wav", "audio/x-wav", True),
            (PDF, "pdf", "application/pdf", False),
            (word_document(), "docx", None, False),
            (PAGE, "txt", "text/plain; charset=utf-8", False),
            (DRAWING, "txt", "text/plain; charset=utf-8", False),
            ("Xin chào".encode(), "txt", "text/plain; charset=utf-8", False),
        ],
        ids=["webm", "mp4", "safari", "ogg", "mp3", "wav", "pdf", "docx", "html", "svg", "text"],
    )
    def test_media_and_documents_by_what_they_are(
        self,
        api: Api,
        owner: User,
        send: Callable[..., Any],
        data: bytes,
        extension: str,
        content_type: str | None,
        inline: bool,
    ) -> None:
        response = send(data, "../../evil.html", "text/html")
        assert response.status_code == 200, response.content
        assert response.json()["message"] == "File uploaded successfully"
        found = response.json()["data"]
        assert found.keys() == {"url", "filename"}
        assert found["url"] == f"/uploads/chat/{owner.pk}/{found['filename']}"
        stem, _, end = found["filename"].partition(".")
        assert UUID(stem).version == 4
        assert end == extension

        served = api().get(found["url"])
        assert b"".join(served) == data
        assert served["X-Content-Type-Options"] == "nosniff"
        if content_type:
            assert served["Content-Type"] == content_type
        assert ("Content-Disposition" not in served) is inline
        if not inline:
            assert served["Content-Disposition"].startswith("attachment;")

    @pytest.mark.parametrize(
        ("format_", "extension"),
        [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")],
    )
    def test_pictures_by_decoding_them(
        self,
        api: Api,
        send: Callable[..., Any],
        picture: Callable[..., bytes],
        format_: str,
        extension: str,
    ) -> None:
        url = send(picture(format=format_), "page.html", "text/html").json()["data"]["url"]
        assert url.endswith(f".{extension}")
        served = api().get(url)
        assert Image.open(io.BytesIO(b"".join(served))).format == format_
        assert "Content-Disposition" not in served

    def test_no_private_metadata(self, api: Api, send: Callable[..., Any]) -> None:
        exif = Image.Exif()
        exif[0x010F] = "A camera of my own"
        buffer = io.BytesIO()
        Image.new("RGB", (32, 32)).save(buffer, "JPEG", exif=exif)
        assert b"A camera" in buffer.getvalue()
        url = send(buffer.getvalue()).json()["data"]["url"]
        assert b"A camera" not in b"".join(api().get(url))

    @pytest.mark.parametrize("name", ["mp4", "mov", "live webm", "opus", "mp3", "wav"])
    def test_no_place_in_recordings(self, api: Api, send: Callable[..., Any], name: str) -> None:
        extension, data = recordings.RECORDINGS[name]
        url = send(data).json()["data"]["url"]
        assert url.endswith(f".{extension}")
        served = b"".join(api().get(url))
        assert recordings.SECRET in data
        assert recordings.SECRET not in served
        assert recordings.SOUND in served


class TestRefuses:
    @pytest.mark.parametrize(
        "data",
        [
            b"MThd\0\0\0\6\0\1\0\1\0\x60" + bytes(40),  # MIDI
            b"\0\0\1\xba" + bytes(40),  # MPEG program stream
            recordings.mp4().replace(b"stsz", b"????"),
        ],
    )
    def test_recordings_whose_private_data_would_stay(
        self, send: Callable[..., Any], data: bytes
    ) -> None:
        before = stored()
        invalid(send(data), 400, NO_RECORDING)
        assert stored() == before

    @pytest.mark.parametrize(
        "data",
        [
            b"MZ\x90\0" + b"\0" * 200,  # a program
            b"\x7fELF\x02\x01\x01" + b"\0" * 200,
            b"\xde\xad\xbe\xef" * 20,
            b"",
        ],
    )
    def test_what_it_does_not_know(self, send: Callable[..., Any], data: bytes) -> None:
        before = stored()
        assert send(data, "song.mp3", "audio/mpeg").status_code == 400
        assert stored() == before

    def test_what_only_begins_like_a_picture(self, send: Callable[..., Any]) -> None:
        before = stored()
        response = send(b"GIF89a/*" + PAGE, "a.gif", "image/gif")
        assert response.status_code == 400
        assert response.json()["error"].startswith("The file is not a readable image")
        assert stored() == before

    def test_by_name(self, send: Callable[..., Any]) -> None:
        invalid(send(b"\xde\xad\xbe\xef" * 20), 400, NO_FILE_TYPE)

    def test_more_than_ten_megabytes(self, send: Callable[..., Any]) -> None:
        before = stored()
        response = send(PDF + b" " * settings.UPLOAD_MAX_BYTES)
        invalid(response, 400, "File size exceeds the maximum limit of 10MB")
        assert stored() == before

    def test_other_fields_and_none(self, api: Api, owner: User) -> None:
        client = api(owner)
        invalid(client.post(URL, {}, format="multipart"), 400, "No file uploaded")
        file = SimpleUploadedFile("a.pdf", PDF)
        response = client.post(URL, {"image": file}, format="multipart")
        invalid(response, 400, "Unexpected field")

    def test_strangers_to_the_site(self, api: Api) -> None:
        before = stored()
        file = SimpleUploadedFile("a.pdf", PDF)
        assert api().post(URL, {"file": file}, format="multipart").status_code == 401
        assert stored() == before
