"""Administration: the page of images that repeat each other."""

from datetime import datetime
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from posts.duplicate_groups import Place, duplicate_groups


def duplicates_page(images: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Their groups, page by page. images: whose rights decide who may look."""
    if not images.has_view_permission(request):
        raise PermissionDenied
    groups, last = duplicate_groups(_place(request.GET.get("after", "")))
    page = {
        **images.admin_site.each_context(request),
        "opts": images.opts,
        "title": gettext("Duplicate images"),
        "groups": groups,
        "after": f"{last.created_at.isoformat()}_{last.pk}" if last else "",
    }
    return render(request, "admin/posts/postimage/duplicates.html", page)


def _place(text: str) -> Place | None:
    """Where a page of duplicates goes on; None, the beginning, for what is no place."""
    when, _, pk = text.partition("_")
    try:
        place = Place(datetime.fromisoformat(when), UUID(pk))
    except ValueError:
        return None
    return place if place.created_at.tzinfo else None
