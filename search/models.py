"""How well the vector index finds what an exact search would find."""

from django.db import models


class QueryKind(models.TextChoices):
    IMAGE = "image"
    TEXT = "text"


class SearchEffort(models.Model):
    """How many times the usual probes (ivfflat) or candidates (HNSW) a search looks at."""

    index_kind = models.CharField(primary_key=True, max_length=20)
    effort = models.FloatField(default=1.0)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "search_effort"

    def __str__(self) -> str:
        return f"{self.index_kind}: {self.effort:.2f}"


class RecallMeasurement(models.Model):
    """The share of the exact 20 best posts that the index found, for a sample of queries."""

    measured_at = models.DateTimeField(auto_now_add=True)
    query_kind = models.CharField("queries", max_length=10, choices=QueryKind.choices)
    queries = models.IntegerField("number of queries")
    recall = models.FloatField("recall@20", null=True, help_text="0 to 1; empty: not measured")
    rows = models.BigIntegerField("vectors")
    index_kind = models.CharField("index", max_length=20)
    lists = models.IntegerField(default=0, help_text="of ivfflat")
    probes = models.IntegerField(help_text="lists looked at; with HNSW, candidates (ef_search)")
    note = models.TextField(blank=True)

    class Meta:
        db_table = "search_recall"
        ordering = ["-measured_at", "query_kind"]

    def __str__(self) -> str:
        return f"{self.query_kind}, {self.measured_at:%Y-%m-%d %H:%M}"
