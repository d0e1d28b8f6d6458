"""Throughput and batch sizes of the bulk worker for images that are queued at once.

    python benchmarks/ingest.py [--images 96] [--full-size]

Starts PostgreSQL, Redis and the workers as `manage.py up` does, with the demo models, or
with `--full-size` with full-size models and random weights, and 12-megapixel photographs.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")

from full_size.models import prepare_models  # noqa: E402
from interactive import fill_queue, make_counter, run_installation, wait_until  # noqa: E402

from smimso.local.processes import demo_environment  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure an ingest through a real worker.")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--full-size", action="store_true")
    options = parser.parse_args()
    models = prepare_models() if options.full_size else demo_environment()
    with tempfile.TemporaryDirectory(prefix="smimso-ingest-") as name:
        data_dir = Path(name)
        data_dir.chmod(0o755)  # as root, PostgreSQL runs as another user
        os.environ |= {**models, "SMIMSO_DATA_DIR": name}
        with run_installation(data_dir):
            measure(options.images)


def measure(images: int) -> None:
    from smimso import metrics

    metrics.enable_multiprocess()
    done, began = make_counter(), time.perf_counter()
    fill_queue(images)
    wait_until(lambda: done() == 2 * images, 300)
    seconds = time.perf_counter() - began
    print(f"{images} images: {seconds:.1f} s, {images / seconds:.1f} a second")
    for summary in metrics.summarize({"smimso_ai_batch_size"}):
        print(f"{summary.labels[0]:8} {summary.count} batches of {summary.mean:.1f} on average")


if __name__ == "__main__":
    main()
