"""The live stream of notifications: server-sent events over Redis pub/sub.

Any web process may publish and any may hold the stream. The stream subscribes before it reads the
snapshot, and leaves out what the snapshot holds: nothing is lost and nothing comes twice.
Source: WHATWG HTML, "Server-sent events".
"""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils import timezone
from rest_framework import exceptions

from notifications.models import Notification
from notifications.serializers import NotificationSerializer, notification_list
from smimso.auth import user_for_token
from smimso.http import error_body

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0
SNAPSHOT = 50  # notifications


def publish(notification_id: UUID) -> None:
    """To every open stream of the recipient. A dead Redis costs the live event, nothing else."""
    rows = Notification.objects.select_related("related_user", "post")
    notification = rows.filter(pk=notification_id).first()
    if notification is None:
        return
    data = _encode(NotificationSerializer(notification).data)
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as client:
            client.publish(_channel(notification.user_id), data)
    except redis.RedisError as error:
        logger.warning("A notification was not sent live: %s", error)


async def notification_stream(request: HttpRequest) -> HttpResponseBase:
    """GET /notifications/stream; an EventSource cannot send headers, so `?token=` it is."""
    header = request.headers.get("Authorization", "")
    token = request.GET.get("token") or header.removeprefix("Bearer ").strip()
    if not token:
        return JsonResponse(error_body("No token provided"), status=401)
    try:
        user = await sync_to_async(user_for_token)(token)
    except exceptions.AuthenticationFailed:
        return JsonResponse(error_body("Invalid token"), status=401)
    return StreamingHttpResponse(
        _events(user.pk),
        content_type="text/event-stream",
        headers={
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "Access-Control-Allow-Origin": "*",
        },
    )


async def _events(user_id: UUID) -> AsyncIterator[str]:
    try:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
        async with client, client.pubsub() as subscription:
            await subscription.subscribe(_channel(user_id))
            await subscription.get_message(timeout=5)  # confirmed: from here nothing is lost
            snapshot = await sync_to_async(_snapshot)(user_id)
            yield _event("initial_data", data=snapshot)
            yield _event("connected", message="Connected to notification stream")
            known = {item["id"] for item in snapshot["notifications"]}
            async for event in _live(subscription, known):
                yield event
    except redis.RedisError as error:
        logger.warning("A notification stream ends: %s", error)
        yield _event("error", message="Failed to load initial data")


async def _live(subscription: Any, known: set[str]) -> AsyncIterator[str]:
    while True:
        message = await subscription.get_message(
            ignore_subscribe_messages=True, timeout=HEARTBEAT_SECONDS
        )
        if message is None:
            yield ": heartbeat\n\n"
            continue
        notification = json.loads(message["data"])
        if notification["id"] not in known:
            yield _event("notification", data=notification)


def _snapshot(user_id: UUID) -> dict[str, Any]:
    try:
        return notification_list(user_id, page=1, limit=SNAPSHOT)
    finally:
        connection.close()  # a stream stays open for hours: it must not keep a connection


def _channel(user_id: UUID) -> str:
    return f"smimso:notifications:{user_id}"


def _event(kind: str, **values: Any) -> str:
    return f"data: {_encode({'type': kind, **values, 'timestamp': timezone.now()})}\n\n"


def _encode(data: Any) -> str:
    return json.dumps(data, cls=DjangoJSONEncoder)
