from django.urls import path

from search import for_you_pages, pages

urlpatterns = [
    path("search", pages.search, name="search"),
    path("for-you", for_you_pages.recommended, name="for-you"),
    path("for-you/forget", for_you_pages.forget_taste, name="forget-taste"),
    path("search/suggestions", pages.suggest, name="search-suggestions"),
    path("post/<uuid:post_id>/similar", pages.similar, name="similar"),
]
