"""Categories from stored vectors: none if none fits, and never against the author's choice."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Category, User
from ai import services as ai
from ai import zero_shot
from ai.presets import PRESETS
from posts.ingest.classification import Outcome, label_texts, reclassify_all
from posts.models import Post, PostImage
from posts.services import update_post
from posts.tasks import classify_posts
from smimso.errors import Unavailable

pytestmark = pytest.mark.django_db
CATEGORIES = ["art", "food", "nature"]


def axis(number: int) -> np.ndarray:
    """Return a unit vector, float32 [512]."""
    return np.eye(512, dtype=np.float32)[number]


@pytest.fixture
def slugs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three categories with an axis each; background prompts have the last axis."""
    Category.objects.exclude(slug__in=CATEGORIES).delete()
    slugs = [category.slug for category in Category.objects.all()]

    def embed(texts: list[str]) -> np.ndarray:
        rows = []
        for text in texts:
            known = [n for n, slug in enumerate(slugs) if slug in text]
            known += [n for n, c in enumerate(Category.objects.all()) if c.name.lower() in text]
            rows.append(axis(known[0] if known else 200))
        return np.stack(rows)

    monkeypatch.setattr(ai, "embed_texts", embed)
    return slugs


@pytest.fixture
def seen(owner: User, slugs: list[str]) -> Callable[..., Post]:
    """`seen(number, …)`: a post whose first image has the vector of that axis."""

    def make(number: int, **fields: Any) -> Post:
        post = Post.objects.create(**{"user": owner, "title": "x", **fields})
        PostImage.objects.create(
            post=post, image_url="/a", embedding=axis(number), embedding_model=ai.clip_name()
        )
        return post

    return make


def category_of(post: Post) -> str | None:
    post.refresh_from_db()
    return post.category.slug if post.category else None


def test_open_posts_get_the_category_that_fits_or_none(
    seen: Callable[..., Post], slugs: list[str]
) -> None:
    posts = [seen(number, ai_writable_fields=["category", "tags"]) for number in (0, 1, 2, 200)]
    assert reclassify_all() == Outcome(4, 3)
    assert [category_of(post) for post in posts] == [*slugs, None]
    assert posts[0].ai_writable_fields == ["tags"]
    assert posts[0].ai_fields == ["category"]
    assert posts[3].ai_writable_fields == ["category", "tags"]
    assert reclassify_all() == Outcome(4, 0)


def test_a_category_set_by_the_ai_follows_the_labels_and_is_cleared_if_none_fits(
    seen: Callable[..., Post], slugs: list[str]
) -> None:
    food = Category.objects.get(slug="food")
    other, nothing = (
        seen(number, category=food, ai_fields=["title", "category"])
        for number in (slugs.index("art"), 200)
    )
    assert reclassify_all() == Outcome(2, 2)
    assert category_of(other) == "art"
    assert other.ai_fields == ["title", "category"]
    assert category_of(nothing) is None
    assert (nothing.ai_fields, nothing.ai_writable_fields) == (["title"], ["category"])


def test_a_category_chosen_by_the_author_is_never_changed(
    seen: Callable[..., Post], owner: User, slugs: list[str]
) -> None:
    food = Category.objects.get(slug="food")
    chosen = seen(slugs.index("art"), category=food)
    confirmed = seen(slugs.index("art"), category=food, ai_fields=["category"])
    update_post(user=owner, post_id=confirmed.pk, category_id=food.pk)
    assert reclassify_all() == Outcome(0, 0)
    assert category_of(chosen) == category_of(confirmed) == "food"


def test_vectors_of_another_model_and_further_images_are_ignored(
    seen: Callable[..., Post], slugs: list[str]
) -> None:
    post = seen(0, ai_writable_fields=["category"])
    PostImage.objects.update(embedding_model="another/model")
    album = seen(200, ai_writable_fields=["category"])
    PostImage.objects.create(
        post=album,
        image_url="/b",
        display_order=1,
        embedding=axis(0),
        embedding_model=ai.clip_name(),
    )
    reclassify_all()
    assert category_of(post) is category_of(album) is None


def test_many_posts_are_read_in_blocks(
    seen: Callable[..., Post], slugs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posts.ingest.classification.BLOCK_SIZE", 2)
    posts = [seen(number % 3, ai_writable_fields=["category"]) for number in range(7)]
    steps: list[int] = []
    assert reclassify_all(steps.append) == Outcome(7, 7)
    assert steps == [2, 2, 2, 1]
    assert [category_of(post) for post in posts] == [slugs[n % 3] for n in range(7)]


def test_the_command_prints_the_numbers(seen: Callable[..., Post]) -> None:
    seen(0, ai_writable_fields=["category"])
    out = StringIO()
    call_command("classify", stdout=out)
    assert out.getvalue() == "1 posts classified, 1 changed\n"


def test_the_command_fails_without_a_worker(
    seen: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(texts: list[str]) -> np.ndarray:
        raise Unavailable("ai_unavailable")

    monkeypatch.setattr(ai, "embed_texts", away)
    with pytest.raises(CommandError, match="not available"):
        call_command("classify")


# --- Prompts --------------------------------------------------------------------------------


def test_prompts_are_in_the_languages_that_the_model_understands() -> None:
    texts = label_texts(Category(name="Ẩm thực", slug="food", prompt="food; a meal "))
    english = zero_shot.build_prompts(texts, PRESETS["openai"].languages)
    assert "a photo of food" in english
    assert "a photo of a meal" in english
    assert not any("ẩm thực" in prompt for prompt in english)
    both = zero_shot.build_prompts(texts, PRESETS["multilingual"].languages)
    assert set(english) < set(both)
    assert "một bức ảnh về ẩm thực" in both


def test_vietnamese_prompts_replace_the_name() -> None:
    texts = label_texts(
        Category(name="Đời sống", slug="life", prompt="life", prompt_vi="trẻ em;phố")
    )
    both = zero_shot.build_prompts(texts, PRESETS["multilingual"].languages)
    assert "một bức ảnh về trẻ em" in both
    assert "một bức ảnh về phố" in both
    assert not any("đời sống" in prompt for prompt in both)


def test_a_label_s_vector_is_the_mean_of_its_prompts() -> None:
    vectors = {"a photo of food": axis(1)}
    labels = zero_shot.embed_labels(
        lambda texts: np.stack([vectors.get(text, axis(0)) for text in texts]),
        [{"en": ["food"]}],
        "never/measured",
    )
    mean = labels.vectors[0]
    count = len(zero_shot.PROMPT_TEMPLATES["en"])
    assert mean[1] / mean[0] == pytest.approx(1 / (count - 1))
    assert np.linalg.norm(labels.vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_probabilities_include_the_background_class_and_sum_to_one() -> None:
    labels = zero_shot.Labels(np.stack([axis(0), axis(1), axis(2)]), 30.0, 0.0)
    found = labels.probabilities(np.stack([axis(0), axis(2)]))
    assert found.shape == (2, 3)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert zero_shot.predict(found).tolist() == [0, -1]


# --- Administration -------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [True, False])
def test_staff_with_change_permission_can_reclassify_all(
    client: Client, member: Callable[..., User], monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(
        "posts.ingest.queue._send", lambda task, *args: bool(sent.append(task)) or True
    )
    client.force_login(member("Staff", is_staff=True, is_superuser=allowed))
    category = Category.objects.latest("name")
    data = {"action": "reclassify_all", "_selected_action": [str(category.pk)]}
    client.post("/admin/accounts/category/", data)
    assert sent == (["posts.tasks.classify_posts"] if allowed else [])


@pytest.mark.parametrize("allowed", [True, False])
def test_staff_who_may_change_categories_edit_their_prompts(
    client: Client, member: Callable[..., User], allowed: bool
) -> None:
    staff = member("Staff", is_staff=True)
    action = "change" if allowed else "view"
    staff.user_permissions.add(Permission.objects.get(codename=f"{action}_category"))
    client.force_login(staff)
    category = Category.objects.get(slug="food")
    fields = {"name": category.name, "slug": "food", "prompt": "a meal", "prompt_vi": "món ăn"}
    url = f"/admin/accounts/category/{category.pk}/change/"
    response = client.post(url, fields, follow=True)
    category.refresh_from_db()
    if allowed:
        assert label_texts(category) == {"en": ["a meal"], "vi": ["món ăn"]}
        assert "until you run the action “Reclassify all posts”" in response.text
    else:
        assert response.status_code == 403
        assert category.prompt == "food"


def test_a_queued_classification_waits_for_a_worker(
    seen: Callable[..., Post], slugs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    post = seen(0, ai_writable_fields=["category"])
    embed, calls = ai.embed_texts, []

    def away_at_first(texts: list[str]) -> np.ndarray:
        calls.append(texts)
        if len(calls) < 3:
            raise Unavailable
        return embed(texts)

    monkeypatch.setattr(ai, "embed_texts", away_at_first)
    classify_posts.apply()
    assert category_of(post) == slugs[0]
