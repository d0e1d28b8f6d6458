"""Administration of posts, images and comments: what the AI made of them, another try for it."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Category
from posts import counters, feed, files, queue, services
from posts.duplicate_groups import duplicate_groups
from posts.models import Comment, Post, PostImage
from posts.places import place_of

RETRY = _("Give the AI another try")


def _thumbnail(post: Post, image: PostImage, *, large: bool = False) -> SafeString:
    return format_html(
        '<img class="admin-thumbnail{}" src="{}" alt="{}" loading="lazy">',
        " large" if large else "",
        files.file_url(image, post.visibility, "thumbnail"),
        image.alt_text,
    )


def _link(model: str, row: models.Model) -> SafeString:
    """To a row's own page; model: as in "posts_post"."""
    url = reverse(f"admin:{model}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, Truncator(str(row)).chars(60))


def _retry(request: HttpRequest, image_ids: list[UUID]) -> None:
    count = services.retry_images(image_ids)
    if count:
        text = gettext("{count} of {total} images wait for the AI again.")
        messages.success(request, text.format(count=count, total=len(image_ids)))
    else:
        text = gettext("None of these images is stored here, so none can be retried.")
        messages.warning(request, text)


class _ContentAdmin(admin.ModelAdmin):
    """Deletes the files of images with their rows; writes only the columns that were edited."""

    def images_of(self, queryset: models.QuerySet) -> models.QuerySet[PostImage]:
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """A worker may have written the other columns since this form was read."""
        obj.save(update_fields=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        self.delete_queryset(request, type(obj)._default_manager.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet) -> None:
        with transaction.atomic():
            image_ids = list(self.images_of(queryset).values_list("pk", flat=True))
            queryset.delete()
            feed.forget_total()
            for image_id in image_ids:
                transaction.on_commit(partial(files.remove_image, image_id))


class PostImageInline(admin.TabularInline):
    """To look at; an image is edited on its own page."""

    model = PostImage
    fields = ["thumbnail", "user_caption", "ai_caption", "ai_status", "ai_attempts", "ai_error"]
    readonly_fields = [
        "thumbnail",
        "user_caption",
        "ai_caption",
        "ai_status",
        "ai_attempts",
        "ai_error",
    ]
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PostImage]:
        return PostImage.objects.select_related("post").without_vectors()

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
    search_fields = ["title", "description", "user__email", "user__first_name", "user__last_name"]
    ordering = ["-created_at", "-id"]
    list_per_page = 50
    show_full_result_count = False
    inlines = [PostImageInline]
    actions = ["retry_ai"]
    fields = [
        "user",
        "title",
        "description",
        "category",
        "tags",
        "visibility",
        "caption",
        "open_fields",
        "view_count",
        "like_count",
        "comment_count",
        "created_at",
        "updated_at",
    ]
    readonly_fields = [
        "user",
        "caption",
        "open_fields",
        "view_count",
        "like_count",
        "comment_count",
        "created_at",
        "updated_at",
    ]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Post]:
        return Post.objects.for_display(request.user)

    def images_of(self, queryset: models.QuerySet) -> models.QuerySet[PostImage]:
        return PostImage.objects.filter(post__in=queryset)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """What was edited here is no longer for the AI to fill in."""
        post = Post.objects.select_for_update().get(pk=obj.pk)
        obj.open_fields = [name for name in post.open_fields if name not in form.changed_data]
        obj.ai_fields = [name for name in post.ai_fields if name not in form.changed_data]
        fields = [*form.changed_data, "open_fields", "ai_fields", "updated_at"]
        obj.save(update_fields=fields)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A post begins with its pictures, on the upload page."""
        return False

    def view_on_site(self, post: Post) -> str:
        return reverse("post", args=[post.pk])

    @admin.display(description=_("picture"))
    def thumbnail(self, post: Post) -> SafeString | str:
        image = next(iter(post.images.all()), None)
        return _thumbnail(post, image) if image else "–"

    @admin.display(description=_("author"), ordering="user__first_name")
    def author(self, post: Post) -> SafeString:
        return _link("accounts_user", post.user)

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
    list_filter = ["ai_status"]  # that of a model would look at every row; /admin/ai/ has links
    list_select_related = ["post"]
    search_fields = ["post__title", "post__user__email", "ai_caption", "user_caption"]
    ordering = ["-created_at", "-id"]
    list_per_page = 50
    show_full_result_count = False
    actions = ["retry_ai"]
    fields = [
        "picture",
        "post_link",
        "user_caption",
        "ai_caption",
        "display_order",
        "ai_status",
        "ai_attempts",
        "ai_error",
        "ai_queued_at",
        "embedding_model",
        "caption_model",
        "width",
        "height",
        "file_size",
        "checksum",
        "image_path",
        "created_at",
    ]
    readonly_fields = [
        "picture",
        "post_link",
        "ai_status",
        "ai_attempts",
        "ai_error",
        "ai_queued_at",
        "embedding_model",
        "caption_model",
        "width",
        "height",
        "file_size",
        "checksum",
        "image_path",
        "created_at",
    ]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PostImage]:
        return PostImage.objects.select_related("post").without_vectors()

    def images_of(self, queryset: models.QuerySet) -> models.QuerySet[PostImage]:
        return queryset

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.duplicates)
        return [path("duplicates/", view, name="posts_postimage_duplicates"), *super().get_urls()]

    def duplicates(self, request: HttpRequest) -> HttpResponse:
        """Groups of images that repeat each other, page by page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        groups, last = duplicate_groups(place_of(request.GET.get("after", "")))
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": gettext("Duplicate images"),
            "groups": groups,
            "after": last or "",
        }
        return render(request, "admin/posts/postimage/duplicates.html", page)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The link on a member's page asks for that member's images."""
        known = lookup == "post__user__id__exact"
        return known or super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Images come with a post, through the upload page."""
        return False

    @admin.display(description=_("picture"))
    def thumbnail(self, image: PostImage) -> SafeString:
        return _thumbnail(image.post, image)

    @admin.display(description=_("picture"))
    def picture(self, image: PostImage) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>',
            files.file_url(image, image.post.visibility),
            _thumbnail(image.post, image, large=True),
        )

    @admin.display(description=_("post"), ordering="post__title")
    def post_link(self, image: PostImage) -> SafeString:
        return _link("posts_post", image.post)

    @admin.action(description=RETRY, permissions=["change"])
    def retry_ai(self, request: HttpRequest, queryset: models.QuerySet[PostImage]) -> None:
        _retry(request, list(queryset.order_by().values_list("pk", flat=True)))


@admin.register(Comment)
class CommentAdmin(admin.ModelAdmin):
    """To find and to delete; what members wrote is not for others to rewrite."""

    list_display = ["excerpt", "author", "post_link", "created_at"]
    list_select_related = ["user", "post"]
    search_fields = ["content", "user__email", "post__title"]
    ordering = ["-created_at", "-id"]
    list_per_page = 50
    show_full_result_count = False
    fields = ["author", "post_link", "parent_comment", "content", "created_at", "updated_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Comment | None = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: Comment) -> None:
        self.delete_queryset(request, Comment.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Comment]) -> None:
        """Replies go too, and the posts' counters follow."""
        with transaction.atomic():
            post_ids = set(queryset.order_by().values_list("post_id", flat=True))
            # As everybody who changes a post: it first, then what hangs on it.
            list(Post.objects.select_for_update().filter(pk__in=post_ids).order_by("pk"))
            queryset.delete()
            counters.correct(post_ids)

    @admin.display(description=_("comment"))
    def excerpt(self, comment: Comment) -> str:
        return Truncator(comment.content).chars(80)

    @admin.display(description=_("author"), ordering="user__first_name")
    def author(self, comment: Comment) -> SafeString:
        return _link("accounts_user", comment.user)

    @admin.display(description=_("post"), ordering="post__title")
    def post_link(self, comment: Comment) -> SafeString:
        return _link("posts_post", comment.post)


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    """Here, because a category decides about posts."""

    list_display = ["name", "slug", "prompt", "prompt_vi"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    actions = ["classify_anew"]

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if {"name", "prompt", "prompt_vi"} & set(form.changed_data):
            text = gettext(
                "Posts keep their categories until the action below classifies them anew."
            )
            messages.info(request, text)

    def has_classify_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("posts.change_post")

    @admin.action(
        description=_("Classify all posts by all categories anew"), permissions=["classify"]
    )
    def classify_anew(self, request: HttpRequest, queryset: models.QuerySet[Category]) -> None:
        if queue.enqueue_classification():
            text = gettext("Posts whose category no author chose are classified anew.")
            messages.success(request, text)
        else:
            text = gettext("The queue can't be reached. Please try again later.")
            messages.error(request, text)
