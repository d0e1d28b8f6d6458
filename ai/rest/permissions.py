"""Permissions of the AI routes."""

from django.conf import settings
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView


class IsAuthenticatedUnlessPublic(IsAuthenticated):
    """Also lets in anonymous callers if settings.AI_PUBLIC (the demo; its calls have no token)."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return settings.AI_PUBLIC or super().has_permission(request, view)
