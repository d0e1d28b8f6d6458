"""Pages to choose another password: by a link in a letter, or knowing the present one."""

from typing import Any

from django.contrib.auth import views
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from accounts import tasks
from accounts.models import User
from accounts.pages.forms import ChangePasswordForm, NewPasswordForm, PasswordResetEmailForm
from accounts.pages.login import retry_after, throttled_form
from smimso.errors import SmimsoError
from smimso.web.throttling import client_address


class FormPage(FormView):
    """What refuses stands at its field or above the form, with the status that it has in REST."""

    template_name: str

    def limits(self) -> list[tuple[str, ...]]:
        return []

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.get_form()
        if seconds := retry_after(request, *self.limits()):
            return throttled_form(request, self.template_name, form, seconds)
        try:
            return self.form_valid(form) if form.is_valid() else self._refused(form, 400)
        except SmimsoError as refusal:
            form.add_error(refusal.field, str(refusal))
            return self._refused(form, refusal.status)

    def _refused(self, form: Any, status: int) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=status)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "label_suffix": ""}


class MemberFormPage(LoginRequiredMixin, FormPage):
    """Asks for the password: guesses count together with those in REST."""

    def limits(self) -> list[tuple[str, ...]]:
        return [("password", client_address(self.request), str(self.request.user.pk))]


class ForgotPassword(FormPage, views.PasswordResetView):
    template_name = "accounts/forgot_password.html"
    form_class = PasswordResetEmailForm
    success_url = reverse_lazy("password-reset-sent")

    def limits(self) -> list[tuple[str, ...]]:
        email = self.request.POST.get("email", "").strip().lower()
        return [("login", client_address(self.request)), ("mail", email)]

    def get_initial(self) -> dict[str, Any]:
        return {"email": getattr(self.request.user, "email", "")}

    def form_valid(self, form: PasswordResetEmailForm) -> HttpResponse:
        host, secure = self.request.get_host(), self.request.is_secure()
        tasks.request_password_reset(form.cleaned_data["email"], host=host, secure=secure)
        return redirect(self.success_url)


class NewPassword(SuccessMessageMixin, FormPage, views.PasswordResetConfirmView):
    """Opened by the link in the letter, which works once."""

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
