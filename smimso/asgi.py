"""The web entry: `uvicorn smimso.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")

application = get_asgi_application()

# ruff: isort: split
from smimso import metrics  # noqa: E402 - once the settings are there

metrics.share()
