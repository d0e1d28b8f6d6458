"""Images of posts: the row, the file, and what the AI still has to do."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from importer.old_files import AT_A_TIME, NoFile, OldFiles, address_to_keep, workers
from importer.rows import Row, with_owners
from importer.staging import Target
from importer.table_import import Step
from importer.vectors import OldVectors
from posts.files import access
from posts.models import AIStatus, Post, PostImage

EXTERNAL = "External image: there is no file here to look at"
_FILE = (
    *("image_url", "image_path", "width", "height", "file_size", "checksum", "placeholder"),
    *("perceptual_hash", "colors"),
)
_CAPTIONS = ("caption", "ai_caption", "user_caption")
_VECTOR = ("embedding", "embedding_model")
_STATE = ("ai_status", "ai_error", "ai_attempts", "ai_queued_at")


def _merged(columns: Sequence[str], expression: str) -> dict[str, str]:
    return {name: expression.format(name) for name in columns}


@dataclass(frozen=True)
class _Known:
    """What we have of an image from an earlier run."""

    has_file: bool
    has_vector: bool
    has_caption: bool


class PostImages(Step):
    """A row that is there is only ever completed: by a file or a vector that it lacks."""

    table = "post_images"
    columns = (
        *("id", "post_id", "image_url", "image_path", "width", "height", "file_size"),
        *("embedding", "caption", "display_order", "created_at", "ai_caption", "user_caption"),
    )
    needed = ("id", "post_id")
    target = Target(
        PostImage,
        (
            *("id", "post_id", *_FILE, *_CAPTIONS),
            *("display_order", "created_at", *_VECTOR, *_STATE),
        ),
        newer="s.image_path <> '' AND t.image_path = ''"
        " OR s.embedding IS NOT NULL AND t.embedding IS NULL",
        merged={
            **_merged(_FILE, "CASE WHEN s.image_path = '' THEN t.{0} ELSE s.{0} END"),
            **_merged(_VECTOR, "CASE WHEN t.embedding IS NULL THEN s.{0} ELSE t.{0} END"),
            **_merged(("post_id", *_CAPTIONS, "display_order"), "t.{0}"),
        },
    )

    def __init__(self, old_files: OldFiles, vectors: OldVectors) -> None:
        self._files = old_files
        self._vectors = vectors
        if old_files.directory is not None:
            self.most = AT_A_TIME

    def clean(self, rows: Sequence[Row]) -> list[Mapping[str, Any]]:
        kept = with_owners(rows, {"post_id": Post})
        known = _known(kept)
        jobs = {
            row.id: workers.submit(_store, self._files, row.id, _address(row))
            for row in kept
            if self._needs_file(row, known.get(row.id))
        }
        return [self._image(row, jobs.get(row.id), known.get(row.id)) for row in kept]

    def before_writing(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if any(row["embedding"] for row in rows):
            self._vectors.hold()

    def _needs_file(self, row: Row, known: _Known | None) -> bool:
        if known is not None and known.has_file:
            return False
        return not self._files.is_external(_address(row))

    def _image(
        self, row: Row, job: Future[dict[str, Any]] | None, known: _Known | None
    ) -> dict[str, Any]:
        file: dict[str, Any] = {}
        problem = "" if known and known.has_file else EXTERNAL
        if job is not None:
            try:
                file, problem = job.result(), ""
            except NoFile as error:
                problem = str(error)
                row.note(problem)
        vector = self._vectors.of(row) if problem in ("", EXTERNAL) else None
        caption = row.text("ai_caption") or row.text("caption")
        has_vector = vector is not None or (known is not None and known.has_vector)
        has_caption = bool(caption) or (known is not None and known.has_caption)
        return {
            **_described(row),
            **file,
            "ai_caption": caption,
            "embedding": vector,
            "embedding_model": self._vectors.model if vector else "",
            **_state(problem, has_vector=has_vector, has_caption=has_caption),
        }


def _address(row: Row) -> str:
    return row.words("image_url") or row.words("image_path")


def _known(rows: Sequence[Row]) -> dict[UUID, _Known]:
    images = PostImage.objects.filter(pk__in=[row.id for row in rows])
    columns = images.values_list("pk", "image_path", "embedding_model", "ai_caption")
    return {
        pk: _Known(has_file=bool(path), has_vector=bool(model), has_caption=bool(caption))
        for pk, path, model, caption in columns
    }


def _described(row: Row) -> dict[str, Any]:
    """The image as the source describes it, before we have a file of it."""
    order = row.values["display_order"]
    return {
        "id": row.id,
        "post_id": row.reference("post_id"),
        "image_url": address_to_keep(_address(row)),
        "image_path": "",
        "width": row.size("width"),
        "height": row.size("height"),
        "file_size": row.size("file_size"),
        "checksum": "",
        "placeholder": "",
        "perceptual_hash": None,
        "colors": None,
        "caption": row.text("caption"),
        "user_caption": row.text("user_caption"),
        "display_order": order if isinstance(order, int) else 0,
        "created_at": row.moment("created_at"),
    }


def _store(old_files: OldFiles, image_id: UUID, address: str) -> dict[str, Any]:
    checked = old_files.checked(address)
    if old_files.keep:
        access.remove_image(image_id)  # a run that was cut off may have left a part of it
        path = access.store_image(image_id, checked)
    else:
        path = f"{access.FOLDER}/{image_id}.{checked.extension}"
    return {
        "image_url": f"{settings.MEDIA_URL}{path}",
        "image_path": path,
        "width": checked.width,
        "height": checked.height,
        "file_size": len(checked.data),
        "checksum": checked.checksum,
        "placeholder": checked.placeholder,
        "perceptual_hash": checked.perceptual_hash,
        "colors": checked.colors,
    }


def _state(problem: str, *, has_vector: bool, has_caption: bool) -> dict[str, Any]:
    """An external image with a vector is done: it can be found, and never be captioned."""
    status = AIStatus.PENDING
    if problem and not (problem == EXTERNAL and has_vector):
        status = AIStatus.FAILED
    elif has_vector:
        status = AIStatus.DONE if has_caption or problem else AIStatus.EMBEDDED
    return {
        "ai_status": status,
        "ai_error": problem if status == AIStatus.FAILED else "",
        "ai_attempts": 0,
        "ai_queued_at": None,
    }
