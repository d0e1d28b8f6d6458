"""Upload → CLIP + BLIP → search, over HTTP, on a whole installation."""

from dataclasses import replace
from typing import Any

import pytest

from ai.demo_models.scenes import Scene, SceneObject
from tests.e2e.site import Site, draw_jpeg

pytestmark = pytest.mark.slow

UMBRELLAS = Scene(
    "snowfield", "night", "clear", (SceneObject("umbrella", "purple", "large", 2),), 15_000_001
)
GUITAR = Scene(
    "desert", "sunset", "clear", (SceneObject("guitar", "green", "large", 1),), 15_000_002
)
BICYCLE = Scene(
    "beach", "day", "clear", (SceneObject("bicycle", "yellow", "large", 1),), 15_000_003
)


def found_by_text(site: Site, query: str, token: str) -> list[str]:
    answer = site.post("/api/search/text?limit=50&minSimilarity=0", token, json={"query": query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["ai_available"]
    return [result["post_id"] for result in answer.json()["data"]["results"]]


def found_by_image(site: Site, picture: bytes, token: str) -> dict[str, Any]:
    answer = site.post(
        "/api/search/image?limit=50&minSimilarity=0", token, files={"image": picture}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def similar(site: Site, post_id: str, token: str) -> list[str]:
    answer = site.get(f"/api/posts/{post_id}/similar?limit=50", token)
    return [result["post_id"] for result in answer.json()["data"]["results"]]


QUERIES = {
    "two large purple umbrellas in the snow at night": UMBRELLAS,
    "a big green guitar in the desert at sunset": GUITAR,
    "chiếc xe đạp lớn màu vàng trên bãi biển ban ngày": BICYCLE,
}


def test_an_uploaded_picture_is_found_first_by_words_by_picture_and_by_similarity(
    site: Site,
) -> None:
    author = site.register("Author")
    posts: dict[str, str] = {}
    look_alikes: dict[str, str] = {}  # the same things in another arrangement
    for query, scene in QUERIES.items():
        post = site.upload(author, draw_jpeg(scene), visibility="private")
        assert post["images"][0]["ai_status"] == "pending"
        posts[query] = post["id"]
        other = draw_jpeg(replace(scene, seed=scene.seed + 500))
        look_alikes[query] = site.upload(author, other)["id"]
    site.wait_until_done(author, *posts.values(), *look_alikes.values())

    for query, scene in QUERIES.items():
        post_id, look_alike = posts[query], look_alikes[query]
        assert set(found_by_text(site, query, author)[:2]) == {post_id, look_alike}
        by_image = found_by_image(site, draw_jpeg(scene, 640), author)
        assert by_image["results"][0]["post_id"] == post_id
        assert scene.main.kind in by_image["generated_caption"]
        assert similar(site, look_alike, author)[0] == post_id


def test_what_the_author_left_open_is_filled_from_caption_and_category(site: Site) -> None:
    author = site.register("Author")
    blank = site.upload(author, draw_jpeg(UMBRELLAS))
    written = site.upload(author, draw_jpeg(UMBRELLAS), title="Đêm tuyết", tags='["ô"]')
    site.wait_until_done(author, blank["id"], written["id"])

    filled = site.get(f"/api/posts/{blank['id']}", author).json()["data"]
    assert "purple umbrella" in filled["title"].lower()
    assert filled["caption"] == filled["images"][0]["ai_caption"] == filled["description"]
    assert "purple" in filled["tags"]
    assert filled["category"]["slug"] == "lifestyle"
    kept = site.get(f"/api/posts/{written['id']}", author).json()["data"]
    assert (kept["title"], kept["tags"]) == ("Đêm tuyết", ["ô"])


def test_a_stranger_never_sees_a_private_picture(site: Site) -> None:
    author, stranger = site.register("Author"), site.register("Stranger")
    picture = draw_jpeg(replace(UMBRELLAS, seed=15_000_010))
    private = site.upload(author, picture, visibility="private")
    public = site.upload(author, draw_jpeg(replace(UMBRELLAS, seed=15_000_011)))
    site.wait_until_done(author, private["id"], public["id"])
    image_url = private["images"][0]["image_url"]

    assert private["id"] in found_by_text(site, "two large purple umbrellas", author)
    assert site.get(image_url).status_code == 200  # signed
    for token in (stranger, ""):
        assert site.get(f"/api/posts/{private['id']}", token).status_code == (404 if token else 401)
        assert site.get(image_url.split("?")[0], token).status_code == 404
    assert private["id"] not in found_by_text(site, "two large purple umbrellas", stranger)
    seen = found_by_image(site, picture, stranger)
    assert private["id"] not in [result["post_id"] for result in seen["results"]]
    assert private["id"] not in similar(site, public["id"], stranger)
    assert site.get(f"/api/posts/{private['id']}/similar", stranger).status_code == 404
    feed = site.get("/api/posts?limit=100", stranger).json()["data"]
    assert private["id"] not in [post["id"] for post in feed]


def test_the_documented_calls_work_as_written(site: Site) -> None:
    picture = draw_jpeg(UMBRELLAS)
    features = site.post("/api/ai/image-features", files={"image": picture}).json()
    assert set(features) == {"embedding", "caption"}
    assert len(features["embedding"]) == 512
    answer = site.post(
        "/api/ai/classify",
        files={"image": picture},
        data={"labels": '["umbrella","guitar","castle"]'},
    )
    assert answer.json()["predictions"][0]["label"] == "umbrella"
    text = site.post("/api/ai/text-embedding", json={"query": "beautiful sunset", "limit": 20})
    assert text.json()["query"] == "beautiful sunset"
    assert site.get("/health").json()["models_loaded"] == {"clip": True, "blip": True}
