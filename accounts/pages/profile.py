"""The page on which members edit their profile."""

from typing import Any, cast

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts import profiles
from accounts.models import User
from accounts.pages.forms import ProfileForm
from accounts.pages.passwords import FormPage


class EditProfile(SuccessMessageMixin, LoginRequiredMixin, FormPage):
    template_name = "accounts/edit_profile.html"
    form_class = ProfileForm
    success_message = _("Your profile has been saved.")

    def limits(self) -> list[tuple[str, ...]]:
        """Count each image against the same limit as uploads in REST."""
        return [("uploads", str(self.request.user.pk)) for _file in self.request.FILES]

    def get_initial(self) -> dict[str, Any]:
        return {name: getattr(self.request.user, name, None) for name in ProfileForm.base_fields}

    def form_valid(self, form: ProfileForm) -> HttpResponse:
        profiles.update_profile(user=cast(User, self.request.user), **form.cleaned_data)
        return super().form_valid(form)

    def get_success_url(self) -> str:
        return reverse("member", args=[self.request.user.pk])
