"""Celery's interface to index upkeep."""

from celery import shared_task

from search import index


@shared_task(ignore_result=True)
def maintain_index() -> None:
    index.maintain()
