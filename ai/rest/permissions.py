"""Who may use the AI routes."""

from typing import Any

from django.conf import settings
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request


class IsAuthenticatedUnlessPublic(IsAuthenticated):
    """Everyone when settings.AI_PUBLIC (the demo, where the documented calls carry no token)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return settings.AI_PUBLIC or super().has_permission(request, view)
