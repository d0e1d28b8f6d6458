""" "This, but blue”: what a picture shows, changed as a text says.

A sum of both vectors mostly finds the picture's likeness unchanged or the text alone. As in CIReVL
(Karthik et al., ICLR 2024) the change is made in words instead: the subject of the picture's
caption without its attributes, led by the text. The picture's vector only breaks ties. Measured
by benchmarks/relevance.py; figures in ADR 10.
"""

import re

TIE_BREAKER_WEIGHT = 0.2  # beside 1 for the changed text, both with the same spread
_MAX_WORDS = 4
# Where the subject of an English caption ends.
_SUBJECT_ENDS = frozenset(
    re.findall(
        r"\w+",
        """in on at by near with and or of under over beside behind before after among between while
        next from to into through inside outside that who which is are was were""",
    )
)
# What may change while the subject stays the same: how many, how large, in which colour.
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
    """The text that says what is looked for; `text` alone when the caption has no subject."""
    subject = subject_of(caption)
    return f"{text} {subject}" if subject else text


def subject_of(caption: str) -> str:
    """Of an English caption: "two large red boats by a lake" is about "boats"."""
    words: list[str] = []
    for word in re.findall(r"[\w-]+|,", caption.lower()):
        if word == "," or word in _SUBJECT_ENDS or (words and word.endswith("ing")):
            if words:
                break
        elif word not in _ATTRIBUTES:
            words.append(word)
    return " ".join(words[:_MAX_WORDS])
