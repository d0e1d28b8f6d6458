"""The old AI service's routes, with its plain answers, and the health check.

Errors have the envelope of every other route; the old service answered 500 to bad input.
"""

import time
from dataclasses import asdict
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from PIL import Image
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

VERSION = "1.0.0"  # of the API
PROBE_TIMEOUT = 2.0  # seconds
_STARTED = time.monotonic()


class ImageFeaturesView(APIView):
    """multipart `image` → {embedding: float[512], caption: str | null}"""

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
    """multipart `image` and `labels` → {predictions: [{label, score}]}, best first"""

    permission_classes = [IsAuthenticatedUnlessPublic]
    throttle_scope = "ai"

    @documented(
        "Which label fits an image",
        PredictionsSerializer,
        form=ClassifyFormSerializer,
        errors=[503],
        envelope=False,
    )
    def post(self, request: Request) -> Response:
        image = _image(request)
        # The old service read labels from the query; its documents and clients sent a form field.
        fields = LabelsSerializer(data={**request.query_params.dict(), **_form_fields(request)})
        fields.is_valid(raise_exception=True)
        found = services.classify_image(image, fields.validated_data["labels"])
        return Response({"predictions": [asdict(prediction) for prediction in found]})


class TextEmbeddingView(APIView):
    """JSON {query, limit?} → {embedding: float[512], query}"""

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
    """What the old AI service said at its `/`, where this site has its own index.

    device: "unknown" and status: "unavailable" while no worker lives.
    """

    authentication_classes = ()
    permission_classes = [AllowAny]

    @documented("Which models the AI uses", ServiceSerializer, envelope=False)
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
    """The old AI service's /health and the Node backend's /api/health in one answer.

    503 only without a database: without Redis or workers, posts are still saved and shown.
    """

    authentication_classes = ()
    permission_classes = [AllowAny]

    @extend_schema(summary="Is it up", responses={200: HealthSerializer, 503: HealthSerializer})
    def get(self, request: Request) -> Response:
        workers, redis = _workers()
        database = _database_answers()
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
    return decode_upload(upload)


def _form_fields(request: Request) -> dict[str, Any]:
    data: Any = request.data  # a form: without a file in it, `_image` has refused already
    return {"labels": data["labels"]} if data.get("labels") else {}


def _workers() -> tuple[list[WorkerState], bool]:
    """The live workers, and whether Redis answers."""
    try:
        return services.worker_states(), True
    except Unavailable:
        return [], False


def _database_answers() -> bool:
    """Within PROBE_TIMEOUT seconds; a request would wait longer for a pooled connection."""
    pool: Any = getattr(connection, "pool", None)
    try:
        if pool is None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return True
        pool.open()  # nothing happens when it is open
        with pool.connection(timeout=PROBE_TIMEOUT) as pooled:
            pooled.execute("SELECT 1")
    except (DatabaseError, psycopg.Error):
        return False
    return True
