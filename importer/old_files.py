"""The old backend's files: which of them a row means, and whether they may be taken over."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from media.images import CheckedImage, check_images
from smimso.errors import InvalidInput

AT_A_TIME = 100  # rows in one batch when their files are read: what a stop makes to do again
_BUCKET = re.compile(r"/storage/v1/object/(?:public/)?[^/]+/(.+)")
_UPLOADS = re.compile(r"(?:\./)?/?uploads/", re.IGNORECASE)

workers = ThreadPoolExecutor(2, thread_name_prefix="import")  # Pillow releases the GIL


class NoFile(Exception):
    """`str(error)` is the reason, as the summary and the image's row show it."""


class _LocalUpload:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.size: int | None = path.stat().st_size
        self.name: str | None = path.name

    def read(self) -> bytes:
        return self._path.read_bytes()


@dataclass(frozen=True)
class OldFiles:
    """directory: the old backend's uploads, or a copy of its bucket; None: we have neither.

    keep: whether files are stored (no in a dry run, which only checks them).
    """

    directory: Path | None
    keep: bool = True

    def is_external(self, url: str) -> bool:
        """An absolute URL, unless it is of a bucket whose copy has the file."""
        return _is_absolute(url) and self._in_bucket(url) is None

    def checked(self, url: str) -> CheckedImage:
        """The local file that `url` means, decoded and cleaned. Raises NoFile."""
        path = self._in_bucket(url) or self._in_uploads(url)
        try:
            return check_images([_LocalUpload(path)])[0]
        except InvalidInput as error:
            raise NoFile(str(error)) from error
        except OSError as error:
            raise NoFile("The image file cannot be read") from error

    def _in_uploads(self, url: str) -> Path:
        if self.directory is None:
            raise NoFile("The image file was not imported: no uploads directory was given")
        if not address_to_keep(url):
            raise NoFile("The address is neither a file of the old backend nor a web address")
        name = _UPLOADS.sub("", url.strip().replace("\\", "/"), count=1)
        path = self._below(name) or self._below(unquote(urlsplit(name).path))
        if path is None:
            raise NoFile("The image file is missing in the uploads directory")
        return path

    def _in_bucket(self, url: str) -> Path | None:
        match = _BUCKET.fullmatch(unquote(urlsplit(url).path)) if _is_absolute(url) else None
        return self._below(match[1]) if match else None

    def _below(self, name: str) -> Path | None:
        """The file, if it is really inside the directory: `..` and links lead out of it."""
        if self.directory is None:
            return None
        try:
            root = self.directory.resolve()
            path = (root / name.lstrip("/")).resolve()
            return path if path.is_relative_to(root) and path.is_file() else None
        except (ValueError, OSError):  # a NUL in the name, a name that is too long
            return None


def address_to_keep(url: str) -> str:
    """`url` if it is a web address or a path; `javascript:` and its like have no place here."""
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
