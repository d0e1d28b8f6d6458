from django.apps import AppConfig


class SmimsoConfig(AppConfig):
    name = "smimso"
