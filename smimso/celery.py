"""The Celery application.

Queues: `interactive` (someone is waiting), `embed`, `caption` and `fill` (bulk AI), `maintenance`
(reconciler, index upkeep; needs no torch).
"""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")

app = Celery("smimso")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_process_init.connect
def _share_metrics(**_: Any) -> None:
    """In the process that computes: the worker itself (solo pool) or a forked child."""
    from smimso import metrics  # the settings are there by now

    metrics.share()
