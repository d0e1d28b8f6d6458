"""Vocabulary of the drawn world, and sampling of scenes.

A scene is a place, a time of day, a weather and one to three groups of equal objects. The drawing,
the sentences and the training targets are functions of the scene alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

TIMES = ("dawn", "day", "sunset", "night")
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")
SIZES = ("small", "medium", "large")
COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "grey",
)
CATEGORIES = (
    "art",
    "technology",
    "fashion",
    "photography",
    "travel",
    "food",
    "lifestyle",
    "architecture",
    "nature",
    "sports",
)
MAX_GROUPS = 3
MAX_COUNT = {"small": 4, "medium": 3, "large": 2}

# Scenes are numbered; the number is the seed. Training draws from the first range only, so every
# later range is unseen by construction.
TRAINING_SEEDS = range(0, 10_000_000)
VALIDATION_SEEDS = range(10_000_000, 11_000_000)
TEST_SEEDS = range(11_000_000, 12_000_000)
DEMO_SEEDS = range(12_000_000, 13_000_000)

_OUTDOORS_WEATHER: dict[str, tuple[str, ...]] = {
    "beach": ("clear", "cloudy", "rain", "fog"),
    "forest": ("clear", "cloudy", "rain", "snow", "fog"),
    "city": ("clear", "cloudy", "rain", "snow", "fog"),
    "mountains": ("clear", "cloudy", "rain", "snow", "fog"),
    "desert": ("clear", "cloudy"),
    "meadow": ("clear", "cloudy", "rain", "fog"),
    "lake": ("clear", "cloudy", "rain", "fog"),
    "snowfield": ("clear", "cloudy", "snow", "fog"),
    "farm": ("clear", "cloudy", "rain", "fog"),
}
PLACE_WEATHERS: dict[str, tuple[str, ...]] = {**_OUTDOORS_WEATHER, "living room": ("clear",)}
PLACES = tuple(PLACE_WEATHERS)
OUTDOOR_PLACES = tuple(_OUTDOORS_WEATHER)
WATER_PLACES = ("beach", "lake")


@dataclass(frozen=True)
class Kind:
    """A kind of object: its category on the site and its possible positions.

    ``setting`` is ``ground`` (outdoors), ``anywhere`` (also indoors), ``air`` or ``water``.
    """

    name: str
    category: str
    setting: str


_KIND_TABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "nature": {
        "ground": ("horse", "tree"),
        "anywhere": ("cat", "dog", "flower"),
        "air": ("bird", "butterfly"),
        "water": ("fish",),
    },
    "food": {"anywhere": ("apple", "banana", "cake", "pizza", "ice cream")},
    "sports": {"ground": ("bicycle",), "anywhere": ("ball",), "air": ("kite",)},
    "technology": {"ground": ("rocket",), "anywhere": ("robot", "laptop")},
    "architecture": {"ground": ("house", "castle", "lighthouse")},
    "travel": {"ground": ("car", "bus", "tent"), "air": ("plane", "balloon"), "water": ("boat",)},
    "fashion": {"anywhere": ("hat", "dress", "bag")},
    "lifestyle": {"anywhere": ("chair", "lamp", "cup", "umbrella", "book")},
    "art": {"anywhere": ("guitar", "painting", "vase")},
    "photography": {"anywhere": ("camera",)},
}
KINDS: dict[str, Kind] = {
    name: Kind(name, category, setting)
    for category, settings in _KIND_TABLE.items()
    for setting, names in settings.items()
    for name in names
}

# Typical places of each category on the demo site; training combines all places and kinds.
_LIKELY_PLACES = {
    "art": ("living room", "city", "beach", "meadow"),
    "technology": ("living room", "city", "desert", "mountains"),
    "fashion": ("city", "living room", "beach", "snowfield"),
    "photography": ("mountains", "beach", "forest", "lake", "city"),
    "travel": ("city", "beach", "lake", "mountains", "desert", "snowfield"),
    "food": ("living room", "meadow", "beach", "farm"),
    "lifestyle": ("living room", "meadow", "farm", "beach"),
    "architecture": ("mountains", "beach", "lake", "farm", "snowfield"),
    "nature": ("meadow", "forest", "lake", "farm", "snowfield"),
    "sports": ("meadow", "beach", "city", "farm"),
}

# One colour of every kind is never drawn for training, so that tests can measure whether the
# models combine colour and kind or only remember pairs. 3 is coprime to the 11 colours.
HELD_OUT_PAIRS = frozenset(
    (kind, COLOURS[(3 * index + 4) % len(COLOURS)]) for index, kind in enumerate(KINDS)
)


@dataclass(frozen=True)
class SceneObject:
    """A group of ``count`` (1 to 4) equal objects."""

    kind: str
    colour: str
    size: str
    count: int


@dataclass(frozen=True)
class Scene:
    """Content of a picture; ``objects[0]`` is the main object, the largest one.

    ``seed`` determines the arrangement of the picture, not its content.
    """

    place: str
    time: str
    weather: str
    objects: tuple[SceneObject, ...]
    seed: int

    @property
    def main(self) -> SceneObject:
        """The main object of the picture."""
        return self.objects[0]

    @property
    def content(self) -> tuple[str, str, str, tuple[SceneObject, ...]]:
        """Everything that a full description can state; scenes with equal content look alike."""
        return self.place, self.time, self.weather, self.objects


def list_kinds(place: str) -> tuple[str, ...]:
    """Return the names of the kinds that may appear in ``place``."""
    settings = {"anywhere"}
    if place in OUTDOOR_PLACES:
        settings |= {"ground", "air"}
    if place in WATER_PLACES:
        settings.add("water")
    return tuple(name for name, kind in KINDS.items() if kind.setting in settings)


def has_held_out_pair(scene: Scene) -> bool:
    """Return True if an object has a pair of kind and colour that training never shows."""
    return any((item.kind, item.colour) in HELD_OUT_PAIRS for item in scene.objects)


def _sample_kind(rng: random.Random, place: str, taken: set[str]) -> str:
    # Kinds bound to few places are drawn more often there, so that all kinds are about as common.
    names = [name for name in list_kinds(place) if name not in taken]
    weights = [{"anywhere": 1.0, "water": 4.5}.get(KINDS[name].setting, 1.15) for name in names]
    return rng.choices(names, weights)[0]


def _sample_objects(rng: random.Random, place: str) -> tuple[SceneObject, ...]:
    groups = rng.choices((1, 2, 3), (0.42, 0.36, 0.22))[0]
    main_size = rng.choice(SIZES) if groups == 1 else rng.choice(SIZES[1:])
    sizes = [main_size]
    for _ in range(groups - 1):
        sizes.append(rng.choice(SIZES[: SIZES.index(main_size)]))
    taken: set[str] = set()
    objects = []
    for size in sizes:
        kind = _sample_kind(rng, place, taken)
        taken.add(kind)
        count = rng.choices((1, 2, 3, 4), (0.6, 0.2, 0.12, 0.08))[0]
        objects.append(SceneObject(kind, rng.choice(COLOURS), size, min(count, MAX_COUNT[size])))
    # The others are ordered by visible traits, so that each picture has one correct caption.
    others = sorted(objects[1:], key=lambda item: (-SIZES.index(item.size), item.kind))
    return (objects[0], *others)


def sample_scene(seed: int) -> Scene:
    """Draw one scene; the same ``seed`` always gives the same scene."""
    rng = random.Random(seed)
    place = rng.choice(PLACES)
    time = rng.choice(TIMES)
    weather = rng.choice(PLACE_WEATHERS[place])
    return Scene(place, time, weather, _sample_objects(rng, place), seed)


def sample_scenes(count: int, seeds: range, *, held_out_pairs: bool | None = False) -> list[Scene]:
    """Take the first ``count`` scenes of ``seeds`` with distinct contents.

    ``held_out_pairs``: ``False`` excludes held-out colours, ``True`` requires one on the main
    object, ``None`` allows both.
    """
    scenes: dict[tuple, Scene] = {}
    for seed in seeds:
        if len(scenes) == count:
            break
        scene = sample_scene(seed)
        main_held_out = (scene.main.kind, scene.main.colour) in HELD_OUT_PAIRS
        if held_out_pairs is False and has_held_out_pair(scene):
            continue
        if held_out_pairs is True and not main_held_out:
            continue
        scenes.setdefault(scene.content, scene)
    return list(scenes.values())


def _is_inviting(scene: Scene) -> bool:
    """Return True for a main object in a typical place, mostly in good weather."""
    likely = scene.place in _LIKELY_PLACES[KINDS[scene.main.kind].category]
    return likely and (scene.weather in ("clear", "snow") or scene.seed % 3 == 0)


def choose_demo_scenes(count: int, seed: int = 0) -> list[Scene]:
    """Return scenes for the posts of a demo site: distinct and not used in training.

    Main objects rotate through the ten categories, and neighbours differ in place, so that a feed
    looks varied.
    """
    start = DEMO_SEEDS.start + (seed * 100_003) % (len(DEMO_SEEDS) // 2)
    pool = [
        scene
        for scene in sample_scenes(40 * count + 400, range(start, DEMO_SEEDS.stop))
        if _is_inviting(scene)
    ]
    chosen: list[Scene] = []
    for index in range(count):
        category = CATEGORIES[index % len(CATEGORIES)]
        places = {scene.place for scene in chosen[-2:]}
        kinds = {scene.main.kind for scene in chosen[-2 * len(CATEGORIES) :]}
        fitting = [s for s in pool if KINDS[s.main.kind].category == category] or pool
        # The first of the scenes with the fewest repetitions.
        best = min(fitting, key=lambda s: 2 * (s.place in places) + (s.main.kind in kinds))
        chosen.append(best)
        pool.remove(best)
    return chosen
