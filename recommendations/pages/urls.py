from django.urls import path

from recommendations.pages import for_you

urlpatterns = [
    path("for-you", for_you.for_you, name="for-you"),
    path("for-you/forget", for_you.reset_recommendations, name="reset-recommendations"),
]
