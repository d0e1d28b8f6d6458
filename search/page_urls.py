from django.urls import path

from search import pages

urlpatterns = [
    path("search", pages.search, name="search"),
    path("for-you", pages.recommended, name="for-you"),
    path("for-you/forget", pages.forget_taste, name="forget-taste"),
    path("post/<uuid:post_id>/similar", pages.similar, name="similar"),
]
