"""Admin page of images that duplicate each other."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from posts.duplicate_groups import find_duplicate_groups
from posts.keyset import parse_cursor


def duplicates_page(images: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show groups of duplicates, page by page, to staff with view permission in `images`."""
    if not images.has_view_permission(request):
        raise PermissionDenied
    groups, next_cursor = find_duplicate_groups(parse_cursor(request.GET.get("after", "")))
    context = {
        **images.admin_site.each_context(request),
        "opts": images.opts,
        "title": gettext("Duplicate images"),
        "groups": groups,
        "after": next_cursor or "",
    }
    return render(request, "admin/posts/postimage/duplicates.html", context)
