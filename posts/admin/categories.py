"""Admin of categories, in this app because a change affects the categories of posts."""

from django.contrib import admin, messages
from django.contrib.postgres.search import SearchVectorExact
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Category
from posts.full_text import words_query
from posts.ingest import queue
from smimso.text import FoldedWords
from smimso.web.text_fields import VisibleTextAdmin


@admin.register(Category)
class CategoryAdmin(VisibleTextAdmin):
    list_display = ["name", "slug", "prompt", "prompt_vi"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    actions = ["reclassify_all"]

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Category], search_term: str
    ) -> tuple[models.QuerySet[Category], bool]:
        """Find categories also by the folded words of their names."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        words = words_query(search_term)
        if words is not None:
            found |= queryset.filter(SearchVectorExact(FoldedWords("name"), words))
        return found, may_repeat

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
