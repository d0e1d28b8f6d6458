"""Files of the old backend: find the file that a row refers to and check it."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from media.images import check_images
from media.preparation import CheckedImage
from smimso.errors import InvalidInput

FILE_BATCH_SIZE = 100  # rows per batch when files are read; an interrupted batch is repeated
_BUCKET = re.compile(r"/storage/v1/object/(?:public/)?[^/]+/(.+)")
_UPLOADS = re.compile(r"(?:\./)?/?uploads/", re.IGNORECASE)

workers = ThreadPoolExecutor(2, thread_name_prefix="import")  # Pillow releases the GIL


class FileUnavailable(Exception):
    """The file is missing or broken. `str(error)` is shown in the summary and in ai_error."""


class _LocalUpload:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.size: int | None = path.stat().st_size
        self.name: str | None = path.name

    def read(self) -> bytes:
        return self._path.read_bytes()


@dataclass(frozen=True)
class OldFiles:
    """The files that may be imported.

    directory: the old backend's uploads or a copy of its bucket; None if neither is at hand.
    should_store: False in a dry run, which only checks the files.
    """

    directory: Path | None
    should_store: bool = True

    def is_external(self, url: str) -> bool:
        """Return whether the URL is absolute and not of a bucket whose copy has the file."""
        return _is_absolute(url) and self._in_bucket(url) is None

    def load(self, url: str) -> CheckedImage:
        """Decode and clean the local file that the URL refers to. Raises FileUnavailable."""
        path = self._in_bucket(url) or self._in_uploads(url)
        try:
            return check_images([_LocalUpload(path)])[0]
        except InvalidInput as error:
            raise FileUnavailable(error.in_english()) from error
        except OSError as error:
            raise FileUnavailable("The image file cannot be read") from error

    def _in_uploads(self, url: str) -> Path:
        if self.directory is None:
            raise FileUnavailable("The image file was not imported: no uploads directory was given")
        if not safe_url(url):
            raise FileUnavailable("The address is neither an uploaded file nor a web address")
        name = _UPLOADS.sub("", url.strip().replace("\\", "/"), count=1)
        path = self._below(name) or self._below(unquote(urlsplit(name).path))
        if path is None:
            raise FileUnavailable("The image file is missing in the uploads directory")
        return path

    def _in_bucket(self, url: str) -> Path | None:
        match = _BUCKET.fullmatch(unquote(urlsplit(url).path)) if _is_absolute(url) else None
        return self._below(match[1]) if match else None

    def _below(self, name: str) -> Path | None:
        """Return the file if it is inside the directory; `..` and links may lead out of it."""
        if self.directory is None:
            return None
        try:
            root = self.directory.resolve()
            path = (root / name.lstrip("/")).resolve()
            return path if path.is_relative_to(root) and path.is_file() else None
        except (ValueError, OSError):  # a NUL in the name, a name that is too long
            return None


def safe_url(url: str) -> str:
    """Return the URL if it is a web address or a path, else "" (for example `javascript:`)."""
    try:
        return url if urlsplit(url).scheme in ("", "http", "https") else ""
    except ValueError:
        return ""


def _is_absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
