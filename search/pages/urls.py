from django.urls import path

from search.pages import search

urlpatterns = [
    path("search", search.search, name="search"),
    path("search/suggestions", search.suggestions, name="search-suggestions"),
    path("post/<uuid:post_id>/similar", search.similar, name="similar"),
]
