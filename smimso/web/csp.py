"""The Content-Security-Policy of all responses: only scripts from files of this site run."""

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

# Inline styles: each picture has an aspect ratio and a placeholder of its own.
# Pictures of other sites: imported posts and avatars have them.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob: https:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
