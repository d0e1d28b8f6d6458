"""The admin's page about the AI: `/admin/ai/`, made of sections that any app may add.

Sections are renewed every few seconds unless they say otherwise: forms would lose what was typed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

PERMISSION = "posts.view_postimage"  # this app knows no post; the admin's permissions are names
View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Section:
    """place: from the top. context: what the template shows. live: renewed by itself."""

    place: int
    template: str
    context: Callable[[HttpRequest], dict[str, Any]]
    live: bool = True


_sections: list[Section] = []


def register_section(section: Section) -> None:
    """To be called when apps are ready."""
    _sections.append(section)
    _sections.sort(key=lambda section: section.place)


def staff_required(permission: str) -> Callable[[View], View]:
    """As the admin's own pages: others log in, or are told that they may not."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: Any, **route: Any) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, **route)

        @wraps(view)
        def answer(request: Any, **route: Any) -> HttpResponse:
            if request.htmx and not admin.site.has_permission(request):
                return HttpResponseClientRefresh()  # the log-in form is no part of this page
            return admin.site.admin_view(checked)(request, **route)

        return answer

    return decorate


@staff_required(PERMISSION)
@require_safe
def ai_page(request: Any) -> HttpResponse:
    """The whole page, or for htmx what is renewed of it."""
    live = {"live": _rendered(request, live=True), "now": timezone.now()}
    if request.htmx:
        return render(request, "admin/ai/_live.html", live)
    page = {**admin.site.each_context(request), "title": _("AI"), **live}
    page["still"] = _rendered(request, live=False)
    return render(request, "admin/ai/page.html", page)


def _rendered(request: HttpRequest, *, live: bool) -> list[str]:
    return [
        render_to_string(section.template, section.context(request), request)
        for section in _sections
        if section.live == live
    ]
