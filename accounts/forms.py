"""The forms of the pages about accounts."""

from django import forms
from django.core.validators import MinLengthValidator
from django.utils.translation import gettext_lazy as _


class LoginForm(forms.Form):
    email_or_phone = forms.CharField(
        label=_("E-mail or phone"),
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class RegistrationForm(forms.Form):
    first_name = forms.CharField(
        label=_("First name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name (optional)"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=255,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    phone = forms.RegexField(
        r"^\+?[0-9][0-9 .-]*$",
        label=_("Phone (optional)"),
        max_length=20,
        required=False,
        error_messages={"invalid": _("Enter a valid phone number.")},
        widget=forms.TextInput(attrs={"autocomplete": "tel", "type": "tel"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        help_text=_("At least 6 characters."),
        validators=[MinLengthValidator(6, _("The password is too short."))],
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        label=_("Password again"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict:
        data = super().clean() or {}
        password, again = data.get("password"), data.pop("password_again", None)
        if password and again and password != again:
            self.add_error("password_again", _("The two passwords are not the same."))
        return data
