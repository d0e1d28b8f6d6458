from django.urls import path

from recommendations.rest import views

urlpatterns = [
    path("ai/recommendations", views.RecommendationsView.as_view()),
    path("recommendations/similar-users", views.SimilarMembersView.as_view()),
    path("recommendations/for-you", views.ForYouView.as_view()),
    path("recommendations/taste", views.TasteView.as_view()),
]
