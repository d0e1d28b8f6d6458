"""The admin page `/admin/ai/`, made of sections that any app can register.

Live sections are refreshed every few seconds; forms are not, or they would lose their input.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from smimso.web.pages import PageRequest

PERMISSION = "posts.view_postimage"  # by name, as this app does not know posts
View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Section:
    """order: position on the page, ascending. context: of the template. live: auto-refreshed."""

    order: int
    template: str
    context: Callable[[HttpRequest], dict[str, object]]
    live: bool = True


_sections: list[Section] = []


def register_section(section: Section) -> None:
    """Add a section to the page; to be called in an app's `ready`."""
    _sections.append(section)
    _sections.sort(key=lambda section: section.order)


def staff_required(permission: str) -> Callable[[View], View]:
    """Restrict a view to staff with this permission, like the admin's own pages.

    Others get the log-in form, or 403 if they are logged in.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: PageRequest, **route: object) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, **route)

        @wraps(view)
        def protected(request: PageRequest, **route: object) -> HttpResponse:
            if request.htmx and not admin.site.has_permission(request):
                return HttpResponseClientRefresh()  # the log-in form does not fit into this page
            return admin.site.admin_view(checked)(request, **route)

        return protected

    return decorate


@staff_required(PERMISSION)
@require_safe
def ai_page(request: PageRequest) -> HttpResponse:
    """Render the whole page, or its live sections for htmx."""
    context: dict[str, object] = {
        "live": _render_sections(request, live=True),
        "now": timezone.now(),
    }
    if request.htmx:
        return render(request, "admin/ai/_live.html", context)
    context |= {**admin.site.each_context(request), "title": _("AI")}
    context["static_sections"] = _render_sections(request, live=False)
    return render(request, "admin/ai/page.html", context)


def _render_sections(request: HttpRequest, *, live: bool) -> list[str]:
    return [
        render_to_string(section.template, section.context(request), request)
        for section in _sections
        if section.live == live
    ]
