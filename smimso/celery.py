"""The Celery application.

Queues: `interactive` (someone is waiting), `embed` and `caption` (bulk AI), `maintenance`
(reconciler, index upkeep; needs no torch).
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")

app = Celery("smimso")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
