"""Pages: recommended posts, and resetting the recommendations."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from recommendations import feed
from smimso.web.pages import PageRequest, member_action
from smimso.web.paging import page_number
from smimso.web.throttling import throttled

PAGE_SIZE = 24


@require_safe
@login_required
@vary_on_headers("HX-Request")
@throttled("ai", reads=True)
def for_you(request: PageRequest) -> HttpResponse:
    number = page_number(request.GET)
    recommendations, total = feed.recommendation_page(
        cast(User, request.user), page=number, limit=PAGE_SIZE
    )
    page = {
        "recommendations": recommendations,
        "first": number == 1,
        "older": f"page={number + 1}" if number * PAGE_SIZE < total else "",
        "is_reset": "forgotten" in request.GET,
    }
    partial = request.htmx and number > 1
    template = "recommendations/_grid.html" if partial else "recommendations/for_you.html"
    return render(request, template, page)


@member_action("for-you")
def reset_recommendations(request: PageRequest) -> HttpResponse:
    feed.reset_recommendations(cast(User, request.user))
    return redirect(f"{reverse('for-you')}?forgotten=1")
