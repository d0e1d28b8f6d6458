"""Admin of posts, images and members."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Category, Follow, User
from posts import interactions, services
from posts.models import AIStatus, Comment, Post, PostImage
from posts.visibility import Visibility
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
PAGES = [
    "/admin/",
    "/admin/posts/post/",
    "/admin/posts/postimage/",
    "/admin/posts/comment/",
    "/admin/accounts/user/",
    "/admin/accounts/follow/",
    "/admin/accounts/category/",
]


@pytest.fixture
def admin(member: Callable[..., User]) -> User:
    return member("Admin", is_staff=True, is_superuser=True)


@pytest.fixture
def shared(owner: User, picture: Callable[..., bytes]) -> Callable[..., Post]:
    def make(images: int = 1, **fields: str) -> Post:
        uploads = [SimpleUploadedFile("a.jpg", picture()) for _ in range(images)]
        return services.create_post(author=owner, uploads=uploads, **fields)

    return make


def retry(client: Client, path: str, *ids: object) -> str:
    form = {"action": "retry_ai", "_selected_action": [str(pk) for pk in ids]}
    return client.post(path, form, follow=True).text


@pytest.mark.parametrize("path", PAGES)
def test_only_staff_comes_in(client: Client, stranger: User, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/admin/login/")
    client.force_login(stranger)
    assert client.get(path).headers["Location"].startswith("/admin/login/")


def test_an_administrator_logs_in_with_an_email_in_any_case(client: Client, admin: User) -> None:
    form = {"username": admin.email.upper(), "password": PASSWORD}
    assert client.post("/admin/login/?next=/admin/", form).headers["Location"] == "/admin/"


@pytest.mark.parametrize("path", PAGES)
def test_every_list_can_be_shown(
    client: Client, admin: User, shared: Callable[..., Post], path: str
) -> None:
    shared()
    client.force_login(admin)
    response = client.get(path)
    assert response.status_code == 200
    assert "script-src 'self';" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/admin/posts/post/", "/admin/posts/postimage/"])
def test_lists_need_no_query_per_row_and_never_load_vectors(
    client: Client, admin: User, shared: Callable[..., Post], path: str
) -> None:
    client.force_login(admin)
    counts = []
    for number in (2, 6):
        for _ in range(number):
            shared()
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))
        assert not any('"embedding"' in query["sql"] for query in queries.captured_queries)
    assert counts[0] == counts[1]


def test_a_private_picture_can_be_seen_by_its_signed_thumbnail(
    client: Client, admin: User, shared: Callable[..., Post]
) -> None:
    image = shared(visibility=Visibility.PRIVATE).images.get()
    client.force_login(admin)
    page = client.get(f"/admin/posts/postimage/{image.pk}/change/")
    start = page.text.index(f"/uploads/posts/{image.pk}.thumbnail.webp?")
    url = page.text[start : page.text.index('"', start)].replace("&amp;", "&")
    assert client.get(url).headers["Content-Type"] == "image/webp"


def test_failed_images_are_filtered_show_why_and_get_another_try(
    client: Client, admin: User, shared: Callable[..., Post]
) -> None:
    good, bad = shared().images.get(), shared().images.get()
    PostImage.objects.filter(pk=bad.pk).update(
        ai_status=AIStatus.FAILED, ai_error="The worker did not survive", ai_attempts=5
    )
    client.force_login(admin)
    page = client.get("/admin/posts/postimage/?ai_status__exact=failed").text
    assert "The worker did not survive" in page
    assert str(bad.pk) in page
    assert str(good.pk) not in page

    assert "1 of 1 images are queued" in retry(client, "/admin/posts/postimage/", bad.pk)
    bad.refresh_from_db()
    assert (bad.ai_status, bad.ai_error, bad.ai_attempts) == (AIStatus.PENDING, "", 0)


def test_a_posts_images_get_another_try_together(
    client: Client, admin: User, shared: Callable[..., Post]
) -> None:
    post = shared(images=2)
    post.images.update(ai_status=AIStatus.FAILED)
    client.force_login(admin)
    assert str(post.pk) in client.get("/admin/posts/post/?images__ai_status__exact=failed").text
    assert "2 of 2 images are queued" in retry(client, "/admin/posts/post/", post.pk)
    assert set(post.images.values_list("ai_status", flat=True)) == {AIStatus.PENDING}


def test_an_image_that_is_stored_elsewhere_cannot_be_retried(
    client: Client, admin: User, owner: User
) -> None:
    post = Post.objects.create(user=owner, title="Imported")
    image = PostImage.objects.create(post=post, image_url="https://elsewhere.test/a.jpg")
    client.force_login(admin)
    assert "none can be retried" in retry(client, "/admin/posts/postimage/", image.pk)


def test_staff_without_the_right_to_change_images_cannot_retry(
    client: Client, member: Callable[..., User], shared: Callable[..., Post]
) -> None:
    image = shared().images.get()
    PostImage.objects.filter(pk=image.pk).update(ai_status=AIStatus.FAILED)
    client.force_login(member("Helper", is_staff=True))
    assert client.get("/admin/posts/postimage/").status_code == 403
    retry(client, "/admin/posts/postimage/", image.pk)
    image.refresh_from_db()
    assert image.ai_status == AIStatus.FAILED


def test_editing_an_image_leaves_what_the_workers_and_the_author_wrote(
    client: Client, admin: User, shared: Callable[..., Post]
) -> None:
    """A caption edited by staff would no longer match the source shown next to it."""
    image = shared().images.get()
    vector = [1.0] + [0.0] * 511
    PostImage.objects.filter(pk=image.pk).update(
        embedding=vector,
        embedding_model="m",
        user_caption="My cat",
        ai_caption="a cat",
        caption_model="blip",
    )
    client.force_login(admin)
    form = {"user_caption": "By hand", "ai_caption": "by hand", "display_order": 3}
    client.post(f"/admin/posts/postimage/{image.pk}/change/", form)
    image.refresh_from_db()
    assert (image.user_caption, image.ai_caption, image.display_order) == ("My cat", "a cat", 3)
    assert list(image.embedding) == vector


def test_staff_take_captions_away_and_what_is_left_keeps_its_source(
    client: Client, admin: User, shared: Callable[..., Post]
) -> None:
    post = shared(images=2)
    image, other = post.images.all()
    said = {"user_caption": "Rude", "ai_caption": "a cat", "caption": "a cat"}
    post.images.update(**said, caption_model="blip")
    described = {"caption": "a cat", "description": "a cat", "ai_fields": ["description"]}
    Post.objects.filter(pk=post.pk).update(**described)
    client.force_login(admin)

    def after(action: str) -> PostImage:
        form = {"action": action, "_selected_action": [str(image.pk)]}
        page = client.post("/admin/posts/postimage/", form, follow=True).text
        assert "Removed the captions of 1 images." in page
        return PostImage.objects.get(pk=image.pk)

    left = after("remove_author_captions")
    assert (left.alt_text, left.caption_source) == ("a cat", "blip")
    left = after("remove_ai_captions")
    assert (left.alt_text, left.caption_source) == ("", None)
    post.refresh_from_db()
    assert (post.caption, post.description) == (None, None)
    other.refresh_from_db()
    assert other.alt_text == "Rude"
    assert "Remove the author" in client.get(f"/admin/posts/postimage/{image.pk}/history/").text


def test_staff_without_the_right_to_change_images_take_no_caption_away(
    client: Client, member: Callable[..., User], shared: Callable[..., Post]
) -> None:
    image = shared().images.get()
    PostImage.objects.filter(pk=image.pk).update(user_caption="Mine")
    helper = member("Helper", is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_postimage"))
    client.force_login(helper)
    form = {"action": "remove_author_captions", "_selected_action": [str(image.pk)]}
    client.post("/admin/posts/postimage/", form)
    image.refresh_from_db()
    assert image.user_caption == "Mine"


def test_what_an_administrator_wrote_is_no_longer_for_the_ai_to_fill(
    client: Client, admin: User, shared: Callable[..., Post]
) -> None:
    post = shared()
    client.force_login(admin)
    form = {
        "title": "By hand",
        "description": "",
        "category": "",
        "tags": "",
        "visibility": "public",
        "images-TOTAL_FORMS": 0,
        "images-INITIAL_FORMS": 0,
    }
    response = client.post(f"/admin/posts/post/{post.pk}/change/", form)
    assert response.status_code == 302
    post.refresh_from_db()
    assert post.title == "By hand"
    assert post.ai_writable_fields == ["description", "category", "tags"]
    client.post(f"/admin/posts/post/{post.pk}/change/", form | {"tags": "#Sunset,sunset, SUNSET"})
    post.refresh_from_db()
    assert post.tags == ["Sunset"]


@pytest.mark.django_db(transaction=True)
def test_deleting_a_post_deletes_its_files(
    client: Client, admin: User, shared: Callable[..., Post]
) -> None:
    post, kept = shared(images=2), shared()
    folder = Path(settings.MEDIA_ROOT) / "posts"
    doomed = [path for image in post.images.all() for path in folder.glob(f"{image.pk}*")]
    assert len(doomed) == 6
    client.force_login(admin)
    client.post(f"/admin/posts/post/{post.pk}/delete/", {"post": "yes"})
    assert not any(path.exists() for path in doomed)
    assert list(Post.objects.all()) == [kept]
    assert len(list(folder.glob(f"{kept.images.get().pk}*"))) == 3


def test_members_are_deactivated_and_never_deleted(
    client: Client, admin: User, owner: User
) -> None:
    client.force_login(admin)
    url = f"/admin/accounts/user/{owner.pk}/delete/"
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=owner.pk).exists()


# --- Search ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/admin/posts/post/", "/admin/posts/postimage/"])
def test_posts_and_images_are_found_by_words_by_an_email_or_by_an_id(
    client: Client, admin: User, owner: User, shared: Callable[..., Post], path: str
) -> None:
    """Whatever their visibility, regardless of diacritics, with the full-text index."""
    post = shared(title="Phố cổ Hội An", visibility=Visibility.PRIVATE)
    image = post.images.get()
    PostImage.objects.filter(pk=image.pk).update(ai_caption="yellow lanterns", user_caption="Đêm")
    upload = SimpleUploadedFile("a.jpg", Path(settings.MEDIA_ROOT, image.image_path).read_bytes())
    services.create_post(author=admin, uploads=[upload], title="Another")
    client.force_login(admin)

    def found(text: str) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            page = client.get(path, {"q": text})
        assert not any("LIKE" in query["sql"] for query in queries.captured_queries)
        return [str(row.pk) for row in page.context["cl"].result_list]

    expected = [str(post.pk if path == PAGES[1] else image.pk)]
    for text in ("pho co", "hoi an phố", "lantern", "dem", "owner", owner.email.upper()):
        assert found(text) == expected, text
    for pk in (post.pk, owner.pk, image.pk):
        assert found(f" {pk} ") == expected, pk
    for text in ("pho bo", "nobody@example.test", "?!", str(UUID(int=0))):
        assert found(text) == [], text
    assert len(found(" ")) == 2


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/admin/accounts/user/", "tran minh"),
        ("/admin/accounts/user/", "Trâ\u0300n"),
        ("/admin/accounts/user/", "MINH@EXAMPLE"),
        ("/admin/accounts/follow/", "tran"),
        ("/admin/accounts/follow/", "minh@example"),
        ("/admin/posts/comment/", "dep  qua"),
        ("/admin/posts/comment/", "🌸"),
        ("/admin/posts/comment/", "tran minh"),
        ("/admin/posts/comment/", "hoi an"),
        ("/admin/posts/comment/", "đẹp q"),
        ("/admin/accounts/category/", "pho bo"),
        ("/admin/accounts/category/", "noodle"),
    ],
)
def test_members_and_what_they_write_are_found_in_any_spelling(
    client: Client, admin: User, member: Callable[..., User], owner: User, path: str, text: str
) -> None:
    minh = member("Minh", last_name="Trần", email="minh@example.test")
    post = Post.objects.create(user=owner, title="Phố cổ Hội An")
    other = Post.objects.create(user=owner, title="Other")
    expected = {
        "/admin/accounts/user/": minh,
        "/admin/accounts/follow/": Follow.objects.create(follower=owner, following=minh),
        "/admin/posts/comment/": Comment.objects.create(user=minh, post=post, content="Đẹp quá 🌸"),
        "/admin/accounts/category/": Category.objects.create(
            name="Phở Bò", slug="noodle-soup", prompt="noodles"
        ),
    }
    Comment.objects.create(user=owner, post=other, content="Xấu")
    Follow.objects.create(follower=owner, following=admin)
    client.force_login(admin)
    page = client.get(path, {"q": text})
    assert list(page.context["cl"].result_list) == [expected[path]]


@pytest.mark.parametrize("path", PAGES[1:])
@pytest.mark.parametrize("text", ["?!", "' | & : * \\", "a" * 3_000, "🐱"])
def test_any_text_can_be_searched_for(client: Client, admin: User, path: str, text: str) -> None:
    client.force_login(admin)
    assert client.get(path, {"q": text}).status_code == 200


# --- Comments -------------------------------------------------------------------------------


def test_a_comment_is_deleted_with_its_replies_and_the_counter_follows(
    client: Client, admin: User, stranger: User, shared: Callable[..., Post]
) -> None:
    post = shared()
    comment = interactions.add_comment(user=stranger, post_id=post.pk, content="rude")
    interactions.add_comment(
        user=stranger, post_id=post.pk, content="ruder", parent_comment_id=comment.pk
    )
    kept = interactions.add_comment(user=stranger, post_id=post.pk, content="kind")
    client.force_login(admin)
    assert "rude" in client.get("/admin/posts/comment/?q=rude").text
    assert "kind" in client.get(f"/admin/posts/comment/{kept.pk}/change/").text
    client.post(f"/admin/posts/comment/{comment.pk}/delete/", {"post": "yes"})
    post.refresh_from_db()
    assert post.comment_count == 1
    assert list(Comment.objects.all()) == [kept]


def test_staff_cannot_edit_comments(
    client: Client, admin: User, stranger: User, shared: Callable[..., Post]
) -> None:
    comment = interactions.add_comment(user=stranger, post_id=shared().pk, content="mine")
    client.force_login(admin)
    url = f"/admin/posts/comment/{comment.pk}/change/"
    assert client.post(url, {"content": "changed"}).status_code == 403
    comment.refresh_from_db()
    assert comment.content == "mine"


# --- Members --------------------------------------------------------------------------------


@pytest.fixture
def helper(client: Client, member: Callable[..., User]) -> User:
    """A client of staff, not a superuser, with the permission to change members."""
    helper = member("Helper", is_staff=True)
    names = ["view_user", "change_user"]
    helper.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(helper)
    return helper


def test_a_members_page_leads_to_all_that_is_theirs(
    client: Client,
    admin: User,
    owner: User,
    shared: Callable[..., Post],
    picture: Callable[..., bytes],
) -> None:
    post = shared(title="By the owner")
    upload = SimpleUploadedFile("a.jpg", picture())
    services.create_post(author=admin, uploads=[upload], title="By the admin")
    client.force_login(admin)
    page = client.get(f"/admin/accounts/user/{owner.pk}/change/").text
    links = re.findall(rf'href="(/admin/[^"?]+\?[^"]+={owner.pk})"', page)
    lists = ("posts/post/", "posts/postimage/", "posts/comment/", "accounts/follow/")
    assert {link.partition("?")[0] for link in links} >= {f"/admin/{each}" for each in lists}
    for link in links:
        assert client.get(link).status_code == 200, link
    posts = client.get(links[0]).text
    assert str(post.pk) in posts
    assert "By the admin" not in posts
    assert str(post.images.get().pk) in client.get(links[1]).text


def test_members_are_deactivated_together_but_never_oneself(
    client: Client, admin: User, owner: User, stranger: User
) -> None:
    client.force_login(admin)
    ids = [str(user.pk) for user in (admin, owner, stranger)]
    form = {"action": "deactivate", "_selected_action": ids}
    assert "2 of 3" in client.post("/admin/accounts/user/", form, follow=True).text
    assert set(User.objects.filter(is_active=False)) == {owner, stranger}
    client.post("/admin/accounts/user/", {**form, "action": "activate"})
    assert not User.objects.filter(is_active=False).exists()


def test_who_may_change_members_does_not_make_superusers(
    client: Client, helper: User, owner: User
) -> None:
    for user in (helper, owner):
        url = f"/admin/accounts/user/{user.pk}/change/"
        page = client.get(url).text
        assert 'name="is_superuser"' not in page
        form = {"email": user.email, "first_name": "Changed", "last_name": "", "is_active": "on"}
        response = client.post(url, {**form, "is_staff": "on", "is_superuser": "on"})
        assert response.status_code == 302
        user.refresh_from_db()
        assert (user.first_name, user.is_superuser) == ("Changed", False)
    assert not owner.is_staff


def test_the_password_of_those_above_is_not_for_staff_to_set(
    client: Client, helper: User, admin: User
) -> None:
    before = admin.password
    url = f"/admin/accounts/user/{admin.pk}"
    form = {"password1": "a new password", "password2": "a new password", "usable_password": "true"}
    assert client.post(f"{url}/password/", form).status_code == 403
    assert client.post(f"{url}/change/", {"email": "mine@example.test"}).status_code == 403
    deactivate = {"action": "deactivate", "_selected_action": [str(admin.pk)]}
    client.post("/admin/accounts/user/", deactivate)
    admin.refresh_from_db()
    assert (admin.password, admin.is_active) == (before, True)
