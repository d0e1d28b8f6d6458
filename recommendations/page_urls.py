from django.urls import path

from recommendations import pages

urlpatterns = [
    path("for-you", pages.recommended, name="for-you"),
    path("for-you/forget", pages.forget_taste, name="forget-taste"),
]
