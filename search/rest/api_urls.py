"""Routes under `/api/` alone: without it, these addresses are pages."""

from django.urls import path

from search.rest import views

urlpatterns = [
    path("search", views.SearchView.as_view()),
    path("search/suggestions", views.SuggestionsView.as_view()),
]
