"""The map of routes: the REST API under both `/api/` and `/`, the pages, files and the admin."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from posts.views import uploaded_file
from smimso.index import SchemaView, api_index, docs, test_cors

rest: list[URLPattern | URLResolver] = [
    path("", include("accounts.urls")),
    path("", include("posts.member_urls")),
    path("", include("notifications.urls")),
    path("", include("ai.urls")),
    path("", include("search.urls")),
    path("", include("posts.urls")),
    path("test-cors", test_cors),
]

urlpatterns = [
    path("api/schema", SchemaView.as_view()),
    path("api/docs", docs),
    path("api/", include(rest)),
    path("", include(rest)),
    path("uploads/<path:name>", uploaded_file),
    path("admin/", admin.site.urls),
    path("", api_index),
]

handler404 = "smimso.http.route_not_found"
handler500 = "smimso.http.server_error"
