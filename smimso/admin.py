"""The site of the admin: its title, its login, and the link to the page about the AI."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.db.models.base import ModelBase
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.passwords import password_forms
from ai.admin.page import PERMISSION
from smimso import admin_i18n
from smimso.errors import Overloaded
from smimso.login_names import normalize_email
from smimso.web.admin_requests import strict
from smimso.web.malformed import refuse_malformed
from smimso.web.throttling import login_retry_after


class LoginForm(AdminAuthenticationForm):
    """Counts attempts together with those on the login page."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        if login_retry_after(self.request, self.data.get("username", "")):
            raise ValidationError(str(Overloaded()))
        return super().clean()

    def get_invalid_login_error(self) -> ValidationError:
        """Return the error after as many hashes as services.authenticate_user computes.

        Django has computed one for an unknown member.
        """
        email = normalize_email(self.cleaned_data["username"])
        if not User.objects.filter(email=email).exists():
            for form in password_forms(self.cleaned_data["password"])[1:]:
                make_password(form)
        return super().get_invalid_login_error()


class SmimsoAdminSite(AdminSite):
    login_form = LoginForm
    site_header = "SMIMSO"
    site_title = "SMIMSO"
    index_title = gettext_lazy("Administration")

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin] | None = None,
        **options: object,
    ) -> None:
        super().register(model_or_iterable, strict(admin_class or ModelAdmin), **options)
        models = (
            [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else model_or_iterable
        )
        for model in models:
            admin_i18n.translate_labels(model)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return super().admin_view(refuse_malformed(view), cacheable)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        apps = super().get_app_list(request, app_label)
        if app_label is None and request.user.has_perm(PERMISSION):
            url = reverse("ai-admin")
            page: dict[str, Any] = {"name": _("State and failures"), "object_name": "State"}
            page |= {"admin_url": url, "view_only": True, "perms": {"view": True}}
            ai = {"name": _("AI"), "app_label": "ai", "app_url": url, "models": [page]}
            apps = sorted([*apps, ai], key=lambda app: app["name"].lower())
        return apps
