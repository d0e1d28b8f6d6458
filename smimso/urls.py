"""All routes: the REST API under both `/api/` and `/`, pages, uploaded files and the admin."""

from functools import wraps

from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, include, path, register_converter

from ai.admin.page import ai_page
from posts.admin.ai_sections import retry_failed
from posts.pages.grids import feed
from posts.rest.views import uploaded_file
from search.admin.ai_sections import change_model
from smimso.metrics import metrics_view
from smimso.web.api_index import SchemaView, api_index, docs, test_cors
from smimso.web.converters import AnyIdConverter
from smimso.web.pages import PageRequest, wants_page

register_converter(AnyIdConverter, "any_id")

api_patterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.rest.urls")),
    path("", include("members.rest.urls")),
    path("", include("notifications.rest.urls")),
    path("", include("ai.rest.urls")),
    path("", include("search.rest.urls")),
    path("", include("recommendations.rest.urls")),
    path("", include("posts.rest.urls")),
    path("test-cors", test_cors),
]


@wraps(api_index)  # so that it is documented as the index of the API
def home(request: PageRequest) -> HttpResponse:
    """Show the feed to browsers, and return the index of the API to programs."""
    return feed(request) if request.htmx or wants_page(request) else api_index(request)


page_patterns = [
    path("", include("accounts.pages.urls")),
    path("", include("notifications.pages.urls")),
    path("", include("members.pages.urls")),
    path("", include("posts.pages.urls")),
    path("", include("search.pages.urls")),
    path("", include("recommendations.pages.urls")),
]

urlpatterns = [
    path("api/schema", SchemaView.as_view()),
    path("api/docs", docs),
    path("api/", include(api_patterns)),
    path("api/", include("search.rest.api_urls")),
    path("", include(api_patterns)),
    path("", home),
    path("", include(page_patterns)),
    path("uploads/<path:name>", uploaded_file),
    path("metrics", metrics_view),
    path("admin/ai/", ai_page, name="ai-admin"),
    path("admin/ai/model", change_model, name="ai-admin-model"),
    path("admin/ai/retry", retry_failed, name="ai-admin-retry"),
    path("admin/", admin.site.urls),
]

handler400 = "smimso.web.responses.handle_bad_request"
handler403 = "smimso.web.responses.handle_forbidden"
handler404 = "smimso.web.responses.handle_not_found"
handler500 = "smimso.web.responses.handle_server_error"
