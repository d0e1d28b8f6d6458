"""Composed image retrieval: "like this picture, but blue".

The sum of both vectors mostly finds either the unchanged picture or the text alone. As in CIReVL
(Karthik et al., ICLR 2024), the change is therefore made in words: the text, followed by the
subject of the picture's caption without its attributes. The picture's vector only breaks ties.
Measured by benchmarks/relevance.py; figures in ADR 10.
"""

import re

import numpy as np

from ai.calibration import scale_for
from search.score_calibration import CollectionSample

TIE_BREAKER_WEIGHT = 0.2  # the text has 1; both vectors with the same spread
_MAX_WORDS = 4
# Words at which the subject of an English caption ends.
_SUBJECT_ENDS = frozenset(
    re.findall(
        r"\w+",
        """in on at by near with and or of under over beside behind before after among between while
        next from to into through inside outside that who which is are was were""",
    )
)
# What a text may change while the subject stays the same: number, size, colour.
_ATTRIBUTES = frozenset(
    re.findall(
        r"\w+",
        """a an the this that one two three four five six seven eight nine ten several some many few
        group bunch couple pair picture photo image view close up small little tiny large big huge
        red orange yellow green blue purple violet pink brown black white grey gray golden silver
        dark light bright colorful colourful""",
    )
)


def compose_text(caption: str, text: str) -> str:
    """Return `text` with the subject of the caption, or `text` alone if the caption has none."""
    subject = subject_of(caption)
    return f"{text} {subject}" if subject else text


def subject_of(caption: str) -> str:
    """Return the subject of an English caption: "boats" of "two large red boats by a lake"."""
    words: list[str] = []
    for word in re.findall(r"[\w-]+|,", caption.lower()):
        if word == "," or word in _SUBJECT_ENDS or (words and word.endswith("ing")):
            if words:
                break
        elif word not in _ATTRIBUTES:
            words.append(word)
    return " ".join(words[:_MAX_WORDS])


def compose_vector(
    text: np.ndarray, image: np.ndarray, *, model: str, sample: CollectionSample
) -> np.ndarray:
    """Return the unit vector that ranks by the text and breaks ties by the image.

    text, image: 512 floats of unit length. Each is divided by how widely its cosines to the
    collection spread, which differs by an order of magnitude between texts and images.
    """
    by_text = text / sample.spread(text, scale_for("text", model))
    by_image = image / sample.spread(image, scale_for("image", model))
    both = by_text + TIE_BREAKER_WEIGHT * by_image
    return both / np.linalg.norm(both)
