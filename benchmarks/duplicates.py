"""Detection of copies: precision on drawings, and speed of the lookup among a million hashes.

    python benchmarks/duplicates.py

Compares demo drawings with copies of them, and with new drawings of the same scenes, which are not
copies. Then searches a million hashes, similar to those of the drawings, in an embedded PostgreSQL:
by the indexes on bands, and by reading every hash.
"""

import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import django
import numpy as np
import psycopg
from PIL import Image, ImageEnhance

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")
MODEL = ROOT / "ai" / "demo_models" / "clip"
os.environ |= {"SMIMSO_CLIP_MODEL": f"local-dir:{MODEL}", "SMIMSO_AI_DTYPE": "fp32"}
django.setup()

from ai.demo_models.drawing import draw_scene  # noqa: E402
from ai.demo_models.scenes import choose_demo_scenes  # noqa: E402
from ai.engine import Engine  # noqa: E402
from media.appearance import perceptual_hash  # noqa: E402
from posts.phash import BAND_MASKS, BAND_SHIFTS, MAX_HASH_DISTANCE  # noqa: E402
from search.dedup import COPY_BITS, COPY_COSINE  # noqa: E402
from smimso.local import servers  # noqa: E402
from smimso.local.processes import postgres  # noqa: E402

ENGINE = Engine.from_settings()
DRAWINGS, WIDTH = 250, 480
ROWS, QUERIES, FLIPPED = 1_000_000, 40, 0.2
Copy = Callable[[Image.Image], Image.Image]


def reencode(picture: Image.Image, image_format: str, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, image_format, quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def crop_edges(picture: Image.Image, share: float) -> Image.Image:
    width, height = picture.size
    x, y = round(width * share), round(height * share)
    return picture.crop((x, y, width - x, height - y))


COPIES: dict[str, Copy] = {
    "JPEG, quality 40": lambda picture: reencode(picture, "JPEG", 40),
    "WebP, quality 60": lambda picture: reencode(picture, "WEBP", 60),
    "a third as wide": lambda picture: picture.resize((picture.width // 3, picture.height // 3)),
    "20 % brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "20 % darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "2 % off each edge": lambda picture: crop_edges(picture, 0.02),
    "5 % off each edge": lambda picture: crop_edges(picture, 0.05),
}


def compute_hashes(pictures: list[Image.Image]) -> np.ndarray:
    values = [perceptual_hash(picture) for picture in pictures]
    return np.array(values, dtype=np.int64).view(np.uint64)


def embed(pictures: list[Image.Image]) -> np.ndarray:
    batches = [pictures[n : n + 32] for n in range(0, len(pictures), 32)]
    return np.concatenate([ENGINE.embed_images(batch) for batch in batches])


def report(name: str, bits: np.ndarray, cosines: np.ndarray) -> None:
    near, loose = bits <= MAX_HASH_DISTANCE, (bits <= COPY_BITS) & (cosines >= COPY_COSINE)
    shares = [100 * each.mean() for each in (near, near | loose, cosines >= COPY_COSINE)]
    print(
        f"{name:20}{np.median(bits):8.0f}{np.percentile(bits, 95):7.0f}{np.median(cosines):9.3f}",
        *(f"{share:10.3f} %" for share in shares),
    )


def measure_detection() -> np.ndarray:
    scenes = choose_demo_scenes(DRAWINGS)
    pictures = [draw_scene(scene, WIDTH) for scene in scenes]
    known, originals = compute_hashes(pictures), embed(pictures)
    print(f"{'':20}{'bits p50':>8}{'p95':>7}{'cosine':>9}", end=" ")
    print(f"{f'≤ {MAX_HASH_DISTANCE} bits':>12}{'or with CLIP':>13}{'CLIP alone':>13}")
    copies = {name: [make(each) for each in pictures] for name, make in COPIES.items()}
    redrawn = [draw_scene(replace(each, seed=each.seed + 1_000_000), WIDTH) for each in scenes]
    for name, made in {**copies, "same scene, redrawn": redrawn}.items():
        bits = np.bitwise_count(known ^ compute_hashes(made))
        report(name, bits, (originals * embed(made)).sum(axis=1))
    one, other = np.triu_indices(len(known), 1)
    report(
        "other scenes",
        np.bitwise_count(known[one] ^ known[other]),
        (originals @ originals.T)[one, other],
    )
    return known


# --- Lookup among a million hashes ------------------------------------------------------------


def sample_hashes(known: np.ndarray) -> np.ndarray:
    """Return int64 [ROWS]: hashes of drawings with some bits flipped; some bands are frequent."""
    chance = np.random.default_rng(0)
    bits = np.unpackbits(known.view(np.uint8).reshape(-1, 8), axis=1)
    rows = bits[chance.integers(0, len(bits), ROWS)] ^ (chance.random((ROWS, 64)) < FLIPPED)
    return np.packbits(rows.astype(np.uint8), axis=1).copy().view(np.int64).ravel()


def build_band_condition(value: int) -> str:
    bands = [
        f"((hash >> {shift}) & 65535) IN"
        f" ({', '.join(str(value >> shift & 0xFFFF ^ mask) for mask in BAND_MASKS)})"
        for shift in BAND_SHIFTS
    ]
    return f"({' OR '.join(bands)}) AND {build_scan_condition(value)}"


def build_scan_condition(value: int) -> str:
    return f"bit_count((hash # {value})::bit(64)) <= {MAX_HASH_DISTANCE}"


def measure_lookup(connection: psycopg.Connection, stored: np.ndarray) -> None:
    connection.execute("CREATE TABLE images (id serial, hash bigint, rest text)")
    with connection.cursor().copy("COPY images (hash, rest) FROM STDIN") as copy:
        for value in stored.tolist():
            copy.write_row((value, "x" * 400))
    for shift in BAND_SHIFTS:
        connection.execute(f"CREATE INDEX ON images (((hash >> {shift}) & 65535))")
    connection.execute("CREATE INDEX ON images (hash) INCLUDE (id)")
    connection.execute("VACUUM (ANALYZE) images")
    choose = random.Random(1)
    queries = [choose.choice(stored.tolist()) ^ 0b111 for _ in range(QUERIES)]
    print(f"\nNear hashes among {ROWS:,}{'p50 ms':>14}{'p95 ms':>9}{'found':>8}")
    medians = []
    for name, build_condition in {
        "four bands": build_band_condition,
        "reading every hash": build_scan_condition,
    }.items():
        seconds, matches = [], 0
        for value in queries:
            began = time.perf_counter()
            matches += len(
                connection.execute(
                    f"SELECT id FROM images WHERE {build_condition(value)}"
                ).fetchall()
            )
            seconds.append(time.perf_counter() - began)
        medians.append(float(np.median(seconds)))
        p95 = np.percentile(seconds, 95)
        print(f"{name:30}{1000 * medians[-1]:9.1f}{1000 * p95:9.1f}{matches:8}")
    print(f"{medians[1] / medians[0]:.0f} times faster")


def main() -> None:
    known = measure_detection()
    directory = Path(tempfile.mkdtemp(prefix="smimso-duplicates-"))
    directory.chmod(0o755)  # as root, PostgreSQL runs as another user
    account = servers.ensure_server_account()
    servers.prepare_directories(directory, account)
    servers.init_postgres(directory, account, durable=False)
    program = postgres(directory, account, durable=False)
    server = subprocess.Popen(
        program.child_command(), env=program.environment, stderr=subprocess.DEVNULL
    )
    try:
        measure_lookup(_connect(servers.database_url(directory, "postgres")), sample_hashes(known))
    finally:
        server.send_signal(program.stop_signal)
        server.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


def _connect(url: str) -> psycopg.Connection:
    for _ in range(150):
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.2)
    raise RuntimeError("PostgreSQL did not start")


if __name__ == "__main__":
    main()
