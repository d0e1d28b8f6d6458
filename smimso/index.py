"""What the API tells about itself."""

from django.http import HttpRequest, JsonResponse

VERSION = "1.0.0"
ENDPOINTS = {
    "auth": "/auth",
    "survey": "/api/survey",
    "posts": "/api/posts",
    "users": "/api/users",
    "options": "/api/options",
    "recommendations": "/api/recommendations",
    "notifications": "/api/notifications",
    "search": "/api/search",
    "health": "/api/health",
    "testCors": "/test-cors",
}


def api_index(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        {
            "success": True,
            "message": "Welcome to the SMIMSO API",
            "version": VERSION,
            "endpoints": ENDPOINTS,
        }
    )


def test_cors(request: HttpRequest) -> JsonResponse:
    """A page that can read this may use the API. Nothing of the request is sent back."""
    return JsonResponse({"success": True, "message": "CORS is working"})
