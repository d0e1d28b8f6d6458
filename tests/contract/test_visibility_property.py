"""No route shows, counts or changes what the viewer may not see, except what the viewer did.

Random members, follows, posts and what members did with posts. Any member may have liked, saved,
seen or commented on any post: it may have been visible then. Members list and delete their own
likes, saves and comments wherever they are. The oracle, `World.sees`, is plain
Python and knows nothing of the application.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import Category, Follow, User
from ai import services as ai
from notifications.models import Notification
from posts.models import Activity, Comment, Like, Post, PostImage, SavedPost
from smimso.errors import Unavailable
from smimso.web.auth import issue_token
from tests.contract.conftest import VECTOR
from tests.properties import examples

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("_fake_ai")]

ANYBODY = None  # a viewer without a token
WORD = "common"  # in the title of every post
RECENT_DAYS = 28
ORDER = {"most-viewed": "totalViews", "most-active": "activityScore"}  # else by totalLikes
NUMBERS = {
    *("totalLikes", "totalViews", "totalPosts", "totalComments", "recentPosts", "activityScore"),
}
ACTIVITIES = {"view": "views", "like": "likes", "save": "saves"}


# --- Plans ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlannedPost:
    author: int
    visibility: str
    in_category: bool
    days_old: int
    view_count: int
    images: int
    embedded: bool


@dataclass(frozen=True)
class PlannedComment:
    author: int
    post: int
    reply: bool  # to the first comment on the post, if there is one


@dataclass(frozen=True)
class Plan:
    """Members and posts are numbers; follows are (follower, following), the rest (member, post)."""

    members: int
    follows: frozenset[tuple[int, int]]
    posts: tuple[PlannedPost, ...]
    likes: frozenset[tuple[int, int]]
    saves: frozenset[tuple[int, int]]
    views: frozenset[tuple[int, int]]
    comments: tuple[PlannedComment, ...]


@st.composite
def plans(draw: Callable[..., Any]) -> Plan:
    members = draw(st.integers(2, 4))
    anyone = st.integers(0, members - 1)
    pairs = [(one, other) for one in range(members) for other in range(members) if one != other]
    posts = draw(
        st.lists(
            st.builds(
                PlannedPost,
                author=anyone,
                visibility=st.sampled_from(["public", "friends", "private"]),
                in_category=st.booleans(),
                days_old=st.sampled_from([0, 10, 40]),
                view_count=st.integers(0, 5),
                images=st.integers(0, 2),
                embedded=st.booleans(),
            ),
            min_size=1,
            max_size=5,
        )
    )
    pairs_of_kind = st.frozensets(st.tuples(anyone, st.integers(0, len(posts) - 1)), max_size=8)
    comment = st.builds(
        PlannedComment,
        author=anyone,
        post=st.integers(0, len(posts) - 1),
        reply=st.booleans(),
    )
    return Plan(
        members=members,
        follows=draw(st.frozensets(st.sampled_from(pairs))),
        posts=tuple(posts),
        likes=draw(pairs_of_kind),
        saves=draw(pairs_of_kind),
        views=draw(pairs_of_kind),
        comments=tuple(draw(st.lists(comment, max_size=6))),
    )


# --- Worlds ---------------------------------------------------------------------------------


class World:
    """A plan in the database."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.category = Category.objects.get(slug="art")
        self.members = User.objects.bulk_create(
            User(email=f"m{number}@example.test", password="!", first_name=f"Member{number}")
            for number in range(plan.members)
        )
        self.posts = [self._new_post(number) for number in range(len(plan.posts))]
        self.images = [image for post in self.posts for image in self._new_images(post)]
        self.comments: list[Comment] = []
        self.notified: list[tuple[int, int | None]] = []  # recipient, post
        for one, other in plan.follows:
            follower, following = self.members[one], self.members[other]
            Follow.objects.create(follower=follower, following=following)
            self._notify(other, one, "follow", None)
        for who, post in plan.likes:
            Like.objects.create(user=self.members[who], post=self.posts[post])
            self._notify(plan.posts[post].author, who, "like", post)
        for who, post in plan.saves:
            SavedPost.objects.create(user=self.members[who], post=self.posts[post])
        for comment in plan.comments:
            self._comment(comment)
        Activity.objects.bulk_create(
            Activity(user=self.members[who], post=self.posts[post], activity_type=kind)
            for kind, pairs_of_kind in ACTIVITIES.items()
            for who, post in getattr(plan, pairs_of_kind)
        )

    def _new_post(self, number: int) -> Post:
        planned, mark = self.plan.posts[number], self.mark(number)
        post = Post.objects.create(
            user=self.members[planned.author],
            title=f"{WORD} {mark}",
            description=f"describes {mark}",
            caption=f"caption {mark}",
            tags=[mark],
            visibility=planned.visibility,
            category=self.category if planned.in_category else None,
            view_count=planned.view_count,
            like_count=sum(post == number for _, post in self.plan.likes),
            comment_count=sum(comment.post == number for comment in self.plan.comments),
        )
        created_at = timezone.now() - timedelta(days=planned.days_old, minutes=number)
        Post.objects.filter(pk=post.pk).update(created_at=created_at)
        return post

    def _new_images(self, post: Post) -> list[PostImage]:
        number = self.number_of(post.pk)
        planned, images = self.plan.posts[number], []
        for order in range(planned.images):
            image_id = uuid4()
            name = default_storage.save(f"posts/{image_id}.jpg", ContentFile(b"\xff\xd8\xff"))
            image = PostImage(
                id=image_id,
                post=post,
                image_path=name,
                image_url=f"/uploads/{name}",
                ai_caption=f"shows {self.mark(number)}",
                user_caption=f"is {self.mark(number)}",
                display_order=order,
                embedding=VECTOR if planned.embedded else None,
                embedding_model=ai.clip_name() if planned.embedded else "",
            )
            images.append(image)
        return PostImage.objects.bulk_create(images)

    def _comment(self, planned: PlannedComment) -> None:
        post = self.posts[planned.post]
        first = next((c for c in self.comments if c.post_id == post.pk), None)
        comment = Comment.objects.create(
            user=self.members[planned.author],
            post=post,
            parent_comment=first if planned.reply else None,
            content=f"says {self.mark(planned.post)}",
        )
        self.comments.append(comment)
        author = self.plan.posts[planned.post].author
        self._notify(author, planned.author, "comment", planned.post, comment)
        if first and planned.reply and first.user_id != post.user_id:
            whom = next(n for n, user in enumerate(self.members) if user.pk == first.user_id)
            self._notify(whom, planned.author, "comment", planned.post, comment)

    def _notify(
        self, whom: int, who: int, kind: str, post: int | None, comment: Comment | None = None
    ) -> None:
        if whom == who:
            return
        Notification.objects.create(
            user=self.members[whom],
            related_user=self.members[who],
            type=kind,
            content=f"Member{who} did it",
            post=None if post is None else self.posts[post],
            comment=comment,
        )
        self.notified.append((whom, post))

    def mark(self, number: int) -> str:
        """Return a word that only this post contains: an answer with it shows part of the post."""
        return f"mark{number}q"

    def number_of(self, post_id: Any) -> int:
        return next(n for n, post in enumerate(self.posts) if str(post.pk) == str(post_id))

    def sees(self, viewer: int | None, number: int) -> bool:
        post = self.plan.posts[number]
        friends = {(viewer, post.author), (post.author, viewer)} <= self.plan.follows
        return (
            post.visibility == "public"
            or post.author == viewer
            or (post.visibility == "friends" and friends)
        )

    def visible(self, viewer: int | None) -> set[int]:
        return {number for number in range(len(self.posts)) if self.sees(viewer, number)}

    def traces(self, number: int) -> list[str]:
        """Return texts that no answer may contain if the viewer does not see the post."""
        post_id = self.posts[number].pk
        parts: list[PostImage | Comment] = [*self.images, *self.comments]
        ids = [str(part.pk) for part in parts if part.post_id == post_id]
        return [str(post_id), self.mark(number), *ids]


@contextmanager
def rolled_back() -> Iterator[None]:
    cache.clear()  # of leaderboards
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def build_world(plan: Plan) -> Iterator[World]:
    with rolled_back():
        world = World(plan)
        try:
            yield world
        finally:
            for image in world.images:
                default_storage.delete(image.image_path)


class Viewer:
    """A client of the API that looks for traces of hidden posts in every answer."""

    def __init__(self, world: World, number: int | None) -> None:
        self.world, self.number = world, number
        self.visible = world.visible(number)
        self.hidden = set(range(len(world.posts))) - self.visible
        self._client = APIClient()
        if number is not None:
            token = issue_token(world.members[number])
            self._client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    def get(self, path: str, status: int = 200) -> Any:
        return self._checked(self._client.get(f"/api/{path}"), status)

    def search(self, kind: str, **body: Any) -> list[int]:
        """Return the numbers of the matching posts."""
        path = f"/api/search/{kind}?limit=100&minSimilarity=0"
        if kind == "image":
            body = {"image": ContentFile(PIXEL, "x.gif")}
        form = "multipart" if kind == "image" else "json"
        found = self._client.post(path, body, format=form).json()["data"]
        found.pop("query", None)  # it repeats the query
        self._has_no_trace(json.dumps(found))
        assert found["count"] == len(found["results"])
        return [self.world.number_of(result["post_id"]) for result in found["results"]]

    def is_author_of(self, comment: Comment) -> bool:
        return self.number is not None and comment.user_id == self.world.members[self.number].pk

    def own(self, kind: str, number: int) -> list[dict[str, Any]]:
        """Return the viewer's own rows on a post; on a hidden one they show ids alone."""
        rows = self._client.get(f"/api/users/profile/{kind}?limit=100").json()["data"]
        for row in rows:
            hidden = self.world.number_of(row["post_id"]) in self.hidden
            assert (row["post"] is None) is hidden
        return [row for row in rows if row["post_id"] == str(self.world.posts[number].pk)]

    def delete(self, path: str) -> None:
        response = self._client.delete(f"/api/{path}")
        assert response.status_code == 200, (path, response.content)
        self._has_no_trace(response.content.decode())

    def refused(self, method: str, path: str, status: int, body: Any = None) -> None:
        ask = getattr(self._client, method.lower())
        response = ask(f"/api/{path}", body, format="json")
        assert response.status_code == status, (method, path, response.content)
        self._has_no_trace(response.content.decode())

    def has_file(self, image: PostImage) -> bool:
        found: Any = self._client.get(image.image_url)
        assert found.status_code in (200, 404)
        if found.status_code == 200:
            assert b"".join(found) == b"\xff\xd8\xff"
        return found.status_code == 200

    def _checked(self, response: Any, status: int) -> Any:
        assert response.status_code == status, response.content
        self._has_no_trace(response.content.decode())
        return response.json()

    def _has_no_trace(self, text: str) -> None:
        for number in self.hidden:
            assert not [trace for trace in self.world.traces(number) if trace in text]


PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x00\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


def everybody(world: World) -> list[Viewer]:
    return [Viewer(world, number) for number in (ANYBODY, *range(world.plan.members))]


def members(world: World) -> list[Viewer]:
    return everybody(world)[1:]


def snapshot() -> dict[str, list[Any]]:
    tables = (Post, PostImage, Like, SavedPost, Comment, Activity, Notification, Follow)
    return {
        table.__name__: list(
            table.objects.order_by("pk").values_list(
                *[field.name for field in table._meta.fields if field.name != "embedding"]
            )
        )
        for table in tables
    }


# --- The test -------------------------------------------------------------------------------

# Everybody did everything with posts of every visibility; 0 and 1 are friends, 2 follows 0.
DENSE = Plan(
    members=4,
    follows=frozenset({(0, 1), (1, 0), (2, 0)}),
    posts=(
        *(PlannedPost(0, kind, True, 0, 3, 1, True) for kind in ("public", "friends", "private")),
        PlannedPost(1, "friends", False, 10, 1, 2, True),
        PlannedPost(3, "public", False, 40, 5, 1, False),
    ),
    likes=frozenset(itertools.product(range(4), range(5))),
    saves=frozenset(itertools.product(range(4), range(5))),
    views=frozenset(itertools.product(range(4), range(5))),
    comments=tuple(
        PlannedComment(author, post, reply)
        for post in range(5)
        for author, reply in ((2, False), (1, True))
    ),
)


@examples(7)
@example(DENSE)
@given(plans())
def test_no_answer_shows_counts_or_changes_what_the_viewer_does_not_see(plan: Plan) -> None:
    with build_world(plan) as world:
        for check in (
            check_lists_and_single_posts,
            check_searches,
            check_numbers,
            check_leaderboards,
            check_refusals,
            check_own_rows,
        ):
            with rolled_back():
                check(world)


# --- What is shown --------------------------------------------------------------------------


def numbers(world: World, posts: Iterable[dict[str, Any]]) -> set[int]:
    return {world.number_of(post["id"]) for post in posts}


def check_list(viewer: Viewer, path: str, expected: set[int]) -> None:
    more = "&" if "?" in path else "?"
    whole = viewer.get(f"{path}{more}limit=100")
    assert len(whole["data"]) == whole["pagination"]["total"] == len(expected)
    assert numbers(viewer.world, whole["data"]) == expected


def check_lists_and_single_posts(world: World) -> None:
    plan = world.plan
    for viewer in members(world):
        check_lists_of(viewer)
        before = snapshot()
        for number, post in enumerate(world.posts):
            status = 200 if number in viewer.visible else 404
            viewer.get(f"posts/{post.pk}", status)
            comments = viewer.get(f"posts/{post.pk}/comments")["data"]
            expected = sum(comment.post == number for comment in plan.comments)
            assert len(comments) == (expected if status == 200 else 0)
            if status == 404:
                assert snapshot() == before
            before = snapshot()
    for viewer in everybody(world):
        for image in world.images:
            number = world.number_of(image.post_id)
            # Without a signature a file has no viewer but the pages' own.
            assert viewer.has_file(image) == (plan.posts[number].visibility == "public")


def check_lists_of(viewer: Viewer) -> None:
    world, plan = viewer.world, viewer.world.plan
    check_list(viewer, "posts", viewer.visible)
    assert viewer.get("posts?limit=1")["pagination"]["total"] == len(viewer.visible)
    check_list(viewer, f"posts?search={WORD}", viewer.visible)
    in_category = {number for number in viewer.visible if plan.posts[number].in_category}
    check_list(viewer, f"posts?categoryId={world.category.pk}", in_category)
    for number in viewer.hidden:
        check_list(viewer, f"posts?search={world.mark(number)}", set())
    for who, member in enumerate(world.members):
        theirs = {number for number in viewer.visible if plan.posts[number].author == who}
        check_list(viewer, f"posts/user/{member.pk}", theirs)
        check_list(viewer, f"users/{member.pk}/posts", theirs)
        if who == viewer.number:
            check_list(viewer, "users/profile/posts", theirs)
    for pairs_of_kind, paths in (
        (plan.likes, ("posts/liked", "users/liked-posts")),
        (plan.saves, ("posts/saved", "users/saved-posts")),
    ):
        mine = {post for who, post in pairs_of_kind if who == viewer.number} & viewer.visible
        for path in paths:
            check_list(viewer, path, mine)


def check_searches(world: World) -> None:
    plan = world.plan
    for viewer in members(world):
        seen = [(number, plan.posts[number]) for number in viewer.visible]
        embedded = [number for number, post in seen if post.embedded and post.images]
        pictured = [number for number, post in seen if post.images]
        assert sorted(viewer.search("image")) == embedded
        assert sorted(viewer.search("text", query=WORD)) == pictured
        for number in range(len(world.posts)):
            meant_or_said = set(embedded) | ({number} & set(pictured))
            found = viewer.search("text", query=world.mark(number))
            assert sorted(found) == sorted(meant_or_said)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ai, "embed_text", unavailable)
            assert sorted(viewer.search("text", query=WORD)) == pictured
            for number in viewer.hidden:
                assert viewer.search("text", query=world.mark(number)) == []
        for number, post in enumerate(world.posts):
            if number in viewer.hidden:
                viewer.get(f"posts/{post.pk}/similar", 404)
                continue
            found = viewer.get(f"posts/{post.pk}/similar?limit=100")["data"]["results"]
            others = [other for other in embedded if other != number and number in embedded]
            assert sorted(world.number_of(item["post_id"]) for item in found) == others


def unavailable(text: str) -> list[float]:
    raise Unavailable


# --- What is counted ------------------------------------------------------------------------


def check_numbers(world: World) -> None:
    plan = world.plan
    for viewer in members(world):
        for who, member in enumerate(world.members):
            theirs = {n for n in viewer.visible if plan.posts[n].author == who}
            expected = {
                "postCount": len(theirs),
                "totalLikes": sum(post in theirs for _, post in plan.likes),
                "totalComments": sum(comment.post in theirs for comment in plan.comments),
                "followerCount": sum(other == who for _, other in plan.follows),
                "followingCount": sum(one == who for one, _ in plan.follows),
            }
            assert viewer.get(f"users/{member.pk}")["data"]["statistics"] == expected
            if who == viewer.number:
                assert viewer.get("users/profile")["data"]["statistics"] == expected
        check_activities(viewer)
        check_related_members(viewer)
        check_notifications(viewer)


def check_activities(viewer: Viewer) -> None:
    expected = Counter(
        (kind, post)
        for kind, pairs_of_kind in ACTIVITIES.items()
        for who, post in getattr(viewer.world.plan, pairs_of_kind)
        if who == viewer.number and post in viewer.visible
    )

    def found(query: str) -> Counter[tuple[str, int]]:
        data = viewer.get(f"users/activities{query}")["data"]
        return Counter(
            (item["activity_type"], viewer.world.number_of(item["post_id"])) for item in data
        )

    assert found("") == expected
    of_one_kind = {key: count for key, count in expected.items() if key[0] == "like"}
    assert found("?type=like") == Counter(of_one_kind)


def check_related_members(viewer: Viewer) -> None:
    world, plan = viewer.world, viewer.world.plan
    liked = {post for who, post in plan.likes if who == viewer.number and post in viewer.visible}
    strangers = {
        who
        for who in range(plan.members)
        if who != viewer.number and (viewer.number, who) not in plan.follows
    }
    related = {who for who, post in plan.likes if post in liked} & strangers
    found = {user["id"] for user in viewer.get("users/related-users?limit=100")["data"]}
    assert found == {str(world.members[who].pk) for who in related or strangers}


def check_notifications(viewer: Viewer) -> None:
    expected = [
        post
        for whom, post in viewer.world.notified
        if whom == viewer.number and (post is None or post in viewer.visible)
    ]
    found = viewer.get("notifications?limit=100")["data"]
    assert len(found["notifications"]) == len(expected)
    assert (found["total"], found["unreadCount"]) == (len(expected), len(expected))
    assert viewer.get("notifications/unread-count")["data"]["count"] == len(expected)


def check_leaderboards(world: World) -> None:
    plan = world.plan
    public = {n for n, post in enumerate(plan.posts) if post.visibility == "public"}
    recent = {number for number in public if plan.posts[number].days_old < RECENT_DAYS}
    boards: dict[str, dict[str, dict[str, int]]] = {
        name: {} for name in ("top-creators", "most-favorite", "most-viewed", "most-active")
    }
    for who, member in enumerate(world.members):
        theirs = {number for number in public if plan.posts[number].author == who}
        likes = sum(post in theirs for _, post in plan.likes)
        views = sum(plan.posts[number].view_count for number in theirs)
        comments = sum(c.author == who and c.post in public for c in plan.comments)
        new = theirs & recent
        new_views = sum(plan.posts[number].view_count for number in new)
        totals = {"totalLikes": likes, "totalViews": views, "totalPosts": len(theirs)}
        activity = {
            "totalPosts": len(theirs),
            "totalComments": comments,
            "recentPosts": len(new),
            "activityScore": 2 * len(theirs) + comments + 3 * len(new),
        }
        member_id = str(member.pk)
        if likes:
            boards["top-creators"][member_id] = {"totalLikes": likes}
            boards["most-favorite"][member_id] = totals
        if new_views:
            boards["most-viewed"][member_id] = {"totalViews": new_views}
        if activity["activityScore"]:
            boards["most-active"][member_id] = activity
    for viewer in everybody(world):
        for name, expected in boards.items():
            rows = viewer.get(f"users/{name}?limit=100")["data"]
            found = {row["id"]: {k: row[k] for k in row if k in NUMBERS} for row in rows}
            assert found == expected
            scores = [row[ORDER.get(name, "totalLikes")] for row in rows]
            assert scores == sorted(scores, reverse=True)


# --- What is changed ------------------------------------------------------------------------


def check_refusals(world: World) -> None:
    plan = world.plan
    before = snapshot()
    for viewer in everybody(world):
        for number, post in enumerate(world.posts):
            known, did = viewer.number is not None, (viewer.number, number)
            if known and number in viewer.visible:
                if plan.posts[number].author != viewer.number:
                    check_owners_alone(viewer, post)
                check_replies(viewer, post)
                continue
            status = 404 if known else 401
            for method, path, body in (
                ("PUT", "", {"title": "changed", "visibility": "public"}),
                ("DELETE", "", None),
                ("POST", "/like", None),
                *([] if did in plan.likes else [("DELETE", "/like", None)]),
                ("POST", "/save", None),
                *([] if did in plan.saves else [("DELETE", "/save", None)]),
                ("POST", "/comments", {"content": "changed"}),
            ):
                viewer.refused(method, f"posts/{post.pk}{path}", status, body)
            for comment in world.comments:
                if comment.post_id == post.pk and not viewer.is_author_of(comment):
                    path = f"posts/{post.pk}/comments/{comment.pk}"
                    viewer.refused("DELETE", path, status)
    assert snapshot() == before


def check_own_rows(world: World) -> None:
    """Each member deletes all own likes, saves and comments, and nothing else goes."""
    plan = world.plan
    for viewer in members(world):
        for number, post in enumerate(world.posts):
            for kind, path, pairs_of_kind in (
                ("likes", "like", plan.likes),
                ("saves", "save", plan.saves),
            ):
                rows = viewer.own(kind, number)
                assert len(rows) == ((viewer.number, number) in pairs_of_kind)
                if rows:
                    viewer.delete(f"posts/{post.pk}/{path}")
            while rows := viewer.own("comments", number):
                viewer.delete(f"posts/{post.pk}/comments/{rows[0]['id']}")
    for model in (Like, SavedPost, Comment):
        assert not model.objects.exists()
    for post in world.posts:
        post.refresh_from_db()
        assert (post.like_count, post.comment_count) == (0, 0)
    assert set(Notification.objects.values_list("type", flat=True)) <= {"follow"}


def check_owners_alone(viewer: Viewer, post: Post) -> None:
    viewer.refused("PUT", f"posts/{post.pk}", 403, {"title": "changed"})
    viewer.refused("DELETE", f"posts/{post.pk}", 403)


def check_replies(viewer: Viewer, post: Post) -> None:
    elsewhere = [c for c in viewer.world.comments if c.post_id != post.pk]
    for comment in elsewhere[:1]:
        body = {"content": "changed", "parent_comment_id": str(comment.pk)}
        viewer.refused("POST", f"posts/{post.pk}/comments", 400, body)
        viewer.refused("DELETE", f"posts/{post.pk}/comments/{comment.pk}", 404)
