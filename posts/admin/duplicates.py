"""Administration: the page of images that repeat each other."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from posts.duplicate_groups import find_duplicate_groups
from posts.keyset import parse_cursor


def duplicates_page(images: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Their groups, page by page. images: whose rights decide who may look."""
    if not images.has_view_permission(request):
        raise PermissionDenied
    groups, last = find_duplicate_groups(parse_cursor(request.GET.get("after", "")))
    page = {
        **images.admin_site.each_context(request),
        "opts": images.opts,
        "title": gettext("Duplicate images"),
        "groups": groups,
        "after": last or "",
    }
    return render(request, "admin/posts/postimage/duplicates.html", page)
