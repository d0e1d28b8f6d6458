"""Zero-shot classification of stored image vectors. numpy only, no model.

As in CLIP (arXiv:2103.00020, section 3.1): a label's vector is the mean of the vectors of several
prompts, and the softmax of the scaled cosines gives probabilities. An additional background class
of prompts that fit every picture allows for images that no label fits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ai.presets import BACKGROUND_PROMPTS, PROMPT_TEMPLATES, preset_by_name

MIN_PROBABILITY = 0.25  # of a predicted label; among ten, chance gives each 0.1
Vectors = NDArray[np.float32]
LocalizedTexts = Mapping[str, Sequence[str]]  # by language: {"en": ["food"], "vi": ["ẩm thực"]}


@dataclass(frozen=True)
class Labels:
    """vectors: float32 [k + 1, 512] of unit length; the last one is the background class."""

    vectors: Vectors
    temperature: float
    margin: float

    def probabilities(self, image_vectors: Vectors) -> Vectors:
        """Return the probabilities, float32 [n, k + 1], for n unit vectors."""
        cosines = image_vectors @ self.vectors.T
        cosines[:, -1] += self.margin
        logits = self.temperature * cosines
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def predict(probabilities: Vectors) -> NDArray[np.intp]:
    """Return the label index of each image, int [n], -1 for none.

    probabilities: float32 [n, k + 1] from `Labels.probabilities`.
    """
    index = probabilities[:, :-1].argmax(axis=1)
    score = probabilities[np.arange(len(probabilities)), index]
    is_sure = (score > MIN_PROBABILITY) & (score > probabilities[:, -1])
    return np.where(is_sure, index, -1)


def embed_labels(
    embed_texts: Callable[[Sequence[str]], Vectors], labels: Iterable[LocalizedTexts], model: str
) -> Labels:
    """Embed labels in the space of `model`, in the languages that it understands.

    embed_texts: n texts → float32 [n, 512] of unit length, in that space.
    """
    preset = preset_by_name(model)
    groups = [build_prompts(texts, preset.languages) for texts in labels]
    groups.append([text for language in preset.languages for text in BACKGROUND_PROMPTS[language]])
    vectors = embed_texts([prompt for group in groups for prompt in group])
    ends = np.cumsum([len(group) for group in groups])[:-1]
    means = np.stack([part.mean(axis=0) for part in np.split(np.asarray(vectors), ends)])
    units = means / np.linalg.norm(means, axis=1, keepdims=True)
    return Labels(units.astype(np.float32), preset.temperature, preset.margin)


def build_prompts(texts: LocalizedTexts, languages: Sequence[str]) -> list[str]:
    """Put each text into each template of its language; fall back to English templates."""
    known = {language: texts[language] for language in languages if texts.get(language)}
    if not known:
        known = {"en": [text for written in texts.values() for text in written]}
    return [
        template.format(text)
        for language, written in known.items()
        for text in written
        for template in PROMPT_TEMPLATES[language]
    ]
