"""Fields for text that members and staff write, in REST, on pages and in the admin.

They apply the rule of `smimso.visible_text` first, so text that shows nothing counts as empty.
`…LineField` is for names, titles and tags, `…TextField` for text of several lines. `…EmailField`
normalizes addresses before they are checked.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from rest_framework import serializers

from smimso.login_names import normalize_email
from smimso.visible_text import clean_line, clean_text


class LineField(serializers.CharField):
    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(clean_line(data) if isinstance(data, str) else data)


class TextField(serializers.CharField):
    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(clean_text(data) if isinstance(data, str) else data)


class EmailField(serializers.EmailField):
    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(normalize_email(data) if isinstance(data, str) else data)


class FormLineField(forms.CharField):
    def to_python(self, value: object) -> str | None:
        return super().to_python(clean_line(value) if isinstance(value, str) else value)


class FormTextField(forms.CharField):
    def to_python(self, value: object) -> str | None:
        return super().to_python(clean_text(value) if isinstance(value, str) else value)


class FormEmailField(forms.EmailField):
    def to_python(self, value: object) -> str | None:
        return super().to_python(normalize_email(value) if isinstance(value, str) else value)


class VisibleTextAdmin(admin.ModelAdmin):
    """Cleans the text fields of its forms."""

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **options: Any
    ) -> forms.Field | None:
        if type(db_field) is models.CharField:
            options.setdefault("form_class", FormLineField)
        elif type(db_field) is models.TextField:
            options.setdefault("form_class", FormTextField)
        return super().formfield_for_dbfield(db_field, request, **options)
