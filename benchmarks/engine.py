"""Time from JPEG bytes to a vector and a caption, compared with the method of the old service.

    python benchmarks/engine.py [--rounds 5] [--images 16]

The reference is transformers' CLIPModel and BlipForConditionalGeneration with their Pillow
processors, in fp32, one image at a time, each photograph decoded whole. Ours are the functions that
the pipeline calls; SMIMSO_AI_DTYPE sets their dtype. Each side runs in a separate process: the
reference in the environment of this script, ours in the environment of a worker. They alternate on
the same 12-megapixel photographs, with full-size models and random weights, and generate 12 word
pieces per caption. On a machine with CUDA both use the GPU, and images per second are measured at
several batch sizes.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")

from full_size.models import prepare_models  # noqa: E402
from full_size.photographs import load_photographs  # noqa: E402

from smimso.local.processes import WORKER_ENVIRONMENT  # noqa: E402

NEW_TOKENS = 12
PEAK_SIZE = 4096  # of the square matrices whose product gives the peak rate of the machine
CUDA_BATCHES = (16, 32, 64, 128, 256)
CLIP_TOKENS, BLIP_TOKENS = 50, 577  # patches and the class token of either
LAYERS, HEADS, WIDTH, VOCABULARY = 12, 12, 768, 30_524  # of both vision towers and the decoder


def count_clip_operations() -> float:
    """Return the FLOP of one image in ViT-B/32 in this engine: 2 per multiplication.

    A layer has 12 width² weights per token and 4 · tokens · width for the two products of the
    attention; the last one computes keys and values for all tokens (2 width²), and the other
    10 width² for the class token alone. The patch embedding has 3 · 32² · width weights.
    """
    whole = CLIP_TOKENS * (24 * WIDTH**2 + 4 * CLIP_TOKENS * WIDTH)
    last = CLIP_TOKENS * 4 * WIDTH**2 + 20 * WIDTH**2 + 4 * CLIP_TOKENS * WIDTH
    patches = 2 * (CLIP_TOKENS - 1) * 3 * 32**2 * WIDTH
    return (LAYERS - 1) * whole + last + patches + 2 * WIDTH * 512


def count_blip_operations() -> float:
    """Return the FLOP of one image in BLIP base at 384 pixels and NEW_TOKENS decoder steps.

    Vision as in `clip_operations`, without the shortened last layer. The decoder: for each step
    and layer 16 width² weights (self-attention 4, cross-attention 4, MLP 8) and for each of its
    heads two products of width numbers with the image's tokens, and the head over the vocabulary.
    """
    layer = BLIP_TOKENS * (24 * WIDTH**2 + 4 * BLIP_TOKENS * WIDTH)
    patches = 2 * (BLIP_TOKENS - 1) * 3 * 16**2 * WIDTH
    step = LAYERS * (32 * WIDTH**2 + 4 * HEADS * BLIP_TOKENS * WIDTH) + 2 * WIDTH * VOCABULARY
    return LAYERS * layer + patches + NEW_TOKENS * step


class Reference:
    """The method of the old service: fp32, one image after the other."""

    def __init__(self, settings: dict[str, str], device: str) -> None:
        from transformers import BlipForConditionalGeneration, CLIPModel
        from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        clip, blip = settings["SMIMSO_CLIP_MODEL"], settings["SMIMSO_BLIP_MODEL"]
        self.clip = CLIPModel.from_pretrained(clip).eval().to(device)
        self.blip = BlipForConditionalGeneration.from_pretrained(blip).eval().to(device)
        self.clip_processor = CLIPImageProcessorPil()
        self.blip_processor = BlipImageProcessorPil.from_pretrained(blip)
        self.device = device

    def embed(self, image: Image.Image) -> np.ndarray:
        pixels = self._pixels(self.clip_processor, image)
        output: Any = self.clip.get_image_features(pixel_values=pixels)
        features = getattr(output, "pooler_output", output)
        return (features / features.norm(dim=-1, keepdim=True)).cpu().numpy()[0]

    def caption(self, image: Image.Image) -> list[int]:
        pixels = self._pixels(self.blip_processor, image)
        length = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
        tokens = self.blip.generate(pixel_values=pixels, num_beams=1, do_sample=False, **length)
        return tokens[0].tolist()

    def _pixels(self, processor: Any, image: Image.Image) -> Any:
        return processor(images=image, return_tensors="pt")["pixel_values"].to(self.device)

    def embed_files(self, files: Sequence[bytes]) -> np.ndarray:
        return np.stack([self.embed(self.decode(data)) for data in files])

    def embed_and_caption_files(self, files: Sequence[bytes]) -> None:
        for data in files:
            image = self.decode(data)
            self.embed(image)
            self.caption(image)

    @staticmethod
    def decode(data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data)).convert("RGB")


references: list[Reference] = []  # one, in the process of the reference only


def make_reference(settings: dict[str, str], device: str) -> None:
    import ai.engine  # noqa: F401 - declares what transformers expects of torchvision

    references.append(Reference(settings, device))


def embed_by_reference(files: Sequence[bytes]) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return references[0].embed_files(files)


def time_reference(name: str, files: Sequence[bytes]) -> tuple[float, float]:
    import torch

    with torch.inference_mode():
        return time_per_file(getattr(references[0], name), files)


class CurrentEngine:
    """The work of posts.ingest.pipeline on a batch, without the database."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        engine.clip.get()
        engine.blip.get()

    def iterate_chunks(self, files: Sequence[bytes]) -> Iterator[list[Image.Image]]:
        from media.images import decode_ahead

        futures = [decode_ahead(lambda data=data: data) for data in files]  # type: ignore[misc]
        size = self.engine.embed_batch_size
        for start in range(0, len(futures), size):
            yield [future.result() for future in futures[start : start + size]]

    def embed_files(self, files: Sequence[bytes]) -> np.ndarray:
        return np.concatenate(
            [self.engine.embed_images(chunk) for chunk in self.iterate_chunks(files)]
        )

    def embed_and_caption_files(self, files: Sequence[bytes]) -> None:
        for chunk in self.iterate_chunks(files):
            self.engine.embed_images(chunk)
            self.caption(chunk)

    def caption(self, pictures: list[Image.Image]) -> None:
        self.engine.blip.get().caption_images(
            pictures, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS
        )


def main() -> None:
    options = parse_options()
    if options.worker:
        report_worker_start()
        return
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        settings = other.submit(prepare_models).result()
        os.environ |= {**settings, **WORKER_ENVIRONMENT}
        import django

        django.setup()
        measure(other, settings, options)
    measure_worker_start()


def measure(
    other: ProcessPoolExecutor, settings: dict[str, str], options: argparse.Namespace
) -> None:
    import torch

    from ai.engine import Engine

    files = list(load_photographs(options.images))
    ours = CurrentEngine(Engine.from_settings())
    device = ours.engine.device
    other.submit(make_reference, settings, device).result()
    print(
        f"{device}, {ours.engine.dtype}, {torch.get_num_threads()} threads, {len(files)} JPEGs"
        f" of 12 megapixels, {sum(map(len, files)) / len(files) / 1e6:.1f} MB each"
    )
    compare(other, ours, files, options.rounds)
    with torch.inference_mode():
        measure_utilisation(ours, files, torch)
    if device == "cuda":
        measure_batch_sizes(ours, files)


def compare(
    other: ProcessPoolExecutor, ours: CurrentEngine, files: list[bytes], rounds: int
) -> None:
    """Alternate both; a turn of the reference is two images, a turn of ours all of them."""
    same = other.submit(embed_by_reference, files[:4]).result()
    cosines = (same * ours.embed_files(files[:4])).sum(axis=1)
    print(f"cosine of our vectors to the reference's: minimum {cosines.min():.4f}")
    for name, label, goal in (
        ("embed_files", "vectors", 8.0),
        ("embed_and_caption_files", "vectors and captions", 5.0),
    ):
        new = getattr(ours, name)
        other.submit(time_reference, name, files[:1]).result(), new(files)
        times: list[tuple[float, float, float, float]] = []
        for turn in range(rounds):
            pair = [files[(2 * turn + i) % len(files)] for i in range(2)]
            old = other.submit(time_reference, name, pair).result()
            times.append((*old, *time_per_file(new, files)))
        before, cpu_before, after, cpu_after = (
            1000 * statistics.median(values) for values in zip(*times, strict=True)
        )
        print(
            f"{label:22} reference {before:7.1f} ms   ours {after:6.1f} ms"
            f" per image   {before / after:4.1f} times (goal {goal:.0f})\n"
            f"{'  CPU time':22} reference {cpu_before:7.1f} ms   ours {cpu_after:6.1f} ms"
            f" per image   {cpu_before / cpu_after:4.1f} times",
            flush=True,
        )


def measure_utilisation(ours: CurrentEngine, files: list[bytes], torch: Any) -> None:
    """Print the fraction of the machine's peak FLOPS that the models reach, without decoding."""
    clip, blip = ours.engine.clip.get(), ours.engine.blip.get()
    a = torch.ones(PEAK_SIZE, PEAK_SIZE, dtype=clip.dtype, device=clip.device)
    peak = 2 * PEAK_SIZE**3 / time_fastest(lambda: a @ a, torch)
    print(f"peak: {peak / 1e9:.0f} GFLOPS ({clip.dtype}, {PEAK_SIZE}² · {PEAK_SIZE}²)")
    pictures = next(ours.iterate_chunks(files))
    small = clip.transfer([clip.resize(picture) for picture in pictures])
    some = pictures[: blip.batch.size]
    large = blip.transfer([picture.resize(blip.size, blip.resample) for picture in some])
    length = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
    towers: tuple[tuple[str, Callable[[], Any], float, int], ...] = (
        ("CLIP", lambda: clip.encode_images(small), count_clip_operations(), len(small)),
        (
            "BLIP",
            lambda: blip.decoder.generate(blip.encode_images(large), **length),
            count_blip_operations(),
            len(some),
        ),
    )
    for name, compute, operations, number in towers:
        each = time_fastest(compute, torch, times=2) / number
        share = operations / each / peak
        print(
            f"{name}: {operations / 1e9:6.1f} GFLOP and {1000 * each:6.1f} ms per image,"
            f" {share:.0%} of the peak"
        )


def measure_batch_sizes(ours: CurrentEngine, files: list[bytes]) -> None:
    pictures = [picture for chunk in ours.iterate_chunks(files) for picture in chunk]
    for size in CUDA_BATCHES:
        many = [pictures[i % len(pictures)] for i in range(2 * size)]
        for name, compute in (("CLIP", ours.engine.embed_images), ("BLIP", ours.caption)):
            getattr(ours.engine, name.lower()).get().batch.max_size = size
            compute(many)
            print(f"{name}, batches of {size}: {len(many) / time_call(compute, many):.0f}/s")


def measure_worker_start() -> None:
    """Run `report_worker_start` in a new process, as a worker starts."""
    command = [sys.executable, __file__, "--worker", str(time.time())]
    subprocess.run(command, check=True)


def report_worker_start() -> None:
    """Print the time from process start to the first vector, and the peak memory."""
    import django

    from ai.engine import Engine

    django.setup()
    started = float(sys.argv[-1])
    engine = Engine.from_settings()
    engine.embed_texts(["a photo of a harbour at night"])
    first = time.time() - started
    pictures = [Image.new("RGB", (500, 375), (i, 2 * i, 3 * i)) for i in range(32)]
    engine.embed_images(pictures)
    engine.caption_images(pictures)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(f"process start to the first vector: {first:.1f} s (goal 15)")
    print(f"peak memory with both models, after 32 images: {peak * 1024 / 1e9:.2f} GB (goal 1.6)")


def time_call(work: Callable[..., Any], *arguments: Any) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def time_per_file(work: Callable[..., Any], files: Sequence[bytes]) -> tuple[float, float]:
    """Return seconds per file: wall time, and CPU time, which other programs disturb less."""
    began, cpu = time.perf_counter(), time.process_time()
    work(files)
    ended, cpu_ended = time.perf_counter(), time.process_time()
    return (ended - began) / len(files), (cpu_ended - cpu) / len(files)


def time_fastest(work: Callable[[], Any], torch: Any, times: int = 5) -> float:
    def work_synchronously() -> None:
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    work_synchronously()
    return min(time_call(work_synchronously) for _ in range(times))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compare the engine with the method of the old service."
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
