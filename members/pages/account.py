"""The page that deletes an account with all its posts."""

from django.contrib import auth
from django.contrib.messages.views import SuccessMessageMixin
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.pages.forms import ConfirmationForm
from accounts.pages.passwords import MemberFormPage
from members import services


class DeleteAccount(SuccessMessageMixin, MemberFormPage):
    template_name = "members/delete_account.html"
    form_class = ConfirmationForm
    success_url = reverse_lazy("feed")
    success_message = _("Your account has been deleted.")

    def form_valid(self, form: ConfirmationForm) -> HttpResponse:
        services.delete_account(user=self.request.user, **form.cleaned_data)
        auth.logout(self.request)
        return super().form_valid(form)
