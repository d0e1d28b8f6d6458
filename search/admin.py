"""The administration's page on the model of the search: change it, follow that, go back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from ai import spaces
from ai.models import State, VectorSpace
from ai.presets import PRESETS
from search import model_change
from search.model_change import Progress
from smimso.errors import SmimsoError

PERMISSION = "ai.change_model"
REFRESH_SECONDS = 5
_DOES = {
    "cancel": (model_change.cancel, "The change is cancelled."),
    "roll_back": (model_change.roll_back, "The collection goes back to the former model."),
    "finish": (model_change.finish, "The former model's vectors are given up."),
}


class ModelForm(forms.Form):
    model = forms.CharField(max_length=500, help_text=f"{', '.join(PRESETS)}, or open_clip's name")
    pretrained = forms.CharField(max_length=500, required=False, help_text="a tag of its weights")


@admin.register(VectorSpace)
class VectorSpaceAdmin(admin.ModelAdmin):
    """One page instead of a list. What it starts, the maintenance worker does."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        form = ModelForm(request.POST or None)
        if request.method == "POST" and _do(request, form):
            return redirect("admin:ai_vectorspace_changelist")
        found = model_change.progress()
        page = {
            **self.admin_site.each_context(request),
            "title": "Model of the search",
            "opts": self.model._meta,
            "form": form,
            "searched": spaces.active().name,
            "found": found,
            "minutes_left": _minutes_left(found) if found else None,
        }
        response = TemplateResponse(request, "admin/model_change.html", page)
        if found and found.state != State.KEPT:
            response.headers["Refresh"] = str(REFRESH_SECONDS)
        return response


def _do(request: HttpRequest, form: ModelForm) -> bool:
    """False when the form has to be shown again."""
    action = request.POST.get("action", "")
    try:
        if action in _DOES:
            work, said = _DOES[action]
            work()
        elif form.is_valid():
            model_change.start(form.cleaned_data["model"], form.cleaned_data["pretrained"])
            said = "The workers load the model and embed all images with it."
        else:
            return False
    except SmimsoError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return True


def _minutes_left(found: Progress) -> float | None:
    """At the rate since the change began; None before there is one."""
    passed = (timezone.now() - found.since).total_seconds()
    if found.state != State.COMING or not found.done or not found.left:
        return None
    return found.left * passed / found.done / 60
