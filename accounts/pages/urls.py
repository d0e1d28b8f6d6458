from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordResetDoneView
from django.urls import path
from django.views.generic import TemplateView
from django.views.i18n import set_language

from accounts.pages import login, passwords, profile

reset_email_sent = PasswordResetDoneView.as_view(template_name="accounts/password_reset_sent.html")
settings = login_required(TemplateView.as_view(template_name="accounts/settings.html"))

urlpatterns = [
    path("login", login.log_in, name="login"),
    path("register", login.register, name="register"),
    path("logout", login.log_out, name="logout"),
    path("language", set_language, name="language"),
    path("password/forgotten", passwords.ForgotPassword.as_view(), name="forgot-password"),
    path("password/sent", reset_email_sent, name="password-reset-sent"),
    path("password/reset/<uidb64>/<token>", passwords.NewPassword.as_view(), name="new-password"),
    path("settings", settings, name="settings"),
    path("settings/profile", profile.EditProfile.as_view(), name="edit-profile"),
    path("settings/password", passwords.ChangePassword.as_view(), name="change-password"),
]
