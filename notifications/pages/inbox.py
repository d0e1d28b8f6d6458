"""Pages: the inbox of notifications, and the bell in the header."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from notifications import services
from smimso.web.auth import member_id
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
    rows = list(services.notifications_of(member_id(request))[start : start + PAGE_SIZE + 1])
    page = {
        "notifications": rows[:PAGE_SIZE],
        "first": number == 1,
        "older": f"page={number + 1}" if len(rows) > PAGE_SIZE else "",
    }
    is_next_part = request.htmx and number > 1
    template = "notifications/_list.html" if is_next_part else "notifications/inbox.html"
    return render(request, template, page)


@require_safe
@never_cache
def bell(request: HttpRequest) -> HttpResponse:
    """Return the bell, which pages poll. After logging out, an open page keeps its old bell."""
    if not request.user.is_authenticated:
        return HttpResponse(status=204)
    return render(request, "notifications/_bell.html")


@require_safe
@login_required
@never_cache
def open_notification(request: HttpRequest, notification_id: UUID) -> HttpResponse:
    """Mark a notification as read and redirect to its post or member."""
    notifications = services.notifications_of(member_id(request))
    notification = notifications.filter(pk=notification_id).first()
    if notification is None:
        raise Http404
    services.mark_read(user_id=member_id(request), notification_id=notification_id)
    if notification.post_id:
        return redirect("post", notification.post_id)
    if notification.related_user_id:
        return redirect("member", notification.related_user_id)
    return redirect("inbox")


@member_action("inbox")
def read_all(request: PageRequest) -> HttpResponse:
    services.mark_all_read(user_id=member_id(request))
    return redirect("inbox")
