"""A small world in which no list is empty, and an AI that answers at once."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import google
from accounts.models import Category, Follow, Survey, User
from accounts.services import follow_user
from ai import services as ai
from ai.services import Prediction
from notifications.models import Notification
from posts import interactions
from posts.models import Post, PostImage
from smimso.web.auth import issue_token
from tests.conftest import PASSWORD

FRONTEND = "http://localhost:3000"
VECTOR = [1.0] + [0.0] * 511


class World:
    """names: what `{names}` in a route's path or body stand for. picture: a file to upload."""

    def __init__(self, viewer: User, names: dict[str, str], picture: bytes) -> None:
        self.viewer = viewer
        self.names = names
        self.picture = picture

    def filled(self, value: Any) -> Any:
        if isinstance(value, str):
            for name, text in self.names.items():
                value = value.replace(f"{{{name}}}", text)
            return value
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        return [self.filled(item) for item in value] if isinstance(value, list) else value

    def client(self, token: str | None = None) -> APIClient:
        """With the viewer's token, or another; "" for none. It sends what the frontend sends."""
        token = issue_token(self.viewer) if token is None else token
        client = APIClient()
        headers = {"HTTP_ORIGIN": FRONTEND, "HTTP_ACCEPT": "application/json, text/plain, */*"}
        client.credentials(
            **headers, **({"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {})
        )
        return client


def new_post(author: User, category: Category, title: str) -> Post:
    post = Post.objects.create(
        user=author,
        title=title,
        description="Seen from the beach",
        category=category,
        tags=["sea"],
        caption="a red sky",
        view_count=3,
    )
    for order in range(2):
        image = PostImage(
            post=post,
            width=96,
            height=64,
            file_size=1234,
            placeholder="data:image/webp;base64,AA==",
            ai_caption="a red sky",
            user_caption="Ours" if order else None,
            display_order=order,
            embedding=VECTOR,
            embedding_model=ai.clip_name(),
            ai_status="done",
        )
        image.image_path = f"posts/{image.pk}.jpg"
        image.image_url = f"/uploads/{image.image_path}"
        image.save()
    return post


@pytest.fixture
def nobodys_world(member: Callable[..., User], picture: Callable[..., bytes]) -> World:
    """Just the viewer: every id is that of nothing."""
    ids = ("owner", "viewer", "post", "mine", "image", "comment", "category", "notification")
    names = {name: str(uuid4()) for name in ids}
    return World(member("Viewer"), {**names, "password": PASSWORD}, picture())


@pytest.fixture
def world(member: Callable[..., User], picture: Callable[..., bytes]) -> World:
    category = Category.objects.get(slug="photography")
    owner = member(
        "Owner",
        phone="0901234567",
        date_of_birth="1990-01-31",
        job="artist",
        bio="Paints",
        avatar_url="/uploads/avatars/6b1d3f0e-8d8f-4c77-a4c4-3f3a0d8f6c11.png",
        google_id="google-4711",
    )
    viewer = member("Viewer", google_id="google-4712", last_name="Vân")
    third = member("Third")
    theirs, mine = new_post(owner, category, "Sunset"), new_post(viewer, category, "Sunrise")
    new_post(owner, category, "Noon")
    checksum = hashlib.sha256(picture()).hexdigest()
    PostImage.objects.filter(post=mine).update(checksum=checksum)
    follow_user(follower=owner, following_id=viewer.pk)
    follow_user(follower=viewer, following_id=owner.pk)
    Follow.objects.create(follower=third, following=owner)
    for user in (viewer, third, owner):
        interactions.like_post(user=user, post_id=theirs.pk)
        interactions.like_post(user=user, post_id=mine.pk)
    interactions.save_post(user=viewer, post_id=theirs.pk)
    comment = interactions.add_comment(user=viewer, post_id=theirs.pk, content="Red!")
    interactions.add_comment(user=owner, post_id=mine.pk, content="Red, too!")
    for user in (owner, viewer):
        Survey.objects.create(
            user=user,
            favorite_categories=[str(category.pk)],
            usage_purposes=["other"],
            awareness_source="friends",
            expectation_level=4,
            completed_at=timezone.now(),
        )
    notification = Notification.objects.filter(user=viewer, type="like").first()
    assert notification is not None
    names = {
        "owner": owner.pk,
        "viewer": viewer.pk,
        "post": theirs.pk,
        "mine": mine.pk,
        "image": mine.images.all()[0].pk,
        "comment": comment.pk,
        "category": category.pk,
        "notification": notification.pk,
        "password": PASSWORD,
    }
    return World(viewer, {name: str(value) for name, value in names.items()}, picture())


@pytest.fixture
def _ai_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def classify(image: Any, labels: list[str]) -> list[Prediction]:
        return [Prediction(label, 0.9 if label == labels[0] else 0.01) for label in labels]

    monkeypatch.setattr(ai, "embed_text", lambda text: VECTOR)
    monkeypatch.setattr(ai, "describe_image", lambda image: (VECTOR, "sunset over water"))
    monkeypatch.setattr(ai, "classify_image", classify)
    answer = ("sunset over water", (0, 0.9))
    monkeypatch.setattr(ai, "caption_and_label", lambda image, labels: answer)


@pytest.fixture
def _google_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = google.Identity("google-1", "mai@example.test", True, "Mai", "", None)
    monkeypatch.setattr(google, "verify_id_token", lambda token: identity)
