"""Pages: the inbox, where members read what others did, and the bell that leads there."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from notifications import services
from smimso.web.pages import PageRequest, member_action
from smimso.web.paging import page_number

PAGE_SIZE = 30


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request")
def inbox(request: PageRequest) -> HttpResponse:
    number = page_number(request.GET)
    start = (number - 1) * PAGE_SIZE
    found = list(services.notifications_of(request.user.pk)[start : start + PAGE_SIZE + 1])
    page = {
        "notifications": found[:PAGE_SIZE],
        "first": number == 1,
        "older": f"page={number + 1}" if len(found) > PAGE_SIZE else "",
    }
    partial = request.htmx and number > 1
    template = "notifications/_list.html" if partial else "notifications/inbox.html"
    return render(request, template, page)


@require_safe
@never_cache
def bell(request: HttpRequest) -> HttpResponse:
    """For the page that asks again and again; one that is no longer logged in stays as it is."""
    if not request.user.is_authenticated:
        return HttpResponse(status=204)
    return render(request, "notifications/_bell.html")


@require_safe
@login_required
@never_cache
def open_notification(request: HttpRequest, notification_id: UUID) -> HttpResponse:
    """Marks it as read and goes to what it is about."""
    mine = services.notifications_of(request.user.pk)
    notification = mine.filter(pk=notification_id).first()
    if notification is None:
        raise Http404
    services.mark_read(user=request.user, notification_id=notification_id)
    if notification.post_id:
        return redirect("post", notification.post_id)
    if notification.related_user_id:
        return redirect("member", notification.related_user_id)
    return redirect("inbox")


@member_action("inbox")
def read_all(request: PageRequest) -> HttpResponse:
    services.mark_all_read(user=request.user)
    return redirect("inbox")
