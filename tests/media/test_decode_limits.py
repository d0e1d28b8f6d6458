"""Files that cost much: refused before or while they are decoded, within time and memory."""

import resource
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from media import decoder_pool, images
from media.decoder_pool import DecoderPool, DecodersBusy
from media.images import check_images, decode_upload
from media.limits import MEGABYTE, RefusedImage
from smimso.errors import InvalidInput, Unavailable
from tests.media import samples

MAX_SECONDS = 2.0


def upload(data: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def refusal(data: bytes) -> str:
    """Return the error's code, which check_images and decode_upload must agree on."""
    codes = []
    for take in (lambda file: check_images([file]), decode_upload):
        started = time.monotonic()
        with pytest.raises(InvalidInput) as refused:
            take(upload(data))
        assert time.monotonic() - started < MAX_SECONDS
        codes.append(refused.value.code)
    assert codes[0] == codes[1]
    return codes[0]


# --- Refused by their structure -------------------------------------------------------------


def test_a_jpeg_of_a_thousand_scans_is_refused_at_once() -> None:
    assert refusal(samples.empty_scans(1200, 2000)) == "image_too_complex"


def test_a_jpeg_with_as_many_scans_as_real_files_have_is_taken() -> None:
    (image,) = check_images([upload(samples.empty_scans(20, 600))])
    assert (image.width, image.height) == (600, 600)


@pytest.mark.parametrize(
    "data",
    [
        samples.gif_frames(10_000),
        samples.apng_frames(10_000),
        samples.webp_frames(10_000),
        samples.gif_frames(2_000, 10_000, 10_000),
    ],
    ids=["GIF", "APNG", "WebP", "frames of a huge canvas"],
)
def test_an_animation_of_too_many_frames_is_refused(data: bytes) -> None:
    assert refusal(data) == "animation_too_long"


@pytest.mark.parametrize(
    "data", [samples.gif_frames(1_000), samples.apng_frames(1_000), samples.webp_frames(1_000)]
)
def test_a_long_animation_is_taken(data: bytes) -> None:
    (image,) = check_images([upload(data)])
    assert (image.width, image.height) == (1, 1)


@pytest.mark.parametrize(
    "data",
    [
        samples.tiff_strips(200_000),
        samples.bmp_runs(1_000_000),
        samples.png(8, 8, *[samples.png_chunk(b"IDAT", b"")] * 60_000),
    ],
    ids=["strips of a TIFF", "runs of a BMP", "chunks of a PNG"],
)
def test_a_file_of_too_many_parts_is_refused(data: bytes) -> None:
    assert refusal(data) == "image_too_complex"


# --- Stopped while they are decoded ---------------------------------------------------------


def work(seconds: float) -> float:
    """Use a core for some time, as a decoder does; return the seconds."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def allocate(megabytes: int) -> int:
    return len(bytearray(megabytes * MEGABYTE)) // MEGABYTE


def crash() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    work(60)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(2)
    yield pool
    pool.stop()


def test_a_file_that_takes_too_long_is_refused_and_its_process_replaced(pool: DecoderPool) -> None:
    (stopped,) = pool.map("one", crash, [()])
    with pytest.raises(RefusedImage) as refused:
        stopped.result(10)
    assert refused.value.code == "image_too_complex"
    assert pool.map("one", allocate, [(1,)])[0].result(10) == 1


def test_memory_beyond_the_limit_is_not_given(pool: DecoderPool) -> None:
    small, large = pool.map("one", allocate, [(100,), (2_000,)])
    assert small.result(10) == 100
    with pytest.raises(RefusedImage) as refused:
        large.result(10)
    assert refused.value.code == "image_too_complex"


def test_processes_limit_their_own_time(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_pool, "MAX_DECODE_SECONDS", 0.3)
    (stuck,) = pool.map("one", sleep, [(60,)])
    with pytest.raises(RefusedImage):
        stuck.result(10)


# --- Members take turns ---------------------------------------------------------------------


def test_the_files_of_one_member_do_not_delay_those_of_another(pool: DecoderPool) -> None:
    slow = pool.map("one", sleep, [(0.3,)] * 5)
    assert pool.map("other", sleep, [(0.01,)])[0].result(5) == 0.01
    assert not slow[-1].done()
    for future in slow:
        assert future.result(5) == 0.3


def test_who_waits_longest_is_next(pool: DecoderPool) -> None:
    order: list[str] = []

    def ask(owner: str, files: int) -> list[Future[float]]:
        futures = pool.map(owner, sleep, [(0.05,)] * files)
        for future in futures:
            future.add_done_callback(lambda _: order.append(owner))
        return futures

    for future in (*ask("a", 4), *ask("b", 1), *ask("c", 1)):
        future.result(5)
    assert order.index("b") < 3
    assert order.index("c") < 4


def test_a_request_of_many_files_waits_for_its_own(pool: DecoderPool) -> None:
    futures = pool.map("one", allocate, [(n,) for n in range(1, 11)])
    assert [future.result(10) for future in futures] == list(range(1, 11))


def test_more_than_a_few_waiting_files_are_refused(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_pool, "MAX_WAITING_PER_OWNER", 3)
    monkeypatch.setattr(decoder_pool, "MAX_WAITING", 5)
    running = pool.map("a", sleep, [(0.3,)] * 3)
    with pytest.raises(DecodersBusy):
        pool.map("a", sleep, [(0,), (0,)])
    running += pool.map("b", sleep, [(0.3,)] * 3)
    with pytest.raises(DecodersBusy):
        pool.map("c", sleep, [(0,), (0,)])
    for future in running:
        future.result(5)
    assert pool.map("a", sleep, [(0,)] * 3)[0].result(5) == 0


def test_a_full_queue_is_a_503_with_the_seconds_after_which_to_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoder_pool, "MAX_WAITING_PER_OWNER", 0)
    with pytest.raises(Unavailable) as refused:
        check_images([upload(samples.sample("PNG"))], "member")
    assert (refused.value.code, refused.value.retry_after) == ("decoders_busy", 5)


def test_who_gives_up_leaves_the_queue(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_decoders", lambda: pool)
    monkeypatch.setattr(images, "MAX_WAIT_SECONDS", 0.1)
    busy = pool.map("member", sleep, [(0.4,)])
    with pytest.raises(Unavailable):
        check_images([upload(samples.sample("PNG"))], "member")
    busy[0].result(5)
    assert pool.map("member", allocate, [(1,)])[0].result(5) == 1


@pytest.mark.parametrize(
    ("cores", "gigabytes", "processes"), [(1, 1, 2), (2, 24, 3), (16, 128, 17), (16, 16, 5)]
)
def test_decoders_follow_the_cores_as_far_as_there_is_memory(
    cores: int, gigabytes: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_pool, "available_cores", lambda: cores)
    monkeypatch.setattr(decoder_pool, "available_memory", lambda: gigabytes * 1024**3)
    assert decoder_pool.count_processes() == processes
