"""The live stream of notifications: server-sent events over Redis pub/sub.

Any web process may publish and any may hold the stream. The stream subscribes before it reads the
snapshot, and leaves out what the snapshot holds: nothing is lost and nothing comes twice.
Source: WHATWG HTML, "Server-sent events".
"""

import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from rest_framework import exceptions

from notifications.live import channel
from notifications.models import Notification
from notifications.serializers import NotificationSerializer, notification_list
from smimso.auth import user_for_token
from smimso.http import error_body

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0
CONFIRM_SECONDS = 5.0
SNAPSHOT = 50  # notifications


@require_GET
async def notification_stream(request: HttpRequest) -> HttpResponseBase:
    """GET /notifications/stream; an EventSource cannot send headers, so `?token=` it is."""
    header = request.headers.get("Authorization", "")
    token = request.GET.get("token") or header.removeprefix("Bearer ").strip()
    if not token:
        return JsonResponse(error_body("No token provided"), status=401)
    user_id = await sync_to_async(_user_id)(token)
    if user_id is None:
        return JsonResponse(error_body("Invalid token"), status=401)
    return StreamingHttpResponse(
        _events(user_id, token),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _events(user_id: UUID, token: str) -> AsyncIterator[str]:
    try:
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
        async with client, client.pubsub() as subscription:
            await subscription.subscribe(channel(user_id))
            if await subscription.get_message(timeout=CONFIRM_SECONDS) is None:
                raise redis.TimeoutError("no confirmation of the subscription")
            # From here on nothing is lost.
            snapshot = await sync_to_async(_snapshot)(user_id)
            yield _event("initial_data", data=snapshot)
            yield _event("connected", message="Connected to notification stream")
            known = {item["id"] for item in snapshot["notifications"]}
            async for event in _live(subscription, user_id, known, token):
                yield event
    except (redis.RedisError, DatabaseError) as error:
        logger.warning("A notification stream ends: %s", error)
        yield _event("error", message="Failed to load initial data")


async def _live(
    subscription: Any, user_id: UUID, known: set[str], token: str
) -> AsyncIterator[str]:
    """Until the token is void: then the stream ends, and a new one would be refused."""
    checked = time.monotonic()
    while True:
        message = await subscription.get_message(
            ignore_subscribe_messages=True, timeout=HEARTBEAT_SECONDS
        )
        if message is None or time.monotonic() - checked > HEARTBEAT_SECONDS:
            if await sync_to_async(_user_id)(token) is None:
                return
            checked = time.monotonic()
            yield ": heartbeat\n\n"
        if message is not None:
            notification = await sync_to_async(_notification)(user_id, message["data"].decode())
            if notification is not None and notification["id"] not in known:
                yield _event("notification", data=notification)


# A stream stays open for hours: each of these gives its connection to the database back.


def _user_id(token: str) -> UUID | None:
    try:
        user_id: UUID = user_for_token(token).pk
    except exceptions.AuthenticationFailed:
        return None
    finally:
        connection.close()
    return user_id


def _snapshot(user_id: UUID) -> dict[str, Any]:
    try:
        return notification_list(user_id, page=1, limit=SNAPSHOT)
    finally:
        connection.close()


def _notification(user_id: UUID, notification_id: str) -> dict[str, Any] | None:
    """None when it has been withdrawn since, or its post hidden."""
    rows = Notification.objects.visible_to(user_id).select_related("related_user", "post")
    try:
        found = rows.filter(pk=notification_id).first()
        return NotificationSerializer(found).data if found else None
    finally:
        connection.close()


def _event(kind: str, **values: Any) -> str:
    body = {"type": kind, **values, "timestamp": timezone.now()}
    return f"data: {json.dumps(body, cls=DjangoJSONEncoder)}\n\n"
