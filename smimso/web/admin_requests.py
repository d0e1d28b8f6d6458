"""Answers of the admin to addresses and forms that staff did not get from the admin itself.

Django's own classes redirect from some of them and fail with status 500 on others.
"""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, ValidationError
from django.http import Http404, HttpRequest, HttpResponse

from smimso.web.malformed import MALFORMED


class _StrictRequests(ModelAdmin):
    """Answers malformed filters and ids with 400, and objects that do not exist with 404."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            return super().get_changelist_instance(request)
        except (IncorrectLookupParameters, ValueError, OverflowError, *MALFORMED) as error:
            if request.GET:
                raise BadRequest("Malformed filter") from error
            raise

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(text)
            except ValidationError as error:
                raise BadRequest("Malformed id") from error
        return super().response_action(request, *args, **kwargs)

    def _get_obj_does_not_exist_redirect(self, *args: object) -> HttpResponse:
        raise Http404


def strict(admin_class: type[ModelAdmin]) -> type[ModelAdmin]:
    """Return the class with strict requests."""
    attributes = {"__module__": admin_class.__module__, "__doc__": admin_class.__doc__}
    return type(admin_class.__name__, (_StrictRequests, admin_class), attributes)
