"""Members and posts of the demo: drawn scenes, created through the same services as all posts."""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import User
from accounts.services import follow_user
from ai.demo_models.descriptions import describe_fully
from ai.demo_models.drawing import draw_scene
from ai.demo_models.scenes import Scene, choose_demo_scenes
from posts.models import Post
from posts.services import create_post
from posts.visibility import Visibility

DOMAIN = "demo.smimso.test"
PASSWORD = "smimso-demo"  # noqa: S105 - public, for the demo only
MEMBERS = {
    "linh": ("Linh", "Nguyễn", "photographer", "Chụp mọi thứ có màu sắc."),
    "minh": ("Minh", "Trần", "developer", "Lập trình ban ngày, vẽ ban đêm."),
    "thao": ("Thảo", "Lê", "designer", "Thích biển, mèo và màu cam."),
    "quang": ("Quang", "Phạm", "artist", "Tranh phong cảnh mỗi ngày."),
    "an": ("An", "Võ", "student", "Đi đâu cũng mang theo máy ảnh."),
}
POST_WIDTH = 1200  # pixels
SCENES_PER_ALBUM = 3


@dataclass(frozen=True)
class PlannedPost:
    """A post of the demo. has_description: the member wrote a description."""

    author: str
    scenes: tuple[Scene, ...]
    visibility: str
    has_description: bool


def plan_posts(count: int) -> list[PlannedPost]:
    """Return the first `count` posts of a fixed sequence; every eighth is an album of three."""
    names = list(MEMBERS)
    scenes = iter(choose_demo_scenes(count + 2 * (count // 8 + 1)))
    return [
        PlannedPost(
            author=names[n % len(names)],
            scenes=tuple(next(scenes) for _ in range(SCENES_PER_ALBUM if n % 8 == 7 else 1)),
            visibility=_choose_visibility(n),
            has_description=n % 3 == 0,
        )
        for n in range(count)
    ]


def _choose_visibility(n: int) -> str:
    if n % 9 == 4:
        return Visibility.PRIVATE
    return Visibility.FRIENDS if n % 7 == 3 else Visibility.PUBLIC


def create_members() -> dict[str, User]:
    """Create five members, each a friend of the next, and an administrator. Idempotent."""
    members = {}
    for name, (first_name, last_name, job, bio) in MEMBERS.items():
        user = User.objects.filter(email=f"{name}@{DOMAIN}").first()
        members[name] = user or User.objects.create_user(
            f"{name}@{DOMAIN}",
            PASSWORD,
            first_name=first_name,
            last_name=last_name,
            job=job,
            bio=bio,
            is_verified=True,
        )
    if not User.objects.filter(email=f"admin@{DOMAIN}").exists():
        User.objects.create_superuser(
            f"admin@{DOMAIN}", PASSWORD, first_name="Admin", last_name="SMIMSO"
        )
    for first, second in pairwise(members.values()):
        follow_user(follower=first, following_id=second.pk)
        follow_user(follower=second, following_id=first.pk)
    return members


def create_posts(count: int, members: dict[str, User]) -> Iterator[Post]:
    """Create and yield the missing posts, oldest first, dated one every five hours up to now."""
    existing = Post.objects.filter(user__in=members.values()).count()
    now = timezone.now()
    for n, planned in list(enumerate(plan_posts(count)))[existing:]:
        text = describe_fully(planned.scenes[0], "vi", random.Random(n)).text
        post = create_post(
            author=members[planned.author],
            uploads=[_draw_upload(scene) for scene in planned.scenes],
            description=f"{text[:1].upper()}{text[1:]}." if planned.has_description else "",
            visibility=planned.visibility,
        )
        created_at = now - timedelta(hours=5 * (count - n), minutes=(37 * n) % 60)
        Post.objects.filter(pk=post.pk).update(created_at=created_at)
        yield post


def _draw_upload(scene: Scene) -> SimpleUploadedFile:
    file = io.BytesIO()
    draw_scene(scene, POST_WIDTH).save(file, "JPEG", quality=92)
    return SimpleUploadedFile(f"{scene.seed}.jpg", file.getvalue(), "image/jpeg")
