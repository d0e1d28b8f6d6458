from django.urls import path

from search.rest import legacy_ai_views, views

urlpatterns = [
    path("ai/search-by-text", legacy_ai_views.SearchByTextView.as_view()),
    path("ai/similar-images", legacy_ai_views.SimilarImagesView.as_view()),
    path("search/text", views.TextSearchView.as_view()),
    path("search/image", views.ImageSearchView.as_view()),
    path("posts/<any_id:post_id>/similar", views.SimilarPostsView.as_view()),
]
