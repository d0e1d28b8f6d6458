"""Sentences about scenes, in English and in Vietnamese.

A description stores its claims, so training can find the other pictures that it is also true of.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ai.demo_models import vocabulary
from ai.demo_models.scenes import KINDS, Scene, SceneObject

LANGUAGES = ("en", "vi")


@dataclass(frozen=True)
class ObjectClaim:
    """Claims of a description about one group of objects; ``None`` for traits not mentioned."""

    kind: str | None = None
    category: str | None = None
    colour: str | None = None
    size: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Description:
    """A text and its claims about a scene; ``None`` for traits not mentioned."""

    text: str
    objects: tuple[ObjectClaim, ...] = ()
    place: str | None = None
    time: str | None = None
    weather: str | None = None


def _make_claim(item: SceneObject) -> ObjectClaim:
    return ObjectClaim(item.kind, None, item.colour, item.size, item.count)


def _add_article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _name_object_en(claim: ObjectClaim, rng: random.Random) -> str:
    singular, plural = rng.choice(vocabulary.KIND_EN[claim.kind or ""])
    adjectives = [rng.choice(vocabulary.SIZE_EN[claim.size])] if claim.size else []
    adjectives += [rng.choice(vocabulary.COLOUR_EN[claim.colour])] if claim.colour else []
    if claim.count is None:
        return " ".join([*adjectives, rng.choice((singular, plural))])
    if claim.count > 1:
        return " ".join([vocabulary.NUMBER_EN[claim.count], *adjectives, plural])
    phrase = " ".join([*adjectives, singular])
    return f"one {phrase}" if rng.random() < 0.12 else _add_article(phrase)


def _name_object_vi(claim: ObjectClaim, rng: random.Random) -> str:
    classifier, noun = rng.choice(vocabulary.KIND_VI[claim.kind or ""])
    parts = [vocabulary.NUMBER_VI[claim.count]] if claim.count else []
    if classifier and (claim.count or rng.random() < 0.6):
        parts.append(classifier)
    parts.append(noun)
    if claim.size:
        parts.append(rng.choice(vocabulary.SIZE_VI[claim.size]))
    if claim.colour:
        parts += ["màu"] if rng.random() < 0.7 else []
        parts.append(rng.choice(vocabulary.COLOUR_VI[claim.colour]))
    return " ".join(parts)


def _join_phrases(phrases: list[str], conjunction: str) -> str:
    if len(phrases) < 3:
        return f" {conjunction} ".join(phrases)
    return f"{', '.join(phrases[:-1])} {conjunction} {phrases[-1]}"


@dataclass(frozen=True)
class _Grammar:
    name_object: Callable[[ObjectClaim, random.Random], str]
    conjunction: str
    place: dict[str, tuple[tuple[str, str], ...]]
    time: dict[str, vocabulary.Forms]
    weather: dict[str, vocabulary.Forms]
    openings: tuple[str, ...]
    containing: tuple[str, ...]


_GRAMMARS = {
    "en": _Grammar(
        _name_object_en,
        "and",
        vocabulary.PLACE_EN,
        vocabulary.TIME_EN,
        vocabulary.WEATHER_EN,
        ("", "", "", "a picture of ", "an illustration of ", "a photo of "),
        ("with", "showing", "and"),
    ),
    "vi": _Grammar(
        _name_object_vi,
        "và",
        vocabulary.PLACE_VI,
        vocabulary.TIME_VI,
        vocabulary.WEATHER_VI,
        ("", "", "", "ảnh ", "bức ảnh ", "hình ảnh ", "ảnh chụp ", "có "),
        ("có", "với", "và"),
    ),
}


def _compose(claims: Description, language: str, rng: random.Random) -> str:
    """Return a text that states ``claims``, in one of several orders."""
    grammar = _GRAMMARS[language]
    names = _join_phrases(
        [grammar.name_object(c, rng) for c in claims.objects], grammar.conjunction
    )
    noun, where = rng.choice(grammar.place[claims.place]) if claims.place else ("", "")
    when = [rng.choice(grammar.time[claims.time])] if claims.time else []
    sky = [rng.choice(grammar.weather[claims.weather])] if claims.weather else []
    rest = when + sky
    rng.shuffle(rest)
    opening = rng.choice(grammar.openings)
    style = rng.random()
    if not names:
        return " ".join([noun, *rest]).strip() if noun else " ".join(rest)
    if noun and style < 0.2:
        return opening + " ".join([noun, *rest, rng.choice(grammar.containing), names])
    if rest and style < 0.32:
        return ", ".join([" ".join(rest), " ".join(part for part in (names, where) if part)])
    return opening + " ".join(part for part in (names, where, *rest) if part)


def describe_fully(scene: Scene, language: str, rng: random.Random) -> Description:
    """Return a sentence that states the whole content of the scene.

    Only the size ``medium`` may be omitted, and indoors the weather.
    """
    objects = tuple(
        replace(_make_claim(item), size=None)
        if item.size == "medium" and rng.random() < 0.6
        else _make_claim(item)
        for item in scene.objects
    )
    weather = None if scene.place == "living room" else scene.weather
    claims = Description("", objects, scene.place, scene.time, weather)
    return replace(claims, text=_compose(claims, language, rng))


def describe_partly(scene: Scene, language: str, rng: random.Random) -> Description:
    """Return a search query: one or two objects with some of their traits and setting."""
    chosen = [scene.main] if rng.random() < 0.7 else [rng.choice(scene.objects)]
    if len(scene.objects) > 1 and rng.random() < 0.2:
        chosen = list(scene.objects[:2])
    objects = tuple(
        ObjectClaim(
            item.kind,
            colour=item.colour if rng.random() < 0.65 else None,
            size=item.size if rng.random() < 0.2 and item.size != "medium" else None,
            count=item.count if rng.random() < 0.5 else None,
        )
        for item in chosen
    )
    outdoors = scene.place != "living room"
    claims = Description(
        "",
        objects,
        scene.place if rng.random() < 0.3 else None,
        scene.time if rng.random() < 0.15 else None,
        scene.weather if rng.random() < 0.15 and outdoors else None,
    )
    return replace(claims, text=_compose(claims, language, rng))


def describe_setting(scene: Scene, language: str, rng: random.Random) -> Description:
    """Return a description of place, time and weather only; at least one of them."""
    weather = None if scene.place == "living room" else scene.weather
    content = rng.choice(("place", "place", "time", "weather", "all", "place and time"))
    if content == "weather" and not weather:
        content = "place"
    place = scene.place if "place" in content or content == "all" else None
    time = scene.time if "time" in content or content == "all" else None
    sky = weather if content in ("weather", "all") else None
    claims = Description("", (), place, time, sky)
    if place is None and rng.random() < 0.5:
        nouns = {
            "en": (vocabulary.TIME_NOUN_EN, vocabulary.WEATHER_NOUN_EN, "a photo of "),
            "vi": (vocabulary.TIME_NOUN_VI, vocabulary.WEATHER_NOUN_VI, "ảnh "),
        }[language]
        noun = nouns[0][time] if time else nouns[1][sky or ""]
        return replace(claims, text=rng.choice(("", nouns[2])) + noun)
    opening = rng.choice(_GRAMMARS[language].openings) if place else ""
    return replace(claims, text=opening + _compose(claims, language, rng))


def describe_as_label(scene: Scene, language: str, rng: random.Random) -> Description:
    """Return a label as in zero-shot classification: "a photo of cat", "ảnh thiên nhiên"."""
    item = scene.main
    opening = rng.choice(
        ("a photo of ", "a photo of ", "a photo of a ", "a picture of ", "a picture about ", "")
        if language == "en"
        else ("ảnh ", "hình ", "ảnh về ", "bức ảnh về ", "")
    )
    kind, colour = KINDS[item.kind], None
    choice = rng.random()
    if choice < 0.45:
        names = vocabulary.CATEGORY_EN if language == "en" else vocabulary.CATEGORY_VI
        claim = ObjectClaim(category=kind.category)
        return Description(opening + rng.choice(names[kind.category]), (claim,))
    colour = item.colour if choice < 0.6 else None
    claim = ObjectClaim(item.kind, colour=colour)
    if language == "vi":
        return Description(opening + _name_object_vi(claim, rng), (claim,))
    name = rng.choice(vocabulary.KIND_EN[item.kind])[0]
    shade = f"{rng.choice(vocabulary.COLOUR_EN[colour])} " if colour else ""
    return Description(opening + shade + name, (claim,))


def sample_description(scene: Scene, rng: random.Random) -> Description:
    """Return a random description of ``scene``, to be paired with its picture in training."""
    language = "en" if rng.random() < 0.58 else "vi"
    form = rng.choices(
        (describe_fully, describe_partly, describe_setting, describe_as_label),
        (0.36, 0.36, 0.07, 0.21),
    )[0]
    return form(scene, language, rng)


def _caption_object(item: SceneObject, *, with_size: bool) -> str:
    singular, plural = vocabulary.KIND_EN[item.kind][0]
    adjectives = [item.size] if with_size and item.size != "medium" else []
    phrase = " ".join([*adjectives, item.colour, singular if item.count == 1 else plural])
    return (
        _add_article(phrase) if item.count == 1 else f"{vocabulary.NUMBER_EN[item.count]} {phrase}"
    )


def caption(scene: Scene) -> str:
    """Return the canonical English caption, main object first, that the captioner learns.

    It omits the defaults: medium size, daytime, clear weather.
    """
    names = [_caption_object(scene.main, with_size=True)]
    names += [_caption_object(item, with_size=False) for item in scene.objects[1:]]
    parts = [_join_phrases(names, "and"), vocabulary.PLACE_EN[scene.place][0][1]]
    if scene.time != "day":
        parts.append(vocabulary.TIME_EN[scene.time][0])
    if scene.weather != "clear":
        parts.append(vocabulary.WEATHER_EN[scene.weather][0])
    return " ".join(parts)
