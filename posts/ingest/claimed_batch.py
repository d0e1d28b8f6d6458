"""The loop that every AI step runs over a batch of images: count, decode ahead, isolate failures.

for images, pictures in batch.decoded():
    with batch.isolated(images):
        ...  # compute and store
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from PIL import Image

from ai import metrics
from posts.ingest import decode_cache
from posts.models import PostImage, PostImageQuerySet
from smimso.errors import InvalidInput, Unavailable

logger = logging.getLogger(__name__)


class ClaimedBatch(ABC):
    """Images in one step, whose attempts are counted before the work starts.

    Thus an image that kills its worker is given up after some attempts. Subclasses store attempts
    and failures in the rows.

    step: name of the step in metrics. chunk_size: images that the engine takes at once.
    """

    def __init__(self, images: Sequence[PostImage], *, step: str, chunk_size: int) -> None:
        self.images = list(images)
        self.step = step
        self.chunk_size = chunk_size
        self._unfinished: list[PostImage] = []
        self._must_split = False
        self._count_attempts()
        metrics.observe_batch(step, len(self.images))

    def decoded(self) -> Iterator[tuple[list[PostImage], list[Image.Image]]]:
        """Yield images and their pictures (RGB), `chunk_size` at a time.

        Other threads decode the next chunk in the meantime, so that two chunks at most are in
        memory, however large the batch. Unreadable images are recorded and left out. A chunk that
        failed within `isolated` is yielded again, one image at a time.
        """
        ahead = _decode_async(self.images[: self.chunk_size])
        for end in range(self.chunk_size, len(self.images) + self.chunk_size, self.chunk_size):
            results = [(image, self._picture(image, future)) for image, future in ahead]
            readable = [(image, picture) for image, picture in results if picture is not None]
            waiting = self.images[end:]
            ahead = _decode_async(waiting[: self.chunk_size])
            if not readable:
                continue
            self._unfinished = [*(image for image, _ in readable), *waiting]
            self._must_split = False
            yield [image for image, _ in readable], [picture for _, picture in readable]
            if self._must_split:
                yield from (([image], [picture]) for image, picture in readable)

    @contextmanager
    def isolated(self, images: Sequence[PostImage]) -> Iterator[None]:
        """Keep one image that makes the engine fail from failing its neighbours.

        A chunk that fails is tried again image by image, and a single image's failure is recorded.
        Unavailable (a missing model) is raised after the attempts of unfinished images were
        given back: it is no image's fault.
        """
        try:
            yield
        except Unavailable:
            self._give_back_attempts(self._unfinished)
            raise
        except (RuntimeError, ValueError, ArithmeticError) as error:
            if len(images) > 1:
                self._must_split = True
                return
            logger.exception("Step %s failed for image %s", self.step, images[0].pk)
            metrics.count_failures(self.step)
            self._record_failure(images[0], f"{type(error).__name__}: {error}")

    def _picture(self, image: PostImage, future: Future[Image.Image]) -> Image.Image | None:
        """Return the decoded picture, or None after the failure was recorded."""
        try:
            with metrics.observe_decode(self.step):
                return future.result()
        except FileNotFoundError:
            self._give_up(image, "The image file is missing")
        except InvalidInput as error:
            self._give_up(image, str(error))
        except OSError as error:  # the storage may be back at the next attempt
            logger.warning("Image %s could not be read: %s", image.pk, error)
            self._record_failure(image, f"{type(error).__name__}: {error}")
        metrics.count_failures("decode")
        return None

    @staticmethod
    def _rows(images: Sequence[PostImage]) -> PostImageQuerySet:
        return PostImage.objects.filter(pk__in=[image.pk for image in images])

    @abstractmethod
    def _count_attempts(self) -> None:
        """Count an attempt at each image."""

    @abstractmethod
    def _give_back_attempts(self, images: Sequence[PostImage]) -> None:
        """Uncount the attempt at each of these images that is not finished."""

    @abstractmethod
    def _record_failure(self, image: PostImage, reason: str) -> None:
        """Record a failed attempt that a further one may follow."""

    @abstractmethod
    def _give_up(self, image: PostImage, reason: str) -> None:
        """Record a failure that no further attempt can avoid."""


def _decode_async(images: Sequence[PostImage]) -> list[tuple[PostImage, Future[Image.Image]]]:
    return [(image, decode_cache.decode_async(image)) for image in images]
