from django.urls import path

from search import pages

urlpatterns = [
    path("search", pages.search, name="search"),
    path("search/suggestions", pages.suggest, name="search-suggestions"),
    path("post/<uuid:post_id>/similar", pages.similar, name="similar"),
]
