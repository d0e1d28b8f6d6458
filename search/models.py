"""Measured recall of the vector index, and how widely searches probe it."""

from django.db import models


class QueryKind(models.TextChoices):
    IMAGE = "image"
    TEXT = "text"


class ProbeFactor(models.Model):
    """A multiplier of the usual probes (ivfflat) or candidates (HNSW) of a search."""

    index_kind = models.CharField(primary_key=True, max_length=20)
    factor = models.FloatField(default=1.0, db_column="effort")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "search_effort"

    def __str__(self) -> str:
        return f"{self.index_kind}: {self.factor:.2f}"


class RecallMeasurement(models.Model):
    """Recall@20, the share of the exact 20 best posts that the index found, for some queries."""

    measured_at = models.DateTimeField(auto_now_add=True)
    query_kind = models.CharField("queries", max_length=10, choices=QueryKind.choices)
    queries = models.IntegerField("number of queries")
    recall = models.FloatField("recall@20", null=True, help_text="0 to 1; empty if not measured")
    rows = models.BigIntegerField("vectors")
    index_kind = models.CharField("index", max_length=20)
    lists = models.IntegerField(default=0, help_text="Of ivfflat")
    probes = models.IntegerField(
        help_text="Lists probed by a search; with HNSW, candidates (ef_search)"
    )
    note = models.TextField(blank=True)

    class Meta:
        db_table = "search_recall"
        ordering = ["-measured_at", "query_kind"]

    def __str__(self) -> str:
        return f"{self.query_kind}, {self.measured_at:%Y-%m-%d %H:%M}"
