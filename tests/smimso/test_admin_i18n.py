"""The admin's labels in Vietnamese."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Field
from django.utils import translation

from accounts.models import User
from posts.models import Post
from smimso.admin_i18n import translate_labels

OURS = {"accounts", "ai", "notifications", "posts", "search", "smimso"}


def labels() -> Iterator[Any]:
    for model, model_admin in admin.site._registry.items():
        options: Any = model._meta
        if options.app_label not in OURS:
            continue
        yield from (options.verbose_name, options.verbose_name_plural)
        yield options.app_config.verbose_name
        for field in options.get_fields():
            if isinstance(field, Field):
                yield from (field.verbose_name, field.help_text)
                yield from (label for _, label in field.flatchoices)
        for name in (
            *model_admin.list_display,
            *(model_admin.readonly_fields or ()),
            *(model_admin.actions or ()),
        ):
            yield getattr(getattr(model_admin, str(name), None), "short_description", "")
        yield from (title for title, _ in model_admin.fieldsets or ())


def test_every_label_of_the_admin_is_translated() -> None:
    texts = [text for text in labels() if text]
    with translation.override("en"):
        english = [str(text) for text in texts]
    with translation.override("vi"):
        vietnamese = [str(text) for text in texts]
    missing = {text for text, other in zip(english, vietnamese, strict=True) if text == other}
    assert missing == set()


def test_labels_are_translated_from_english_whatever_the_active_language() -> None:
    with translation.override("vi"):
        translate_labels(Post)
        translate_labels(User)
        translate_labels(Group)  # Django's own, translated by Django
    with translation.override("en"):
        plurals = [str(model._meta.verbose_name_plural) for model in (Post, User, Group)]
    assert plurals == ["posts", "users", "groups"]
