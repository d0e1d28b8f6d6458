"""The live stream of notifications: server-sent events over Redis pub/sub.

Every web process can publish and every one can serve streams. A stream subscribes before it reads
the snapshot, and drops events that are in the snapshot: nothing is lost and nothing is sent twice.
Source: WHATWG HTML, "Server-sent events".
"""

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from drf_spectacular.types import OpenApiTypes
from redis.asyncio.client import PubSub
from rest_framework import exceptions

from notifications.models import Notification
from notifications.pubsub import channel_name
from notifications.rest.serializers import (
    NotificationList,
    NotificationSerializer,
    notification_list,
)
from smimso.errors import AuthenticationFailed, Overloaded
from smimso.redis import async_redis_client
from smimso.web.auth import user_for_token
from smimso.web.openapi import JSON, ErrorSerializer, documented_plain, query_param
from smimso.web.responses import error_response

logger = logging.getLogger(__name__)

HEARTBEAT = ": heartbeat\n\n"
HEARTBEAT_SECONDS = 30.0
SUBSCRIBE_TIMEOUT = 5.0  # seconds
LIFETIME_SECONDS = 3600.0  # then the stream ends, and the EventSource opens a new one
MAX_STREAMS = 20  # open streams per member
SNAPSHOT_SIZE = 50  # notifications


@documented_plain(
    "Stream of my notifications (server-sent events)",
    parameters=[query_param("token", "string", "Instead of the header")],
    responses={(200, "text/event-stream"): OpenApiTypes.STR, (401, JSON): ErrorSerializer},
)
@require_GET
async def notification_stream(request: HttpRequest) -> HttpResponseBase:
    """GET /notifications/stream, with the token in `?token=`: EventSource cannot send headers."""
    header = request.headers.get("Authorization", "")
    token = request.GET.get("token") or header.removeprefix("Bearer ").strip()
    if not token:
        return error_response(AuthenticationFailed("token_missing"))
    user_id = await sync_to_async(_authenticate)(token)
    if user_id is None:
        return error_response(AuthenticationFailed("token_invalid"))
    slot = await _acquire_slot(user_id)
    if slot is None:
        return error_response(Overloaded())
    return StreamingHttpResponse(
        stream_events(user_id, token, slot),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def stream_events(user_id: UUID, token: str, slot: str) -> AsyncIterator[str]:
    """Yield the snapshot, then new notifications and heartbeats; release the slot at the end."""
    try:
        async with _release_on_exit(user_id, slot) as client, client.pubsub() as subscription:
            await subscription.subscribe(channel_name(user_id))
            if await subscription.get_message(timeout=SUBSCRIBE_TIMEOUT) is None:
                raise redis.TimeoutError("no confirmation of the subscription")
            # The subscription is active: from here on no event is lost.
            snapshot = await sync_to_async(load_snapshot)(user_id)
            yield _format_event("initial_data", data=snapshot)
            yield _format_event("connected", message="Connected to notification stream")
            known = {item["id"] for item in snapshot["notifications"]}
            async for event in _live_events(subscription, user_id, known, token):
                if event == HEARTBEAT:
                    await _renew_slot(client, user_id, slot)
                yield event
    except (redis.RedisError, DatabaseError) as error:
        logger.warning("A notification stream failed: %s", error)
        yield _format_event("error", message="Failed to load initial data")


async def _live_events(
    subscription: PubSub, user_id: UUID, known: set[object], token: str
) -> AsyncIterator[str]:
    """Yield events for LIFETIME_SECONDS, or until the token becomes invalid."""
    started = checked = time.monotonic()
    while time.monotonic() - started < LIFETIME_SECONDS:
        message = await subscription.get_message(
            ignore_subscribe_messages=True, timeout=HEARTBEAT_SECONDS
        )
        if message is None or time.monotonic() - checked > HEARTBEAT_SECONDS:
            if await sync_to_async(_authenticate)(token) is None:
                return
            checked = time.monotonic()
            yield HEARTBEAT
        if message is not None:
            notification = await sync_to_async(load_notification)(user_id, message["data"].decode())
            if notification is not None and notification["id"] not in known:
                yield _format_event("notification", data=notification)


# --- Slots: the number of open streams per member -----------------------------------------------
# A sorted set per member, scored by expiry time, so that the slots of a dead process expire.


def slots_key(user_id: UUID) -> str:
    return f"smimso:streams:{user_id}"


async def _acquire_slot(user_id: UUID) -> str | None:
    """Return a new slot, or None if the member has too many.

    Without Redis it returns a slot, and the stream itself reports the failure.
    """
    slot = str(uuid4())
    try:
        async with async_redis_client() as client:
            await client.zremrangebyscore(slots_key(user_id), 0, time.time())
            await _renew_slot(client, user_id, slot)
            if await client.zcard(slots_key(user_id)) > MAX_STREAMS:
                await client.zrem(slots_key(user_id), slot)
                return None
    except redis.RedisError as error:
        logger.warning("Streams are not counted, Redis is not reachable: %s", error)
    return slot


async def _renew_slot(client: redis.asyncio.Redis, user_id: UUID, slot: str) -> None:
    seconds = 3 * HEARTBEAT_SECONDS
    await client.zadd(slots_key(user_id), {slot: time.time() + seconds})
    await client.pexpire(slots_key(user_id), int(seconds * 1000))


@asynccontextmanager
async def _release_on_exit(user_id: UUID, slot: str) -> AsyncIterator[redis.asyncio.Redis]:
    """Yield a client of Redis; release the slot at the end."""
    async with async_redis_client() as client:
        try:
            yield client
        finally:
            await client.zrem(slots_key(user_id), slot)


# --- The database -------------------------------------------------------------------------------
# Streams stay open for long, so each of these functions closes its database connection.


def _authenticate(token: str) -> UUID | None:
    try:
        user_id: UUID = user_for_token(token).pk
    except exceptions.AuthenticationFailed:
        return None
    finally:
        connection.close()
    return user_id


def load_snapshot(user_id: UUID) -> NotificationList:
    try:
        return notification_list(user_id, page=1, limit=SNAPSHOT_SIZE)
    finally:
        connection.close()


def load_notification(user_id: UUID, notification_id: str) -> dict[str, object] | None:
    """Return the notification, or None if it was retracted or its post was hidden."""
    rows = Notification.objects.visible_to(user_id).select_related("related_user", "post")
    try:
        notification = rows.filter(pk=notification_id).first()
        return NotificationSerializer(notification).data if notification else None
    finally:
        connection.close()


def _format_event(event_type: str, **values: object) -> str:
    body = {"type": event_type, **values, "timestamp": timezone.now()}
    return f"data: {json.dumps(body, cls=DjangoJSONEncoder)}\n\n"
