from django.urls import path

from posts import views

urlpatterns = [
    path("posts", views.PostListView.as_view()),
    path("posts/<uuid:post_id>", views.PostView.as_view()),
]
