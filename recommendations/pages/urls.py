from django.urls import path

from recommendations.pages import for_you

urlpatterns = [
    path("for-you", for_you.recommended, name="for-you"),
    path("for-you/forget", for_you.forget_taste, name="forget-taste"),
]
