"""Which label an image shows, out of stored vectors, or none of them. numpy, no model.

CLIP's zero-shot classification (arXiv:2103.00020, section 3.1): a label's vector is the mean of
the vectors of several prompts; the softmax of the scaled cosines are probabilities. Beside the
labels competes a class of prompts that say nothing, so that no label has to fit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ai.presets import BACKGROUND_PROMPTS, PROMPT_TEMPLATES, preset_by_name

MIN_PROBABILITY = 0.25  # of a label that is taken; among ten, chance gives each 0.1
Vectors = NDArray[np.float32]
LocalizedTexts = Mapping[str, Sequence[str]]  # by language, as {"en": ["food"], "vi": ["ẩm thực"]}


@dataclass(frozen=True)
class Labels:
    """vectors: float32 [k + 1, 512] of unit length, the last one's of "none of these"."""

    vectors: Vectors
    temperature: float
    margin: float

    def probabilities(self, image_vectors: Vectors) -> Vectors:
        """float32 [n, k + 1] of n unit vectors: one matrix product, then a softmax."""
        cosines = image_vectors @ self.vectors.T
        cosines[:, -1] += self.margin
        logits = self.temperature * cosines
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def predict(probabilities: Vectors) -> NDArray[np.intp]:
    """int [n]: the label of each image, -1 for none, by the [n, k + 1] of `Labels`."""
    index = probabilities[:, :-1].argmax(axis=1)
    score = probabilities[np.arange(len(probabilities)), index]
    sure = (score > MIN_PROBABILITY) & (score > probabilities[:, -1])
    return np.where(sure, index, -1)


def embed_labels(
    embed_texts: Callable[[Sequence[str]], Vectors], labels: Iterable[LocalizedTexts], model: str
) -> Labels:
    """The labels in the space of `model`, in those of their languages that it understands.

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
    """Each text in each template of its language; in English where it has no other."""
    known = {language: texts[language] for language in languages if texts.get(language)}
    if not known:
        known = {"en": [text for written in texts.values() for text in written]}
    return [
        template.format(text)
        for language, written in known.items()
        for text in written
        for template in PROMPT_TEMPLATES[language]
    ]
