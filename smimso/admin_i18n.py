"""Translation of the names of models and fields, for the admin.

Django derives a label from the field's name, where no `gettext` can mark it. These labels are in
`locale/` under "labels of models", and a test checks that none is missing.
"""

from typing import Any

from django.db.models import Field, Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, override


def translate_labels(model: type[Model]) -> None:
    """Make the labels, help texts and choices of a model lazily translated."""
    options: Any = model._meta
    with override(None):  # Django forms the plural by adding an s in any language
        options.verbose_name_plural = gettext_lazy(str(options.verbose_name_plural))
    options.verbose_name = _lazy(options.verbose_name)
    options.app_config.verbose_name = _lazy(options.app_config.verbose_name)
    for field in options.get_fields():
        if isinstance(field, Field):
            field.verbose_name = _lazy(field.verbose_name)
            field.help_text = _lazy(field.help_text) if field.help_text else ""
            if field.choices:
                field.choices = [(value, _lazy(label)) for value, label in field.flatchoices]


def _lazy(text: Any) -> Any:
    return text if isinstance(text, Promise) else gettext_lazy(text)
