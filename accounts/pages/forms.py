"""Forms of the account pages."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.core.mail import EmailMessage
from django.core.validators import MinLengthValidator
from django.template import loader
from django.utils.translation import gettext_lazy as _

from accounts import options, services
from accounts.models import User, UserQuerySet
from accounts.passwords import normalize_password
from accounts.rest.serializers import ProfileFormSerializer
from media.formats import ACCEPTED_TYPES, LABELS
from smimso.login_names import normalize_email
from smimso.web.text_fields import FormEmailField, FormLineField, FormTextField

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class _NewPasswordField(forms.CharField):
    def to_python(self, value: object) -> str | None:
        return super().to_python(normalize_password(value) if isinstance(value, str) else value)


def _password_field(
    label: "_StrPromise", *, is_current: bool = False, **options: Any
) -> forms.CharField:
    autocomplete = "current-password" if is_current else "new-password"
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    # A current password may be typed in a form with more characters than its normalized one.
    kind, length = (forms.CharField, 1_024) if is_current else (_NewPasswordField, 128)
    field = kind(label=label, max_length=length, strip=False, widget=widget, **options)
    field.widget.attrs["maxlength"] = "128"  # browsers cut here, so all forms cut alike
    return field


class LoginForm(forms.Form):
    email_or_phone = forms.CharField(
        label=_("E-mail or phone"),
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = _password_field(_("Password"), is_current=True)


class RegistrationForm(forms.Form):
    first_name = FormLineField(
        label=_("First name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = FormLineField(
        label=_("Last name (optional)"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    email = FormEmailField(
        label=_("E-mail"),
        max_length=255,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    phone = FormLineField(
        label=_("Phone (optional)"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "type": "tel"}),
    )
    password = _password_field(
        _("Password"),
        help_text=_("At least 6 characters."),
        validators=[MinLengthValidator(6, _("The password is too short."))],
    )
    password_again = _password_field(_("Confirm password"))

    def clean(self) -> dict[str, object]:
        data = super().clean() or {}
        password, again = data.get("password"), data.pop("password_again", None)
        if password and again and password != again:
            self.add_error("password_again", _("The two passwords do not match."))
        return data


class PasswordResetEmailForm(PasswordResetForm):
    """Validates the e-mail on the page and sends the link in a worker."""

    email = FormEmailField(
        label=_("E-mail"),
        max_length=255,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def send_mail(
        self,
        subject_template_name: str,
        email_template_name: str,
        context: dict[str, object],
        from_email: str | None,
        to_email: str,
        html_email_template_name: str | None = None,
    ) -> None:
        """Send the e-mail. Raises OSError, where Django's own method only logs the failure."""
        subject = loader.render_to_string(subject_template_name, context)
        body = loader.render_to_string(email_template_name, context)
        EmailMessage("".join(subject.splitlines()), body, from_email, [to_email]).send()

    def get_users(self, email: str) -> UserQuerySet:
        """Return active members, also those without a password (from Google or imported)."""
        return User.objects.active().filter(email=normalize_email(email))


class NewPasswordForm(SetPasswordForm):
    error_messages = {"password_mismatch": _("The two passwords do not match.")}
    new_password1 = _password_field(_("New password"), help_text=_("At least 6 characters."))
    new_password2 = _password_field(_("Confirm new password"))

    def save(self, commit: bool = True) -> User:
        services.reset_password(user=self.user, new_password=self.cleaned_data["new_password1"])
        return self.user


class ChangePasswordForm(NewPasswordForm):
    password = _password_field(_("Current password"), is_current=True)
    field_order = ["password"]

    def save(self, commit: bool = True) -> User:
        data = self.cleaned_data
        services.change_password(
            user=self.user, password=data["password"], new_password=data["new_password1"]
        )
        return self.user


class ConfirmationForm(forms.Form):
    password = _password_field(_("Password"), is_current=True)


def _optional_field(
    label: "_StrPromise", widget: type[forms.Widget] = forms.TextInput, **attrs: object
) -> forms.CharField:
    field = FormTextField if widget is forms.Textarea else FormLineField
    return field(label=label, required=False, widget=widget(attrs))


def _image_field(label: "_StrPromise") -> forms.FileField:
    return forms.FileField(
        label=label,
        required=False,
        allow_empty_file=True,
        help_text=LABELS,
        widget=forms.FileInput({"accept": ",".join(ACCEPTED_TYPES)}),
    )


class ProfileForm(forms.Form):
    """Shows the fields; the rules are those of ProfileFormSerializer and `update_profile`."""

    first_name = _optional_field(_("First name"), autocomplete="given-name")
    last_name = _optional_field(_("Last name"), autocomplete="family-name")
    job = _optional_field(_("Job"))
    bio = _optional_field(_("About you"), forms.Textarea, rows=4)
    phone = _optional_field(_("Phone"), type="tel", autocomplete="tel")
    date_of_birth = _optional_field(_("Date of birth"), type="date", autocomplete="bday")
    avatar = _image_field(_("Profile picture"))
    remove_avatar = forms.BooleanField(label=_("Remove this picture"), required=False)
    cover = _image_field(_("Cover picture"))
    remove_cover = forms.BooleanField(label=_("Remove this picture"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = ProfileFormSerializer().fields
        for name in rules.keys() & self.fields.keys():
            field, rule = self.fields[name], rules[name]
            field.required = not getattr(rule, "allow_blank", True)
            if length := getattr(rule, "max_length", None):
                field.widget.attrs["maxlength"] = length
        self.fields["job"].widget = forms.Select(choices=options.job_choices(self.initial["job"]))

    def clean(self) -> dict[str, object]:
        """Return the arguments of `update_profile`."""
        data, image_fields = self.cleaned_data, ("avatar", "cover")
        form = ProfileFormSerializer(data=dict(data))  # ignores other fields
        if not form.is_valid():
            for name, texts in form.errors.items():
                self.add_error(name, texts)
        removed = {f"{name}_url": None for name in image_fields if data[f"remove_{name}"]}
        uploads = {name: self.files[name] for name in image_fields if name in self.files}
        return {**form.validated_data, **removed, "uploads": uploads}
