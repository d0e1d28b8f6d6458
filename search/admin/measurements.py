"""Admin list of recall measurements, read-only."""

from django.contrib import admin
from django.http import HttpRequest

from search.models import RecallMeasurement


@admin.register(RecallMeasurement)
class RecallMeasurementAdmin(admin.ModelAdmin):
    list_display = [
        "measured_at",
        "query_kind",
        "recall",
        "queries",
        "rows",
        "index_kind",
        "lists",
        "probes",
        "note",
    ]
    list_filter = ["query_kind", "index_kind"]
    date_hierarchy = "measured_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
