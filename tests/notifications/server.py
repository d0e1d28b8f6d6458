"""The site for uvicorn, with a short heartbeat interval and a small connection pool."""

from django.conf import settings

from smimso.asgi import application

# ruff: isort: split
from notifications.rest import stream  # importable only after the apps are loaded

settings.DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 0, "max_size": 2, "timeout": 30}
stream.HEARTBEAT_SECONDS = 0.5

__all__ = ["application"]
