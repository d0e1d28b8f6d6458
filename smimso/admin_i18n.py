"""What models and their fields are called, in the language of who reads it (the admin).

Django takes a field's name for its label, which no `gettext` in the source marks: `locale/` has
these words under "labels of models", and a test looks whether one is missing.
"""

from typing import Any

from django.db.models import Field, Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, override


def translate_labels(model: type[Model]) -> None:
    """Makes the labels, helps and choices of a model lazy; those of Django's own are so already."""
    options: Any = model._meta
    with override(None):  # the text itself: Django makes a plural by adding an s to any language's
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
