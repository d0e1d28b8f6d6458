"""Pages to change the password: by a link in an e-mail, or with the current password."""

from django.contrib.auth import views
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from accounts import tasks
from accounts.models import User
from accounts.pages.forms import ChangePasswordForm, NewPasswordForm, PasswordResetEmailForm
from accounts.pages.login import retry_after, throttled_form
from accounts.pages.requests import MemberPageRequest
from smimso.errors import SmimsoError
from smimso.login_names import normalize_email
from smimso.web.throttling import client_address


class FormPage(FormView):
    """Shows a service's error at its field or above the form, with the same status as in REST."""

    template_name: str

    def limits(self) -> list[tuple[str, ...]]:
        """Return the rate limits that each post counts against."""
        return []

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        form = self.get_form()
        if seconds := retry_after(request, *self.limits()):
            return throttled_form(request, self.template_name, form, seconds)
        try:
            return self.form_valid(form) if form.is_valid() else self._render_errors(form, 400)
        except SmimsoError as refusal:
            form.add_error(refusal.field, str(refusal))
            return self._render_errors(form, refusal.status)

    def _render_errors(self, form: BaseForm, status: int) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=status)

    def get_form_kwargs(self) -> dict[str, object]:
        return {**super().get_form_kwargs(), "label_suffix": ""}


class MemberFormPage(LoginRequiredMixin, FormPage):
    """Asks for the password; guesses here and in REST count against the same limit."""

    request: MemberPageRequest

    def limits(self) -> list[tuple[str, ...]]:
        return [("password", client_address(self.request), str(self.request.user.pk))]


class ForgotPassword(FormPage, views.PasswordResetView):
    template_name = "accounts/forgot_password.html"
    form_class = PasswordResetEmailForm
    success_url = reverse_lazy("password-reset-sent")

    def limits(self) -> list[tuple[str, ...]]:
        email = normalize_email(self.request.POST.get("email", ""))
        return [("login", client_address(self.request)), ("mail", email)]

    def get_initial(self) -> dict[str, object]:
        return {"email": getattr(self.request.user, "email", "")}

    def form_valid(self, form: PasswordResetEmailForm) -> HttpResponse:
        host, secure = self.request.get_host(), self.request.is_secure()
        tasks.request_password_reset(form.cleaned_data["email"], host=host, secure=secure)
        return redirect(self.success_url)


class NewPassword(SuccessMessageMixin, FormPage, views.PasswordResetConfirmView):
    """Opened by the link in the e-mail, which works once."""

    template_name = "accounts/new_password.html"
    form_class = NewPasswordForm
    post_reset_login = True
    success_url = reverse_lazy("feed")
    success_message = _("Your password has been changed, and you are logged in.")

    def get_user(self, uidb64: str) -> User | None:
        user = super().get_user(uidb64)
        return user if user and user.is_active else None


class ChangePassword(SuccessMessageMixin, MemberFormPage, views.PasswordChangeView):
    template_name = "accounts/change_password.html"
    form_class = ChangePasswordForm  # type: ignore[assignment] # the service checks the password
    success_url = reverse_lazy("settings")
    success_message = _("Your password has been changed.")
