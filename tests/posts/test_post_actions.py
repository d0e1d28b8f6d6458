"""Actions on the page of a post: like, save, comment, edit, delete."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Category, User
from posts.models import Activity, Comment, Like, Post, SavedPost
from posts.view_counter import flush_views
from posts.visibility import Visibility
from tests.conftest import UNKNOWN_ID
from tests.posts.rows import make_post, same_as_before

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ACTIONS = ("like", "save", "comments/add", "edit", "delete")


def page(post: Post, path: str = "") -> str:
    return f"/post/{post.pk}{path}"


def comment_on(post: Post, author: User, text: str = "Nice", **fields: Any) -> Comment:
    Post.objects.filter(pk=post.pk).update(comment_count=post.comments.count() + 1)
    return Comment.objects.create(post=post, user=author, content=text, **fields)


# --- Permissions ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ACTIONS)
def test_a_stranger_changes_nothing_of_a_hidden_post(
    client: Client, owner: User, stranger: User, path: str
) -> None:
    post = make_post(owner, title="Hidden", visibility=Visibility.PRIVATE)
    client.force_login(stranger)
    form = {"on": "1", "content": "Hello", "title": "Mine now"}
    response = client.post(page(post, f"/{path}"), form)
    assert response.status_code == 404
    assert "Hidden" not in response.text
    assert same_as_before(post)
    assert not Like.objects.exists() | SavedPost.objects.exists() | Comment.objects.exists()


@pytest.mark.parametrize("path", ["edit", "delete"])
def test_only_the_author_edits_and_deletes(
    client: Client, owner: User, friend: User, path: str
) -> None:
    post = make_post(owner)
    client.force_login(friend)
    assert client.get(page(post, f"/{path}")).status_code == 404
    assert client.post(page(post, f"/{path}"), {"title": "Mine now"}).status_code == 404
    assert same_as_before(post)
    assert page(post, "/edit") not in client.get(page(post)).text


@pytest.mark.parametrize("path", ["like", "save", "comments/add"])
def test_a_visitor_logs_in_and_comes_back_to_the_post(
    client: Client, owner: User, path: str
) -> None:
    post = make_post(owner)
    login = f"/login?next={page(post)}"
    url = page(post, f"/{path}")
    assert client.post(url, {"content": "Hello"}).headers["Location"] == login
    partly = client.post(url, {"content": "Hello"}, headers=HTMX)
    assert partly.headers["HX-Redirect"] == login
    assert login in client.get(page(post)).text
    assert client.get(url).status_code == 405
    assert same_as_before(post)
    assert not Comment.objects.exists()


def test_an_action_needs_the_forms_token(owner: User) -> None:
    post = make_post(owner)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert strict.post(page(post, "/like"), {"on": "1"}).status_code == 403
    assert same_as_before(post)


# --- Likes and saves ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "model"), [("like", Like), ("save", SavedPost)])
def test_a_button_says_what_is_and_does_the_opposite(
    client: Client, owner: User, stranger: User, name: str, model: Any
) -> None:
    post = make_post(owner)
    client.force_login(stranger)
    button = re.compile(rf'id="{name}" name="on" value="(.)" aria-pressed="(.*?)"')
    for value, pressed in [("1", "false"), ("0", "true"), ("1", "false")]:
        found = button.search(client.get(page(post)).text)
        assert found is not None
        assert found.groups() == (value, pressed)
        response = client.post(page(post, f"/{name}"), {"on": value})
        assert response.headers["Location"] == page(post)
        assert model.objects.filter(user=stranger, post=post).exists() == (value == "1")


def test_liking_twice_counts_once_and_answers_the_button_alone(
    client: Client, owner: User, stranger: User
) -> None:
    post = make_post(owner)
    client.force_login(stranger)
    for _ in range(2):
        response = client.post(page(post, "/like"), {"on": "1"}, headers=HTMX)
    assert "<html" not in response.text
    assert 'aria-pressed="true"' in response.text
    assert 'class="count">1<' in response.text
    post.refresh_from_db()
    assert post.like_count == 1


# --- Views ----------------------------------------------------------------------------------


def test_opening_counts_and_what_one_does_on_the_page_does_not(
    client: Client, owner: User, stranger: User
) -> None:
    post = make_post(owner)
    client.get(page(post))
    client.force_login(owner)
    client.get(page(post))
    client.force_login(stranger)
    client.get(page(post), headers={"Referer": "http://testserver/"})
    here = {"Referer": f"http://testserver{page(post)}?reply=1"}
    client.post(page(post, "/like"), {"on": "1"}, headers=here, follow=True)
    client.get(page(post), headers=here)
    client.get(page(post, "/comments"), headers=HTMX)
    flush_views()
    post.refresh_from_db()
    assert post.view_count == 1
    assert Activity.objects.filter(activity_type="view", user=stranger).count() == 1


# --- Comments -------------------------------------------------------------------------------


def test_a_comment_is_added_and_shown(client: Client, owner: User, stranger: User) -> None:
    post = make_post(owner)
    client.force_login(stranger)
    response = client.post(page(post, "/comments/add"), {"content": "Đẹp <b>quá</b>\nthật"})
    comment = Comment.objects.get()
    assert response.headers["Location"] == f"{page(post)}#comment-{comment.pk}"
    text = client.get(page(post)).text
    assert "Đẹp &lt;b&gt;quá&lt;/b&gt;<br>thật" in text
    assert f'id="comment-{comment.pk}"' in text


def test_a_reply_names_whom_it_answers(client: Client, owner: User, stranger: User) -> None:
    post = make_post(owner)
    first = comment_on(post, owner, "First")
    client.force_login(stranger)
    form = client.get(page(post), {"reply": str(first.pk)}).text
    assert f'name="parent_comment_id" value="{first.pk}"' in form
    partly = client.get(page(post, "/comments"), {"reply": str(first.pk)}, headers=HTMX).text
    assert f'name="parent_comment_id" value="{first.pk}"' in partly
    fields = {"content": "Second", "parent_comment_id": str(first.pk)}
    text = client.post(page(post, "/comments/add"), fields, headers=HTMX).text
    assert "<html" not in text
    assert f'<a href="#comment-{first.pk}">In reply to <bdi>Owner</bdi></a>' in text
    assert 'name="parent_comment_id"' not in text
    assert Comment.objects.get(content="Second").parent_comment == first


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("content", ["  ", "x" * 5001])
def test_a_refused_comment_says_why_and_keeps_the_text(
    client: Client, owner: User, headers: dict[str, str], content: str
) -> None:
    post = make_post(owner)
    client.force_login(owner)
    response = client.post(page(post, "/comments/add"), {"content": content}, headers=headers)
    assert response.status_code == 400
    assert 'role="alert" id="comment-error"' in response.text
    assert f">{content}</textarea>" in response.text
    assert not Comment.objects.exists()


def test_a_reply_to_a_comment_of_another_post_is_refused(
    client: Client, owner: User, stranger: User
) -> None:
    post, hidden = make_post(owner), make_post(owner, visibility=Visibility.PRIVATE)
    elsewhere = comment_on(hidden, owner, "Secret")
    client.force_login(stranger)
    assert "Secret" not in client.get(page(post), {"reply": str(elsewhere.pk)}).text
    fields = {"content": "Hm", "parent_comment_id": str(elsewhere.pk)}
    assert client.post(page(post, "/comments/add"), fields).status_code == 400
    assert Comment.objects.count() == 1


def test_comments_are_deleted_by_their_author_and_the_posts(
    client: Client, owner: User, friend: User, stranger: User
) -> None:
    post = make_post(owner)
    comments = [comment_on(post, friend, "One"), comment_on(post, friend, "Two")]
    urls = [page(post, f"/comments/{comment.pk}/delete") for comment in comments]
    client.force_login(stranger)
    assert urls[0] not in client.get(page(post)).text
    assert client.post(urls[0]).status_code == 404
    assert Comment.objects.count() == 2
    client.force_login(friend)
    assert urls[0] in client.get(page(post)).text
    assert client.post(urls[0]).headers["Location"] == f"{page(post)}#comments"
    client.force_login(owner)
    text = client.post(urls[1], headers=HTMX).text
    assert "No comments yet." in text
    assert not Comment.objects.exists()
    assert client.post(urls[1]).status_code == 404


def test_a_hidden_posts_comments_are_hidden(client: Client, owner: User, stranger: User) -> None:
    post = make_post(owner, visibility=Visibility.PRIVATE)
    comment = comment_on(post, owner, "Secret")
    client.force_login(stranger)
    assert client.get(page(post, "/comments"), headers=HTMX).status_code == 404
    assert client.post(page(post, f"/comments/{comment.pk}/delete")).status_code == 404
    assert Comment.objects.exists()


def test_twelve_comments_take_as_many_queries_as_three(
    client: Client, owner: User, stranger: User
) -> None:
    post = make_post(owner)
    client.force_login(owner)
    counts = []
    for number in (3, 9):
        for _ in range(number):
            comment_on(post, stranger, parent_comment=post.comments.first())
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page(post)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- Edit and delete ------------------------------------------------------------------------


def written(post: Post, **changes: str) -> dict[str, str]:
    same = {"title": post.title, "description": "", "category_id": "", "tags": ""}
    return {**same, "visibility": post.visibility, **changes}


def test_the_author_edits_what_the_form_shows(client: Client, owner: User) -> None:
    post = make_post(owner, title="Old", tags=["biển"], visibility=Visibility.FRIENDS)
    travel = Category.objects.get(slug="travel")
    client.force_login(owner)
    text = client.get(page(post, "/edit")).text
    assert 'value="Old" required' in text
    assert 'value="biển"' in text
    assert 'value="friends" checked' in text
    form = written(post, title="New", description="Words", category_id=str(travel.pk), tags="a, b")
    response = client.post(page(post, "/edit"), {**form, "visibility": "public"})
    assert response.headers["Location"] == page(post)
    post.refresh_from_db()
    assert (post.title, post.description, post.category) == ("New", "Words", travel)
    assert (post.tags, post.visibility) == (["a", "b"], "public")


def test_what_the_author_leaves_as_it_was_stays_open_to_the_ai(client: Client, owner: User) -> None:
    post = make_post(owner, ai_writable_fields=["title", "description", "category", "tags"])
    client.force_login(owner)
    client.post(page(post, "/edit"), written(post, tags="biển"))
    post.refresh_from_db()
    assert post.ai_writable_fields == ["title", "description", "category"]


@pytest.mark.parametrize(
    "change", [{"title": ""}, {"title": "x" * 256}, {"category_id": UNKNOWN_ID}]
)
def test_a_refused_edit_says_why_and_changes_nothing(
    client: Client, owner: User, change: dict[str, str]
) -> None:
    post = make_post(owner)
    client.force_login(owner)
    response = client.post(page(post, "/edit"), written(post, description="Kept", **change))
    assert response.status_code == 400
    assert 'class="error" role="alert"' in response.text
    assert "Kept</textarea>" in response.text
    assert same_as_before(post)


def test_deleting_asks_first(client: Client, owner: User) -> None:
    post = make_post(owner)
    client.force_login(owner)
    assert "Delete this post?" in client.get(page(post, "/delete")).text
    assert Post.objects.exists()
    response = client.post(page(post, "/delete"))
    assert response.headers["Location"] == f"/members/{owner.pk}"
    assert not Post.objects.exists()
