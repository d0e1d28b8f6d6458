"""The routes of the old AI service, with its responses, and the health check.

Errors have the envelope of all other routes; the old service answered 500 to bad input.
"""

import time
from dataclasses import asdict

import psycopg
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from PIL import Image
from psycopg_pool import ConnectionPool
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ai import services
from ai.heartbeat import WorkerState
from ai.rest.permissions import IsAuthenticatedUnlessPublic
from ai.rest.serializers import (
    ClassifyFormSerializer,
    HealthSerializer,
    ImageFeaturesSerializer,
    ImageFormSerializer,
    LabelsSerializer,
    PredictionsSerializer,
    ServiceSerializer,
    TextQuerySerializer,
    TextVectorSerializer,
)
from media.images import decode_upload
from smimso.errors import InvalidInput, Unavailable
from smimso.web.openapi import documented
from smimso.web.throttling import client_key

VERSION = "1.0.0"  # of the API
PROBE_TIMEOUT_SECONDS = 2.0
_STARTED = time.monotonic()


class ImageFeaturesView(APIView):
    """Multipart `image` → {embedding: float[512], caption: str | null}."""

    permission_classes = [IsAuthenticatedUnlessPublic]
    throttle_scope = "ai"

    @documented(
        "An image's vector and caption",
        ImageFeaturesSerializer,
        form=ImageFormSerializer,
        errors=[503],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        embedding, caption = services.describe_image(_image(request))
        return Response({"embedding": embedding, "caption": caption})


class ClassifyView(APIView):
    """Multipart `image` and `labels` → {predictions: [{label, score}]}, best first."""

    permission_classes = [IsAuthenticatedUnlessPublic]
    throttle_scope = "ai"

    @documented(
        "Probabilities of labels for an image",
        PredictionsSerializer,
        form=ClassifyFormSerializer,
        errors=[503],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        image = _image(request)
        # The old service read the query, while its documentation and clients used a form field.
        fields = LabelsSerializer(data={**request.query_params.dict(), **_form_fields(request)})
        fields.is_valid(raise_exception=True)
        predictions = services.classify_image(image, fields.validated_data["labels"])
        return Response({"predictions": [asdict(each) for each in predictions]})


class TextEmbeddingView(APIView):
    """JSON {query, limit?} → {embedding: float[512], query}."""

    permission_classes = [IsAuthenticatedUnlessPublic]
    throttle_scope = "ai"

    @documented(
        "A text's vector",
        TextVectorSerializer,
        body=TextQuerySerializer,
        errors=[503],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        fields = TextQuerySerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        query = fields.validated_data["query"]
        return Response({"embedding": services.embed_text(query), "query": query})


class ServiceView(APIView):
    """The old AI service's response at its `/`, where this site has an index of its own.

    Without a live worker, device is "unknown" and status "unavailable".
    """

    authentication_classes = ()
    permission_classes = [AllowAny]

    @documented("Models that the AI uses", ServiceSerializer, envelope=False)
    def get(self, request: Request) -> Response:
        workers, _ = _workers()
        return Response(
            {
                "service": "SMIMSO AI Service",
                "status": "running" if workers else "unavailable",
                "device": workers[0].device if workers else "unknown",
                "models": {"clip": services.clip_name(), "blip": services.blip_name()},
            }
        )


class HealthView(APIView):
    """The old AI service's /health and the Node backend's /api/health in one response.

    503 only if the database is down: without Redis or workers, posts are still saved and shown.
    """

    authentication_classes = ()
    permission_classes = [AllowAny]

    @extend_schema(summary="Health check", responses={200: HealthSerializer, 503: HealthSerializer})
    def get(self, request: Request) -> Response:
        workers, redis = _workers()
        database = is_database_up()
        body = {
            "success": database,
            "status": "healthy" if database else "unhealthy",
            "message": "SMIMSO API is running",
            "timestamp": timezone.now(),
            "uptime": time.monotonic() - _STARTED,
            "environment": settings.ENVIRONMENT,
            "version": VERSION,
            "device": workers[0].device if workers else "unknown",
            "models_loaded": {
                "clip": any(worker.clip.loaded for worker in workers),
                "blip": any(worker.blip.loaded for worker in workers),
            },
            "database": database,
            "redis": redis,
        }
        return Response(body, status=200 if database else 503)


def _image(request: Request) -> Image.Image:
    upload = request.FILES.get("image")
    if upload is None:
        raise InvalidInput("image_required")
    return decode_upload(upload, client_key(request))


def _form_fields(request: Request) -> dict[str, object]:
    data = request.data
    return {"labels": data["labels"]} if isinstance(data, dict) and data.get("labels") else {}


def _workers() -> tuple[list[WorkerState], bool]:
    """Return the live workers, and True if Redis is reachable."""
    try:
        return services.worker_states(), True
    except Unavailable:
        return [], False


def is_database_up() -> bool:
    """Probe within PROBE_TIMEOUT_SECONDS; requests wait longer for a pooled connection."""
    pool: ConnectionPool | None = getattr(connection, "pool", None)
    try:
        if pool is None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return True
        pool.open()  # does nothing if it is open
        with pool.connection(timeout=PROBE_TIMEOUT_SECONDS) as pooled:
            pooled.execute("SELECT 1")
    except (DatabaseError, psycopg.Error):
        return False
    return True
