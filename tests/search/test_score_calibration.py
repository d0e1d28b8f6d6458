"""Relevance of results among drawn scenes; benchmarks/relevance.py measures more."""

from functools import cache

import numpy as np
import pytest

from ai import services as ai
from ai.demo_models.descriptions import caption
from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import DEMO_SEEDS, Scene, sample_scenes
from ai.worker import get_engine
from benchmarks.data import judged
from posts.models import Post
from search import retrieval, services
from search.query import Query, parse_query
from search.query_embedding import encode_query
from smimso.text import fold

SCENES, WIDTH, QUERIES = 320, 224, 20
pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return sample_scenes(SCENES, DEMO_SEEDS, held_out_pairs=None)


@cache
def vectors_of_scenes() -> np.ndarray:
    """Embed the scenes once a run; called by tests, because the engine needs the database."""
    scenes = sample_scenes(SCENES, DEMO_SEEDS, held_out_pairs=None)
    return get_engine().embed_images([draw_scene(scene, WIDTH) for scene in scenes])


@cache
def embed_text(text: str) -> list[float]:
    vector: list[float] = get_engine().embed_texts([text])[0].tolist()
    return vector


@pytest.fixture
def posts(db: None, scenes: list[Scene], monkeypatch: pytest.MonkeyPatch) -> dict[object, int]:
    """Save the scenes as posts; return the numbers of the scenes by post id."""
    monkeypatch.setattr(ai, "embed_text", embed_text)
    captions = [caption(scene) for scene in scenes]
    saved = judged.save_posts(scenes, vectors_of_scenes(), captions, ai.clip_name())
    return {post.pk: number for number, post in enumerate(saved)}


def strip_diacritics(text: str) -> str:
    return fold([text])[0]


def found(query: Query, posts: dict[object, int], *, min_score: float | None = None) -> list[int]:
    page = services.search(None, query, limit=10, min_score=min_score)
    return [posts[match.post.pk] for match in page.matches]


def test_keywords_and_vectors_together_find_more_than_either(
    scenes: list[Scene], posts: dict[object, int]
) -> None:
    """Compared as nDCG@10 in both languages, and in Vietnamese without diacritics."""
    rows = []
    for language, typed in (("en", str), ("vi", str), ("vi", strip_diacritics)):
        for asked in judged.sample_queries(scenes, QUERIES, language):
            query = parse_query(typed(asked.text))
            gains = [judged.grade(scene, asked) for scene in scenes]
            encoded = encode_query(None, query)
            by_vector = retrieval.by_vector(None, query, encoded)
            by_keywords = retrieval.by_keywords(None, query, encoded, [], 0.0)
            ways = (
                found(query, posts, min_score=0.0),
                [posts[candidate.post_id] for candidate in by_vector],
                [posts[candidate.post_id] for candidate in by_keywords],
            )
            rows.append([judged.compute_ndcg(way, gains) for way in ways])
    hybrid, vector, keywords = np.mean(rows, axis=0)
    assert hybrid >= vector
    assert hybrid >= keywords
    assert hybrid >= 0.6


def test_nonsense_finds_nothing(posts: dict[object, int]) -> None:
    answers = [found(parse_query(text), posts) for text in judged.NONSENSE]
    assert sum(not answer for answer in answers) >= 0.9 * len(answers)


def test_composed_queries_are_found(scenes: list[Scene], posts: dict[object, int]) -> None:
    """Each change starts from the first scene that it fits; some fit none of so few scenes."""
    done = []
    for change in judged.CHANGES:
        numbers = [number for number, scene in enumerate(scenes) if change.is_source(scene)]
        if not numbers or sum(map(change.is_met, scenes)) < 2:
            continue
        ids = [pk for pk, number in posts.items() if number == numbers[0]]
        shown = found(parse_query(change.text, post_id=ids[0]), posts)[:2]
        done.append(any(change.is_met(scenes[number]) for number in shown))
    assert len(done) >= 15
    assert np.mean(done) >= 0.7


def test_excluded_scenes_are_not_shown(scenes: list[Scene], posts: dict[object, int]) -> None:
    wrong = [
        any(case.is_excluded(scenes[number]) for number in found(parse_query(case.text), posts))
        for case in judged.EXCLUSIONS
    ]
    assert np.mean(wrong) <= 0.2
    assert Post.objects.count() == SCENES
