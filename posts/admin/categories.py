"""Admin of categories, in this app because a change affects the categories of posts."""

from django.contrib import admin, messages
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Category
from posts.ingest import queue
from smimso.web.text_fields import VisibleTextAdmin


@admin.register(Category)
class CategoryAdmin(VisibleTextAdmin):
    list_display = ["name", "slug", "prompt", "prompt_vi"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    actions = ["reclassify_all"]

    def save_model(
        self, request: HttpRequest, obj: Category, form: ModelForm, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if {"name", "prompt", "prompt_vi"} & set(form.changed_data):
            text = gettext(
                "Posts keep their categories until you run the action “Reclassify all posts”."
            )
            messages.info(request, text)

    def has_classify_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("posts.change_post")

    @admin.action(description=_("Reclassify all posts"), permissions=["classify"])
    def reclassify_all(self, request: HttpRequest, queryset: models.QuerySet[Category]) -> None:
        if queue.enqueue_classification():
            text = gettext("Reclassifying all posts whose category was not chosen by the author.")
            messages.success(request, text)
        else:
            text = gettext("The queue can't be reached. Please try again later.")
            messages.error(request, text)
