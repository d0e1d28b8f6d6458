from django.urls import path

from posts.rest import contribution_views, interaction_views, upload_views, views

urlpatterns = [
    path("posts", views.PostListView.as_view()),
    path("posts/liked", views.LikedPostsView.as_view()),
    path("posts/saved", views.SavedPostsView.as_view()),
    path("posts/upload", upload_views.UploadView.as_view()),
    path("posts/check-duplicates", upload_views.CheckDuplicatesView.as_view()),
    path("posts/generate-caption", upload_views.GenerateCaptionView.as_view()),
    path("posts/generate-metadata", upload_views.GenerateMetadataView.as_view()),
    path("posts/<any_id:post_id>", views.PostView.as_view()),
    path("posts/<any_id:post_id>/images/<any_id:image_id>", views.ImageView.as_view()),
    path("posts/<any_id:post_id>/like", interaction_views.LikeView.as_view()),
    path("posts/<any_id:post_id>/save", interaction_views.SaveView.as_view()),
    path("posts/<any_id:post_id>/comments", interaction_views.CommentListView.as_view()),
    path(
        "posts/<any_id:post_id>/comments/<any_id:comment_id>",
        interaction_views.CommentView.as_view(),
    ),
    path("users/profile/comments", contribution_views.OwnCommentsView.as_view()),
    path("users/profile/likes", contribution_views.OwnLikesView.as_view()),
    path("users/profile/saves", contribution_views.OwnSavesView.as_view()),
    path("users/profile/files", contribution_views.OwnFilesView.as_view()),
    path("users/profile/files/<str:filename>", contribution_views.OwnFileView.as_view()),
]
