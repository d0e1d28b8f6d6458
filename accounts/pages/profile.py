"""The page on which members edit their profile."""

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts import profiles
from accounts.pages.forms import ProfileForm
from accounts.pages.passwords import FormPage
from accounts.pages.requests import MemberPageRequest


class EditProfile(SuccessMessageMixin, LoginRequiredMixin, FormPage):
    request: MemberPageRequest
    template_name = "accounts/edit_profile.html"
    form_class = ProfileForm
    success_message = _("Your profile has been saved.")

    def limits(self) -> list[tuple[str, ...]]:
        """Count each image against the same limit as uploads in REST."""
        return [("uploads", str(self.request.user.pk)) for _file in self.request.FILES]

    def get_initial(self) -> dict[str, object]:
        return {name: getattr(self.request.user, name, None) for name in ProfileForm.base_fields}

    def form_valid(self, form: ProfileForm) -> HttpResponse:
        profiles.update_profile(user=self.request.user, **form.cleaned_data)
        return super().form_valid(form)

    def get_success_url(self) -> str:
        return reverse("member", args=[self.request.user.pk])
