"""Admin of posts and images, with the results of the AI and a way to retry."""

import re
from functools import partial
from typing import Any, Literal
from uuid import UUID

from django.contrib import admin, messages
from django.db import models, transaction
from django.db.models import Q
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from posts import feed, services
from posts.admin.duplicates import duplicates_page
from posts.files import access
from posts.full_text import filter_by_words
from posts.models import Post, PostImage
from posts.tags import clean_tags
from smimso.login_names import normalize_email
from smimso.templatetags.isolation import bdi
from smimso.web.text_fields import VisibleTextAdmin

MAX_INLINE_IMAGES = 100  # however many a changed form claims
RETRY = _("Retry AI processing")
REMOVE = {"author": _("Remove the author's captions"), "ai": _("Remove the AI's captions")}


def _thumbnail(post: Post, image: PostImage, *, large: bool = False) -> SafeString:
    return format_html(
        '<img class="admin-thumbnail{}" src="{}" alt="{}" loading="lazy">',
        " large" if large else "",
        access.file_url(image, post.visibility, "thumbnail"),
        image.alt_text,
    )


def admin_link(model: str, row: models.Model) -> SafeString:
    """Return a link to the admin page of a row. model: as in "posts_post"."""
    url = reverse(f"admin:{model}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, bdi(Truncator(str(row)).chars(60)))


def _retry(request: HttpRequest, image_ids: list[UUID]) -> None:
    count = services.retry_images(image_ids)
    if count:
        text = gettext("{count} of {total} images are queued for the AI again.")
        messages.success(request, text.format(count=count, total=len(image_ids)))
    else:
        text = gettext("None of these images is stored here, so none can be retried.")
        messages.warning(request, text)


def _find_posts(text: str) -> models.QuerySet[Post]:
    """Find posts of any visibility by full text, or by the author's e-mail address or an ID."""
    if re.fullmatch(r"\S+@\S+", text):
        return Post.objects.filter(user__email=normalize_email(text))
    try:
        pk = UUID(text)
    except ValueError:
        return filter_by_words(Post.objects.all(), text)
    of_image = PostImage.objects.filter(pk=pk).values_list("post", flat=True)
    return Post.objects.filter(Q(pk__in=[pk, *of_image]) | Q(user=pk))


class _ContentAdmin(VisibleTextAdmin):
    """Base class that deletes image files with their rows, and saves only edited columns."""

    search_fields = ["words"]  # makes Django show the search box; see `get_search_results`
    search_help_text = _("Text of the post or its captions, the author's e-mail address, or an ID")
    post_path = "pk"  # lookup from a row to its post

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet, search_term: str
    ) -> tuple[models.QuerySet, bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        return queryset.filter(**{f"{self.post_path}__in": _find_posts(text).values("pk")}), False

    def images_of(self, queryset: models.QuerySet) -> models.QuerySet[PostImage]:
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """Save only edited columns: a worker may have written the others in the meantime."""
        obj.save(update_fields=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        self.delete_queryset(request, type(obj)._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        with transaction.atomic():
            image_ids = list(self.images_of(queryset).values_list("pk", flat=True))
            queryset.delete()
            feed.invalidate_total()
            for image_id in image_ids:
                transaction.on_commit(partial(access.remove_image, image_id))


class PostImageInline(admin.TabularInline):
    """Show the images of a post; they are edited on their own pages."""

    model = PostImage
    readonly_fields = [
        "thumbnail",
        "user_caption",
        "ai_caption",
        "ai_status",
        "ai_attempts",
        "ai_error",
    ]
    fields = [*readonly_fields]
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PostImage]:
        return PostImage.objects.select_related("post").without_vectors()

    def get_formset(self, request: HttpRequest, obj: Post | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, absolute_max=MAX_INLINE_IMAGES, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Post | None = None) -> bool:
        return False

    @admin.display(description=_("picture"))
    def thumbnail(self, image: PostImage) -> SafeString:
        return _thumbnail(image.post, image)


@admin.register(Post)
class PostAdmin(_ContentAdmin):
    list_display = ["thumbnail", "title", "author", "visibility", "ai_states", "created_at"]
    list_display_links = ["thumbnail", "title"]
    list_filter = ["visibility", ("images__ai_status", admin.ChoicesFieldListFilter), "category"]
    ordering = ["-created_at", "-id"]
    list_per_page = 50
    show_full_result_count = False
    inlines = [PostImageInline]
    actions = ["retry_ai"]
    readonly_fields = [
        "user",
        "caption",
        "ai_writable_fields",
        "view_count",
        "like_count",
        "comment_count",
        "created_at",
        "updated_at",
    ]
    fields = [
        "user",
        "title",
        "description",
        "category",
        "tags",
        "visibility",
        *readonly_fields[1:],
    ]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Post]:
        return Post.objects.for_display(request.user)

    def images_of(self, queryset: models.QuerySet) -> models.QuerySet[PostImage]:
        return PostImage.objects.filter(post__in=queryset)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """Close the edited fields to the AI."""
        post = Post.objects.select_for_update().get(pk=obj.pk)
        obj.ai_writable_fields = [
            name for name in post.ai_writable_fields if name not in form.changed_data
        ]
        obj.ai_fields = [name for name in post.ai_fields if name not in form.changed_data]
        obj.tags = clean_tags(obj.tags or []) or None
        fields = [*form.changed_data, "ai_writable_fields", "ai_fields", "updated_at"]
        obj.save(update_fields=fields)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: posts are created with their pictures, on the upload page."""
        return False

    def view_on_site(self, post: Post) -> str:
        return reverse("post", args=[post.pk])

    @admin.display(description=_("picture"))
    def thumbnail(self, post: Post) -> SafeString | str:
        image = next(iter(post.images.all()), None)
        return _thumbnail(post, image) if image else "–"

    @admin.display(description=_("author"), ordering="user__first_name")
    def author(self, post: Post) -> SafeString:
        return admin_link("accounts_user", post.user)

    @admin.display(description=_("AI states"))
    def ai_states(self, post: Post) -> str:
        return ", ".join(image.ai_status for image in post.images.all())

    @admin.action(description=RETRY, permissions=["change"])
    def retry_ai(self, request: HttpRequest, queryset: models.QuerySet[Post]) -> None:
        images = PostImage.objects.filter(post__in=queryset.order_by())
        _retry(request, list(images.values_list("pk", flat=True)))


@admin.register(PostImage)
class PostImageAdmin(_ContentAdmin):
    list_display = [
        "thumbnail",
        "post_link",
        "ai_status",
        "ai_attempts",
        "ai_error",
        "embedding_model",
        "created_at",
    ]
    list_filter = ["ai_status"]  # a filter by model would scan the table; /admin/ai/ links to it
    list_select_related = ["post"]
    post_path = "post"
    ordering = ["-created_at", "-id"]
    list_per_page = 50
    show_full_result_count = False
    actions = ["retry_ai", "remove_author_captions", "remove_ai_captions"]
    readonly_fields = [
        "picture",
        "post_link",
        # Captions are read-only: text edited here would have another source.
        "user_caption",
        "ai_caption",
        "caption_model",
        "ai_status",
        "ai_attempts",
        "ai_error",
        "ai_queued_at",
        "embedding_model",
        "width",
        "height",
        "file_size",
        "checksum",
        "image_path",
        "created_at",
    ]
    fields = [*readonly_fields[:5], "display_order", *readonly_fields[5:]]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PostImage]:
        return PostImage.objects.select_related("post").without_vectors()

    def images_of(self, queryset: models.QuerySet) -> models.QuerySet[PostImage]:
        return queryset

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(partial(duplicates_page, self))
        return [path("duplicates/", view, name="posts_postimage_duplicates"), *super().get_urls()]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the lookup of the link from a member's page to the member's images."""
        by_member = lookup == "post__user__id__exact"
        return by_member or super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: images are created with a post, on the upload page."""
        return False

    @admin.display(description=_("picture"))
    def thumbnail(self, image: PostImage) -> SafeString:
        return _thumbnail(image.post, image)

    @admin.display(description=_("picture"))
    def picture(self, image: PostImage) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>',
            access.file_url(image, image.post.visibility),
            _thumbnail(image.post, image, large=True),
        )

    @admin.display(description=_("post"), ordering="post__title")
    def post_link(self, image: PostImage) -> SafeString:
        return admin_link("posts_post", image.post)

    @admin.action(description=RETRY, permissions=["change"])
    def retry_ai(self, request: HttpRequest, queryset: models.QuerySet[PostImage]) -> None:
        _retry(request, list(queryset.order_by().values_list("pk", flat=True)))

    @admin.action(description=REMOVE["author"], permissions=["change"])
    def remove_author_captions(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        self._remove_captions(request, queryset, "author")

    @admin.action(description=REMOVE["ai"], permissions=["change"])
    def remove_ai_captions(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        self._remove_captions(request, queryset, "ai")

    def _remove_captions(
        self, request: HttpRequest, queryset: models.QuerySet, source: Literal["author", "ai"]
    ) -> None:
        images = list(queryset)
        count = services.remove_captions([image.pk for image in images], source=source)
        for image in images:
            self.log_change(request, image, str(REMOVE[source]))
        text = gettext("Removed the captions of {count} images.")
        messages.success(request, text.format(count=count))
