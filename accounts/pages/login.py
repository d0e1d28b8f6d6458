"""Pages: register, log in, log out."""

import math

from django.contrib import auth
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.pages.forms import LoginForm, RegistrationForm
from smimso.errors import AuthenticationFailed, InvalidInput, Overloaded
from smimso.web import throttling
from smimso.web.throttling import client_address, login_retry_after

FORM_METHODS = ["GET", "HEAD", "POST"]


@sensitive_post_parameters()
@never_cache
@require_http_methods(FORM_METHODS)
def log_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_safe_next_url(request))
    form = LoginForm(_post_data(request), label_suffix="")
    account = request.POST.get("email_or_phone", "")
    if form.is_bound and (seconds := login_retry_after(request, account)):
        return throttled_form(request, "accounts/login.html", form, seconds)
    if form.is_valid():
        try:
            user = services.authenticate_user(**form.cleaned_data)
        except AuthenticationFailed as error:
            form.add_error(None, str(error))
        else:
            auth.login(request, user)
            return redirect(_safe_next_url(request))
    return _render_form(request, "accounts/login.html", form)


@sensitive_post_parameters()
@never_cache
@require_http_methods(FORM_METHODS)
def register(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_safe_next_url(request))
    form = RegistrationForm(_post_data(request), label_suffix="")
    if seconds := retry_after(request, ("register", client_address(request))):
        return throttled_form(request, "accounts/register.html", form, seconds)
    if form.is_valid():
        try:
            user = services.register_user(**form.cleaned_data)
        except InvalidInput as error:
            form.add_error(error.field, str(error))
        else:
            auth.login(request, user)
            return redirect(_safe_next_url(request))
    return _render_form(request, "accounts/register.html", form)


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("feed")


def _post_data(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def retry_after(request: HttpRequest, *limits: tuple[str, ...]) -> float:
    """Count a posted form against each limit; return the seconds to wait, 0 if it may pass.

    limits: arguments of `seconds_to_wait`. REST requests count against the same limits.
    """
    if request.method != "POST":
        return 0.0
    return max([throttling.retry_after(*limit) for limit in limits], default=0.0)


def throttled_form(request: HttpRequest, template: str, form: Form, seconds: float) -> HttpResponse:
    """Return the form with the error "Too many requests", status 429 and Retry-After."""
    refusal = Overloaded()
    form.add_error(None, str(refusal))
    response = _render_form(request, template, form, status=refusal.status)
    response.headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    return response


def _render_form(
    request: HttpRequest, template: str, form: Form, *, status: int | None = None
) -> HttpResponse:
    status = status or (400 if form.is_bound else 200)
    return render(request, template, {"form": form, "next": _next_url(request)}, status=status)


def _next_url(request: HttpRequest) -> str:
    return request.POST.get("next") or request.GET.get("next", "")


def _safe_next_url(request: HttpRequest) -> str:
    """Return the URL to continue at if it is on this site, else the feed's."""
    url = _next_url(request)
    is_safe = url_has_allowed_host_and_scheme(
        url, {request.get_host()}, require_https=request.is_secure()
    )
    # `redirect` would take a text without a slash for the name of a route.
    return url if is_safe and url.startswith("/") else resolve_url("feed")
