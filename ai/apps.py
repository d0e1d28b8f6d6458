from django.apps import AppConfig


class AIConfig(AppConfig):
    name = "ai"

    def ready(self) -> None:
        from ai.admin.sections import register_sections

        register_sections()
