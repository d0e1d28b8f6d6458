"""Routes about the API itself: index, CORS check, OpenAPI document, documentation page."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from smimso.web.openapi import documented_plain, openapi_document

VERSION = "1.0.0"
ENDPOINTS = {
    "auth": "/auth",
    "survey": "/api/survey",
    "posts": "/api/posts",
    "users": "/api/users",
    "options": "/api/options",
    "recommendations": "/api/recommendations",
    "notifications": "/api/notifications",
    "chat": "/api/chat",
    "imagine": "/api/imagine",
    "search": "/api/search",
    "health": "/api/health",
    "testCors": "/test-cors",
    "schema": "/api/schema",
    "docs": "/api/docs",
}


class IndexSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    message = serializers.CharField()
    version = serializers.CharField()
    endpoints = serializers.DictField(child=serializers.CharField())


class CorsSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    message = serializers.CharField()


class SchemaView(APIView):
    """The OpenAPI document as JSON, or as YAML with `?format=yaml`."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (OpenApiJsonRenderer, OpenApiYamlRenderer)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(openapi_document())


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show Swagger UI, served from our own static files."""
    return render(request, "docs.html")


@documented_plain("Index of the API", responses={200: IndexSerializer})
@require_safe
def api_index(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {
            "success": True,
            "message": "Welcome to the SMIMSO API",
            "version": VERSION,
            "endpoints": ENDPOINTS,
        }
    )


@documented_plain("Check whether this origin may use the API", responses={200: CorsSerializer})
@require_safe
def test_cors(request: HttpRequest) -> JsonResponse:
    """Succeed for pages whose origin may read responses of the API."""
    return JsonResponse({"success": True, "message": "CORS is working"})
