"""A collection of drawn posts, queries about it, and the relevance of each post to each query.

The content of every scene and the claims of every query are known, so no human judgement is needed.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.utils import timezone

from accounts.models import Category, User
from ai.demo_models.descriptions import (
    Description,
    describe_as_label,
    describe_partly,
    describe_setting,
)
from ai.demo_models.scenes import KINDS, Scene
from ai.demo_models.vocabulary import KIND_EN, KIND_VI, PLACE_EN, PLACE_VI
from posts.models import AIStatus, Post, PostImage
from posts.services import UNTITLED

MEMBERS = 12


# --- The collection ---------------------------------------------------------------------------


def save_posts(
    scenes: Sequence[Scene], vectors: np.ndarray, captions: Sequence[str], model: str
) -> list[Post]:
    """Store a post with one picture for each scene; texts are detailed, short, missing or wrong."""
    choose = random.Random(0)
    members = [
        User.objects.create_user(f"drawn-{n}@example.test", first_name=f"Member{n}")
        for n in range(MEMBERS)
    ]
    categories = {category.slug: category for category in Category.objects.all()}
    now = timezone.now()
    posts, images = [], []
    for number, scene in enumerate(scenes):
        title, tags = _write_texts(scene, choose, scenes)
        category = categories.get(KINDS[scene.main.kind].category)
        post = Post(
            user=members[number % MEMBERS],
            title=title,
            tags=tags,
            category=category if choose.random() < 0.5 else None,
        )
        posts.append(post)
        images.append(
            PostImage(
                post=post,
                image_url=f"https://images.example/{number}.jpg",
                embedding=vectors[number].tolist(),
                embedding_model=model,
                ai_caption=captions[number],
                ai_status=AIStatus.DONE,
                width=480,
                height=360,
            )
        )
    Post.objects.bulk_create(posts, batch_size=500)
    PostImage.objects.bulk_create(images, batch_size=500)
    for number, post in enumerate(posts):
        post.created_at = now - timedelta(minutes=number)
    Post.objects.bulk_update(posts, ["created_at"], batch_size=500)
    return posts


def _write_texts(
    scene: Scene, choose: random.Random, scenes: Sequence[Scene]
) -> tuple[str, list[str] | None]:
    """Return title and tags.

    Of twenty posts seven have a title, three only tags, seven neither, and three the title of
    another scene.
    """
    language = choose.choice(["en", "vi"])
    part = choose.random()
    if part < 0.35:
        title = describe_partly(scene, language, choose).text
        return title, _make_tags(scene, language) if choose.random() < 0.5 else None
    if part < 0.5:
        return UNTITLED, _make_tags(scene, language)
    if part < 0.85:
        return UNTITLED, None
    return describe_partly(choose.choice(scenes), language, choose).text, None


def _make_tags(scene: Scene, language: str) -> list[str]:
    if language == "en":
        return [KIND_EN[scene.main.kind][0][0], PLACE_EN[scene.place][0][0].split()[-1]]
    return [KIND_VI[scene.main.kind][0][1], PLACE_VI[scene.place][0][0]]


# --- Relevance --------------------------------------------------------------------------------


def is_match(scene: Scene, query: Description) -> bool:
    """Return True if the scene has every trait of the query."""
    given = {"place": scene.place, "time": scene.time, "weather": scene.weather}
    if any(getattr(query, name) not in (None, value) for name, value in given.items()):
        return False
    return all(
        any(
            claim.kind in (None, item.kind)
            and claim.category in (None, KINDS[item.kind].category)
            and claim.colour in (None, item.colour)
            and claim.size in (None, item.size)
            and claim.count in (None, item.count)
            for item in scene.objects
        )
        for claim in query.objects
    )


def grade(scene: Scene, query: Description) -> int:
    """Return 3 for every trait of the query, 1 for the right objects with other traits, else 0."""
    if is_match(scene, query):
        return 3
    kinds = {item.kind for item in scene.objects}
    named = [claim.kind for claim in query.objects if claim.kind]
    return 1 if named and kinds.issuperset(named) else 0


def compute_ndcg(results: Sequence[int], gains: Sequence[int], at: int = 10) -> float:
    """Return the nDCG (Järvelin and Kekäläinen 2002) of the ranked positions `results`, 0..1."""
    discounts = 1 / np.log2(np.arange(2, at + 2))
    gained = np.array([gains[n] for n in results[:at]] + [0] * (at - len(results[:at])))
    best = np.sort(np.asarray(gains))[::-1][:at]
    ideal = float((best * discounts[: len(best)]).sum())
    return float((gained * discounts).sum()) / ideal if ideal else 1.0


def sample_queries(
    scenes: Sequence[Scene], count: int, language: str, seed: int = 1
) -> list[Description]:
    """Return queries about scenes of the collection: objects, setting or category."""
    choose = random.Random(f"{seed}{language}")
    forms = (describe_partly, describe_partly, describe_setting, describe_as_label)
    return [choose.choice(forms)(choose.choice(scenes), language, choose) for _ in range(count)]


# --- "This, but blue" -------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A composed query: a picture with a main object of `kind`, and the requested change."""

    kind: str
    text: str
    colour: str | None = None
    place: str | None = None
    time: str | None = None

    def is_source(self, scene: Scene) -> bool:
        """Return True for a suitable source picture: one object, without the requested change."""
        return (
            scene.main.kind == self.kind
            and len(scene.objects) == 1
            and scene.main.colour != self.colour
            and scene.place != self.place
            and scene.time != self.time
        )

    def is_met(self, scene: Scene) -> bool:
        objects = [item for item in scene.objects if item.kind == self.kind]
        return (
            any(self.colour in (None, item.colour) for item in objects)
            and self.place in (None, scene.place)
            and self.time in (None, scene.time)
        )


CHANGES = (
    Change("boat", "blue", colour="blue"),
    Change("boat", "red", colour="red"),
    Change("cat", "black", colour="black"),
    Change("dog", "white", colour="white"),
    Change("horse", "brown", colour="brown"),
    Change("bird", "yellow", colour="yellow"),
    Change("butterfly", "purple", colour="purple"),
    Change("fish", "orange", colour="orange"),
    Change("flower", "pink", colour="pink"),
    Change("bicycle", "green", colour="green"),
    Change("kite", "red", colour="red"),
    Change("car", "blue", colour="blue"),
    Change("bus", "yellow", colour="yellow"),
    Change("plane", "white", colour="white"),
    Change("balloon", "green", colour="green"),
    Change("umbrella", "red", colour="red"),
    Change("chair", "in blue", colour="blue"),
    Change("dress", "in pink", colour="pink"),
    Change("cat", "màu cam", colour="orange"),
    Change("dog", "màu đen", colour="black"),
    Change("boat", "màu trắng", colour="white"),
    Change("flower", "màu đỏ", colour="red"),
    Change("bird", "mau xanh duong", colour="blue"),
    Change("fish", "màu vàng", colour="yellow"),
    Change("cat", "on a beach", place="beach"),
    Change("dog", "in the snow", place="snowfield"),
    Change("horse", "in a desert", place="desert"),
    Change("tree", "in a city", place="city"),
    Change("car", "in the mountains", place="mountains"),
    Change("house", "by a lake", place="lake"),
    Change("castle", "in a desert", place="desert"),
    Change("tent", "in a forest", place="forest"),
    Change("flower", "indoors", place="living room"),
    Change("balloon", "on a farm", place="farm"),
    Change("bicycle", "trên bãi biển", place="beach"),
    Change("dog", "trong thành phố", place="city"),
    Change("bird", "bên hồ", place="lake"),
    Change("cat", "at night", time="night"),
    Change("boat", "at sunset", time="sunset"),
    Change("house", "at night", time="night"),
    Change("plane", "at dawn", time="dawn"),
    Change("car", "ban đêm", time="night"),
    Change("horse", "lúc hoàng hôn", time="sunset"),
    Change("tree", "at dawn", time="dawn"),
)


# --- "beach -boat" ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Exclusion:
    """A query with an excluded part: the wanted traits and the forbidden ones (`no_…`)."""

    text: str
    kind: str | None = None
    place: str | None = None
    colour: str | None = None  # of `kind`
    no_kind: str | None = None
    no_colour: str | None = None  # of `kind`
    no_place: str | None = None
    no_time: str | None = None

    def is_wanted(self, scene: Scene) -> bool:
        return self.place in (None, scene.place) and any(
            self.kind in (None, item.kind) and self.colour in (None, item.colour)
            for item in scene.objects
        )

    def is_excluded(self, scene: Scene) -> bool:
        objects = [item for item in scene.objects if self.kind in (None, item.kind)]
        return (
            any(item.kind == self.no_kind for item in scene.objects)
            or (
                self.no_colour is not None
                and any(item.colour == self.no_colour for item in objects)
            )
            or scene.place == self.no_place
            or scene.time == self.no_time
        )


EXCLUSIONS = (
    Exclusion("beach -boat", place="beach", no_kind="boat"),
    Exclusion("lake -boats", place="lake", no_kind="boat"),
    Exclusion("beach -fish", place="beach", no_kind="fish"),
    Exclusion("living room -cat", place="living room", no_kind="cat"),
    Exclusion('city -"red car"', place="city", no_kind="car", no_colour=None),
    Exclusion("forest -tree", place="forest", no_kind="tree"),
    Exclusion("meadow -flower", place="meadow", no_kind="flower"),
    Exclusion("farm -horse", place="farm", no_kind="horse"),
    Exclusion("mountains -plane", place="mountains", no_kind="plane"),
    Exclusion("desert -rocket", place="desert", no_kind="rocket"),
    Exclusion("cat -beach", kind="cat", no_place="beach"),
    Exclusion("dog -snow", kind="dog", no_place="snowfield"),
    Exclusion("bird -lake", kind="bird", no_place="lake"),
    Exclusion("boat -night", kind="boat", no_time="night"),
    Exclusion("car -night", kind="car", no_time="night"),
    Exclusion("house -sunset", kind="house", no_time="sunset"),
    Exclusion("horse -brown", kind="horse", no_colour="brown"),
    Exclusion("flower -red", kind="flower", no_colour="red"),
    Exclusion("boat -blue", kind="boat", no_colour="blue"),
    Exclusion("bãi biển -thuyền", place="beach", no_kind="boat"),
    Exclusion("mèo -đen", kind="cat", no_colour="black"),
    Exclusion("nha -ban-dem", kind="house", no_time="night"),
    Exclusion("thành phố -xe-buýt", place="city", no_kind="bus"),
    Exclusion('chó -"bãi biển"', kind="dog", no_place="beach"),
)


# --- Queries without results ------------------------------------------------------------------

NONSENSE = (
    *("asdf qwerty", "stock market interest rates", "quantum chromodynamics lecture"),
    *("tax return form 1040", "xyzzy plugh", "lorem ipsum dolor sit amet", "zzzzzzzz"),
    *("parliamentary election results", "python list comprehension", "blood pressure medication"),
    *("mortgage refinancing", "the meaning of life", "how to install linux", "bitcoin price"),
    *("constitutional law", "giá vàng hôm nay", "thuế thu nhập cá nhân", "lãi suất ngân hàng"),
    *("kết quả xổ số", "bảo hiểm y tế", "luật doanh nghiệp", "hjkl poiu", "qwfp", "12345"),
    *("supreme court ruling", "chemistry homework", "wifi password", "error 404"),
    *("divorce lawyer", "nuclear fusion reactor", "jazz saxophone solo", "elephant", "giraffe"),
    *("a dinosaur", "wedding couple kissing", "football stadium crowd", "soup", "spreadsheet"),
    *("x-ray of a broken bone", "toilet", "job interview questions", "monthly budget plan"),
    *("sdlkfj woieru", "aaaaaa bbbbbb", "quarterly revenue report", "kubernetes cluster"),
    *("differential equations", "passport renewal", "vé máy tính thuế", "điểm thi đại học"),
    *("tuyển dụng kế toán", "toán cao cấp", "mật khẩu quên", "hợp đồng lao động"),
    *("philosophy of mind", "insulin injection", "dentist appointment", "rental contract"),
    *("grammar exercises", "qqqq wwww eeee", "inflation forecast", "customs declaration"),
)
