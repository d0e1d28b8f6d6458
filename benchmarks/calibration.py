"""Measure the scale of `ai.calibration` for the bundled demo model, on scenes unseen in training.

    python benchmarks/calibration.py [directory of an open_clip model]

unrelated: the third quartile of the queries' medians. strong: 10 % of matching pairs lie above it.
spread: the median of the queries' standard deviations. relevant is chosen by the results of
nonsense and real queries (benchmarks/relevance.py); this prints how many matching and unrelated
pairs lie above it.
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
    unrelated = find_unrelated_pairs(scenes)
    matches, others, all_cosines = [], [], []
    for language in ("en", "vi"):
        for describe in (describe_fully, describe_partly, describe_as_label):
            cosines = embed_descriptions(scenes, language, describe) @ images.T
            matches.append(np.diag(cosines))
            others.append(cosines[unrelated])
            all_cosines.append(cosines)
    report("text", *map(np.concatenate, (matches, others, all_cosines)))

    rearranged = [draw_scene(replace(s, seed=s.seed + 1_000_000), WIDTH) for s in scenes]
    cosines = images @ images.T
    report("image", compare_rearranged(images, rearranged), cosines[unrelated], cosines)


def find_unrelated_pairs(scenes: list[Scene]) -> np.ndarray:
    """Return bool [n, n]: True for pairs with neither place nor a kind of object in common."""
    kinds = [{item.kind for item in scene.objects} for scene in scenes]
    return np.array(
        [
            [not (kinds[i] & kinds[j]) and a.place != b.place for j, b in enumerate(scenes)]
            for i, a in enumerate(scenes)
        ]
    )


def embed_descriptions(
    scenes: list[Scene], language: str, describe: Callable[..., object]
) -> np.ndarray:
    random_numbers = random.Random(1)
    return ENGINE.embed_texts(
        [str(describe(scene, language, random_numbers).text) for scene in scenes]  # type: ignore[attr-defined]
    )


def compare_rearranged(images: np.ndarray, rearranged: list[Image.Image]) -> np.ndarray:
    return (images * ENGINE.embed_images(rearranged)).sum(axis=1)


def report(
    modality: Modality, match: np.ndarray, unrelated: np.ndarray, cosines: np.ndarray
) -> None:
    """Print the scale of one modality.

    match, unrelated: cosines of matching and of unrelated pairs, any shape. cosines: [queries,
    images], of all pairs.
    """
    floor, strong = np.percentile(np.median(cosines, axis=1), 75), np.percentile(match, 90)
    spread = np.median(cosines.std(axis=1))
    print(f"{modality}: unrelated {floor:.2f}, strong {strong:.2f}, spread {spread:.2f}")
    print(f"  percentiles {PERCENTILES}")
    print("  matching ", np.percentile(match, PERCENTILES).round(3))
    print("  unrelated", np.percentile(unrelated, PERCENTILES).round(3))
    relevant = scale_for(modality, ENGINE.clip_name).relevant
    matching, wrong = (match >= relevant).mean(), (unrelated >= relevant).mean()
    print(
        f"  above relevant = {relevant} (score {MIN_SCORES[modality]}): {matching:.0%} of matching,"
        f" {wrong:.1%} of unrelated pairs"
    )


if __name__ == "__main__":
    main()
