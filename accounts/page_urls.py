from django.urls import path
from django.views.i18n import set_language

from accounts import pages

urlpatterns = [
    path("login", pages.log_in, name="login"),
    path("register", pages.register, name="register"),
    path("logout", pages.log_out, name="logout"),
    path("language", set_language, name="language"),
]
