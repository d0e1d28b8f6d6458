"""Measures the scale of `ai.calibration` for the bundled demo model, on scenes unseen in training.

    python benchmarks/calibration.py [directory of an open_clip model]

low: the third quartile of the queries' medians. high: 10 % of matching pairs lie above it. spread:
the median of the queries' standard deviations. least is chosen by what nonsense and real queries
find (benchmarks/relevance.py); this shows how many matching and unrelated pairs lie above it.
"""

import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import django
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")
MODEL = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "ai" / "demo_models" / "clip")
os.environ |= {"SMIMSO_CLIP_MODEL": f"local-dir:{MODEL}", "SMIMSO_AI_DTYPE": "fp32"}
django.setup()

from ai.calibration import MIN_SCORES, Modality, scale_for  # noqa: E402
from ai.demo_models.descriptions import (  # noqa: E402
    describe_as_label,
    describe_fully,
    describe_partly,
)
from ai.demo_models.drawing import draw_scene  # noqa: E402
from ai.demo_models.scenes import TEST_SEEDS, Scene, sample_scenes  # noqa: E402
from ai.engine import Engine  # noqa: E402

ENGINE = Engine.from_settings()
SCENES, WIDTH = 200, 480
PERCENTILES = [5, 25, 50, 75, 90, 95, 99]


def main() -> None:
    scenes = sample_scenes(SCENES, TEST_SEEDS)
    images = ENGINE.embed_images([draw_scene(scene, WIDTH) for scene in scenes])
    unrelated = unrelated_pairs(scenes)
    matches, others, all_cosines = [], [], []
    for language in ("en", "vi"):
        for describe in (describe_fully, describe_partly, describe_as_label):
            cosines = texts_of(scenes, language, describe) @ images.T
            matches.append(np.diag(cosines))
            others.append(cosines[unrelated])
            all_cosines.append(cosines)
    report("text", *map(np.concatenate, (matches, others, all_cosines)))

    arranged_anew = [draw_scene(replace(s, seed=s.seed + 1_000_000), WIDTH) for s in scenes]
    cosines = images @ images.T
    report("image", same_content(images, arranged_anew), cosines[unrelated], cosines)


def unrelated_pairs(scenes: list[Scene]) -> np.ndarray:
    """bool [n, n]: neither the place nor any kind of object in common."""
    kinds = [{item.kind for item in scene.objects} for scene in scenes]
    return np.array(
        [
            [not (kinds[i] & kinds[j]) and a.place != b.place for j, b in enumerate(scenes)]
            for i, a in enumerate(scenes)
        ]
    )


def texts_of(scenes: list[Scene], language: str, describe: Callable[..., object]) -> np.ndarray:
    random_numbers = random.Random(1)
    return ENGINE.embed_texts(
        [str(describe(scene, language, random_numbers).text) for scene in scenes]  # type: ignore[attr-defined]
    )


def same_content(images: np.ndarray, arranged_anew: list[Image.Image]) -> np.ndarray:
    return (images * ENGINE.embed_images(arranged_anew)).sum(axis=1)


def report(kind: Modality, match: np.ndarray, unrelated: np.ndarray, cosines: np.ndarray) -> None:
    """cosines: [queries, images], of all pairs."""
    low, high = np.percentile(np.median(cosines, axis=1), 75), np.percentile(match, 90)
    spread = np.median(cosines.std(axis=1))
    print(f"{kind}: low {low:.2f}, high {high:.2f}, spread {spread:.2f}; percentiles {PERCENTILES}")
    print("  matching ", np.percentile(match, PERCENTILES).round(3))
    print("  unrelated", np.percentile(unrelated, PERCENTILES).round(3))
    least = scale_for(kind, ENGINE.clip_name).relevant
    kept, wrong = (match >= least).mean(), (unrelated >= least).mean()
    print(f"  {least}, score {MIN_SCORES[kind]}: {kept:.0%} matching, {wrong:.1%} unrelated above")


if __name__ == "__main__":
    main()
