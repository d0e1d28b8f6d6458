"""Embeddings of members, computed from their interactions."""

from django.conf import settings
from django.db import models
from pgvector.django import VectorField

from posts.models import EMBEDDING_DIMENSIONS


class UserEmbedding(models.Model):
    """The mean vector of what a member likes, by which members are compared.

    forgotten_at: interactions before this time are ignored.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="user_embedding"
    )
    forgotten_at = models.DateTimeField(null=True, blank=True)
    vector = VectorField(dimensions=EMBEDDING_DIMENSIONS, null=True, blank=True)
    vector_model = models.CharField(max_length=200, blank=True)
    learned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "tastes"

    def __str__(self) -> str:
        return f"Embedding of user {self.user_id}"
