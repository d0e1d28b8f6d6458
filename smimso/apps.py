from django.apps import AppConfig
from django.contrib.admin import apps as admin


class SmimsoConfig(AppConfig):
    name = "smimso"
    default = True


class AdminConfig(admin.AdminConfig):
    default_site = "smimso.admin.SmimsoAdminSite"
    default = False
