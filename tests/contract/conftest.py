"""A small world in which no list is empty, and an AI that responds at once."""

import hashlib
from collections.abc import Callable
from pathlib import PurePath
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import google
from accounts.models import Category, Follow, Survey, User
from ai import services as ai
from ai.services import Prediction
from notifications.models import Notification
from posts.files.attachments import store_attachment
from posts.models import Activity, Comment, Like, Post, PostImage, SavedPost
from smimso.web.auth import issue_token
from tests.conftest import PASSWORD

FRONTEND = "http://localhost:3000"
VECTOR = [1.0] + [0.0] * 511


class World:
    """names: values of the `{names}` in paths and bodies. picture: a file to upload."""

    def __init__(self, viewer: User, names: dict[str, str], picture: bytes) -> None:
        self.viewer = viewer
        self.names = names
        self.picture = picture

    def fill_names(self, value: Any) -> Any:
        if isinstance(value, str):
            for name, text in self.names.items():
                value = value.replace(f"{{{name}}}", text)
            return value
        if isinstance(value, dict):
            return {key: self.fill_names(item) for key, item in value.items()}
        return [self.fill_names(item) for item in value] if isinstance(value, list) else value

    def client(self, token: str | None = None) -> APIClient:
        """Return a client with the frontend's headers and a token: the viewer's if None."""
        token = issue_token(self.viewer) if token is None else token
        client = APIClient()
        headers = {"HTTP_ORIGIN": FRONTEND, "HTTP_ACCEPT": "application/json, text/plain, */*"}
        client.credentials(
            **headers, **({"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {})
        )
        return client


@pytest.fixture
def empty_world(member: Callable[..., User], picture: Callable[..., bytes]) -> World:
    """A world of the viewer alone: all ids are unknown."""
    ids = ("owner", "viewer", "post", "mine", "image", "comment", "category", "notification")
    names = {name: str(uuid4()) for name in ids}
    names |= {"file": f"{uuid4()}.txt", "password": PASSWORD}
    return World(member("Viewer"), names, picture())


@pytest.fixture
def world(member: Callable[..., User], picture: Callable[..., bytes]) -> World:
    """A few rows of every kind, stored without the services: hundreds of tests need them."""
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
    everybody = (viewer, third, owner)
    Follow.objects.bulk_create(
        Follow(follower=follower, following=following)
        for follower, following in ((owner, viewer), (viewer, owner), (third, owner))
    )
    theirs, mine = _new_post(owner, category, "Sunset"), _new_post(viewer, category, "Sunrise")
    noon = _new_post(owner, category, "Noon")
    for post in (theirs, mine):
        post.like_count, post.comment_count = len(everybody), 1
    Post.objects.bulk_create([theirs, mine, noon])
    checksum = hashlib.sha256(picture()).hexdigest()
    images = [
        _new_image(post, order, checksum=checksum if post is mine else "")
        for post in (theirs, mine, noon)
        for order in range(2)
    ]
    PostImage.objects.bulk_create(images)
    liked = [(user, post) for user in everybody for post in (theirs, mine)]
    Like.objects.bulk_create(Like(user=user, post=post) for user, post in liked)
    SavedPost.objects.create(user=viewer, post=theirs)
    comment, others = Comment.objects.bulk_create(
        [
            Comment(user=viewer, post=theirs, content="Red!"),
            Comment(user=owner, post=mine, content="Red, too!"),
        ]
    )
    Activity.objects.bulk_create(
        Activity(user=user, post=post, activity_type=kind)
        for user, post, kind in (
            *((user, post, "like") for user, post in liked),
            *((viewer, theirs, "save"), (viewer, theirs, "comment"), (owner, mine, "comment")),
        )
    )
    like, *_ = Notification.objects.bulk_create(
        Notification(user=user, related_user=whom, type=kind, content=f"{kind}!", **about)
        for user, whom, kind, about in (
            *((viewer, whom, "like", {"post": mine}) for whom in (owner, third)),
            (viewer, owner, "comment", {"post": mine, "comment": others}),
            (viewer, owner, "follow", {}),
            *((owner, whom, "like", {"post": theirs}) for whom in (viewer, third)),
            (owner, viewer, "comment", {"post": theirs, "comment": comment}),
            (owner, viewer, "follow", {}),
        )
    )
    Survey.objects.bulk_create(
        Survey(
            user=user,
            favorite_categories=[str(category.pk)],
            usage_purposes=["other"],
            awareness_source="friends",
            expectation_level=4,
            completed_at=timezone.now(),
        )
        for user in (owner, viewer)
    )
    names = {
        "owner": owner.pk,
        "viewer": viewer.pk,
        "post": theirs.pk,
        "mine": mine.pk,
        "image": next(image.pk for image in images if image.post_id == mine.pk),
        "comment": comment.pk,
        "category": category.pk,
        "notification": like.pk,
        "file": PurePath(store_attachment(viewer.pk, ContentFile(b"some text", "a.txt"))).name,
        "password": PASSWORD,
    }
    return World(viewer, {name: str(value) for name, value in names.items()}, picture())


def _new_post(author: User, category: Category, title: str) -> Post:
    return Post(
        user=author,
        title=title,
        description="Seen from the beach",
        category=category,
        tags=["sea"],
        caption="a red sky",
        view_count=3,
    )


def _new_image(post: Post, order: int, *, checksum: str) -> PostImage:
    image = PostImage(
        post=post,
        width=96,
        height=64,
        file_size=1234,
        checksum=checksum,
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
    return image


@pytest.fixture
def _fake_ai(monkeypatch: pytest.MonkeyPatch) -> None:
    def classify(image: Any, labels: list[str]) -> list[Prediction]:
        return [Prediction(label, 0.9 if label == labels[0] else 0.01) for label in labels]

    monkeypatch.setattr(ai, "embed_text", lambda text: VECTOR)
    monkeypatch.setattr(ai, "describe_image", lambda image: (VECTOR, "sunset over water"))
    monkeypatch.setattr(ai, "classify_image", classify)
    answer = ("sunset over water", (0, 0.9))
    monkeypatch.setattr(ai, "caption_and_label", lambda image, labels: answer)


@pytest.fixture
def _fake_google(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = google.Identity("google-1", "mai@example.test", True, "Mai", "", None)
    monkeypatch.setattr(google, "verify_id_token", lambda token: identity)
