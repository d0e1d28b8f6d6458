"""Served under `/api/` and `/`. No trailing slashes: clients do not send them."""

from django.urls import path

from ai.rest import views

urlpatterns = [
    path("ai/image-features", views.ImageFeaturesView.as_view()),
    path("ai/classify", views.ClassifyView.as_view()),
    path("ai/text-embedding", views.TextEmbeddingView.as_view()),
    path("ai", views.ServiceView.as_view()),
    path("health", views.HealthView.as_view()),
]
