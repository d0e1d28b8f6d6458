"""Posts as rows without files, for tests that only read or count them."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from posts.models import Post, PostImage


def make_post(author: User, *, images: int = 1, age: int = 0, **fields: Any) -> Post:
    """Create a post as rows. age: minutes since it was posted."""
    post = Post.objects.create(user=author, **{"title": "A post", **fields})
    if age:
        Post.objects.filter(pk=post.pk).update(created_at=timezone.now() - timedelta(minutes=age))
    PostImage.objects.bulk_create(
        PostImage(
            post=post,
            image_url=f"https://example.test/{n}.jpg",
            image_path="",
            display_order=n,
        )
        for n in range(images)
    )
    post.refresh_from_db()
    return post


def same_as_before(post: Post) -> bool:
    """Return True if no column of the row differs from `post`."""
    now = Post.objects.filter(pk=post.pk).values().first()
    return now == {name: getattr(post, name) for name in now or {}}


def invalid(response: Any, status: int, text: str) -> None:
    """Assert the error envelope."""
    assert response.status_code == status, response.content
    assert response.json() == {"success": False, "error": text, "message": text}
