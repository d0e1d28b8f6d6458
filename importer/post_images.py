"""The import of images: the row, the file, and the remaining work of the AI."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from ai.repetition import without_repetition
from importer.old_files import FILE_BATCH_SIZE, FileUnavailable, OldFiles, safe_url, workers
from importer.rows import Row, drop_orphans
from importer.source_vectors import SourceVectors
from importer.staging import CleanRow, Target
from importer.table_import import TableImport
from posts.files import access
from posts.models import AIStatus, Post, PostImage

EXTERNAL = "External image: it is not stored here, so the AI cannot process it"
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
class _Stored:
    """The parts of an image that an earlier run stored."""

    has_file: bool
    has_vector: bool
    has_caption: bool


class PostImages(TableImport):
    """A stored row is never replaced, only completed with a missing file or vector."""

    table = "post_images"
    columns = (
        *("id", "post_id", "image_url", "image_path", "width", "height", "file_size"),
        *("embedding", "caption", "display_order", "created_at", "ai_caption", "user_caption"),
    )
    required = ("id", "post_id")
    target = Target(
        PostImage,
        (
            *("id", "post_id", *_FILE, *_CAPTIONS),
            *("display_order", "created_at", *_VECTOR, *_STATE),
        ),
        replace_when="s.image_path <> '' AND t.image_path = ''"
        " OR s.embedding IS NOT NULL AND t.embedding IS NULL",
        merged={
            **_merged(_FILE, "CASE WHEN s.image_path = '' THEN t.{0} ELSE s.{0} END"),
            **_merged(_VECTOR, "CASE WHEN t.embedding IS NULL THEN s.{0} ELSE t.{0} END"),
            **_merged(("post_id", *_CAPTIONS, "display_order"), "t.{0}"),
        },
    )

    def __init__(self, old_files: OldFiles, vectors: SourceVectors) -> None:
        self._files = old_files
        self._vectors = vectors
        if old_files.directory is not None:
            self.max_batch = FILE_BATCH_SIZE

    def clean(self, rows: Sequence[Row]) -> list[CleanRow]:
        with_post = drop_orphans(rows, {"post_id": Post})
        stored = _load_stored(with_post)
        jobs = {
            row.id: workers.submit(_store, self._files, row.id, _address(row))
            for row in with_post
            if self._needs_file(row, stored.get(row.id))
        }
        return [self._image(row, jobs.get(row.id), stored.get(row.id)) for row in with_post]

    def before_write(self, rows: Sequence[CleanRow]) -> None:
        if any(row["embedding"] for row in rows):
            self._vectors.lock_space()

    def _needs_file(self, row: Row, stored: _Stored | None) -> bool:
        if stored is not None and stored.has_file:
            return False
        return not self._files.is_external(_address(row))

    def _image(self, row: Row, job: Future[CleanRow] | None, stored: _Stored | None) -> CleanRow:
        file: CleanRow = {}
        problem = "" if stored and stored.has_file else EXTERNAL
        if job is not None:
            try:
                file, problem = job.result(), ""
            except FileUnavailable as error:
                problem = str(error)
                row.note(problem)
        vector = self._vectors.parse(row) if problem in ("", EXTERNAL) else None
        caption = without_repetition(row.text("ai_caption") or row.text("caption"))
        has_vector = vector is not None or (stored is not None and stored.has_vector)
        has_caption = bool(caption) or (stored is not None and stored.has_caption)
        return {
            **_source_fields(row),
            **file,
            "ai_caption": caption,
            "embedding": vector,
            "embedding_model": self._vectors.model if vector else "",
            **_state(problem, has_vector=has_vector, has_caption=has_caption),
        }


def _address(row: Row) -> str:
    return row.stripped("image_url") or row.stripped("image_path")


def _load_stored(rows: Sequence[Row]) -> dict[UUID, _Stored]:
    images = PostImage.objects.filter(pk__in=[row.id for row in rows])
    columns = images.values_list("pk", "image_path", "embedding_model", "ai_caption")
    return {
        pk: _Stored(has_file=bool(path), has_vector=bool(model), has_caption=bool(caption))
        for pk, path, model, caption in columns
    }


def _source_fields(row: Row) -> CleanRow:
    """Return the columns as the source describes the image, without a file."""
    order = row.values["display_order"]
    return {
        "id": row.id,
        "post_id": row.uuid("post_id"),
        "image_url": safe_url(_address(row)),
        "image_path": "",
        "width": row.size("width"),
        "height": row.size("height"),
        "file_size": row.size("file_size"),
        "checksum": "",
        "placeholder": "",
        "perceptual_hash": None,
        "colors": None,
        "caption": without_repetition(row.text("caption")),
        "user_caption": row.text("user_caption"),
        "display_order": order if isinstance(order, int) else 0,
        "created_at": row.timestamp("created_at"),
    }


def _store(old_files: OldFiles, image_id: UUID, address: str) -> CleanRow:
    image = old_files.load(address)
    if old_files.should_store:
        access.remove_image(image_id)  # an interrupted run may have left a part of it
        path = access.store_image(image_id, image)
    else:
        path = f"{access.FOLDER}/{image_id}.{image.extension}"
    return {
        "image_url": f"{settings.MEDIA_URL}{path}",
        "image_path": path,
        "width": image.width,
        "height": image.height,
        "file_size": len(image.data),
        "checksum": image.checksum,
        "placeholder": image.placeholder,
        "perceptual_hash": image.perceptual_hash,
        "colors": image.colors,
    }


def _state(problem: str, *, has_vector: bool, has_caption: bool) -> CleanRow:
    """Return the AI's state. An external image with a vector is done: it cannot be captioned."""
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
