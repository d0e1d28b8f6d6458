from django.urls import path

from posts.pages import forms, grids, interactions, own, post

urlpatterns = [
    path("", grids.feed, name="feed"),
    path("saved", grids.saved, name="saved"),
    path("liked", grids.liked, name="liked"),
    path("activity", own.comments, name="own-comments"),
    path("activity/files", own.files, name="own-files"),
    path("activity/files/<str:filename>/delete", own.remove_file, name="delete-file"),
    path("activity/<str:kind>/<uuid:row_id>/remove", own.remove, name="remove-own"),
    path("upload", forms.upload, name="upload"),
    path("post/<uuid:post_id>", post.post, name="post"),
    path("post/<uuid:post_id>/state", post.ai_state, name="ai-state"),
    path("post/<uuid:post_id>/edit", forms.edit, name="edit-post"),
    path("post/<uuid:post_id>/delete", forms.delete, name="delete-post"),
    path("post/<uuid:post_id>/like", interactions.like, name="like"),
    path("post/<uuid:post_id>/save", interactions.save, name="save"),
    path("post/<uuid:post_id>/comments", interactions.comments, name="comments"),
    path("post/<uuid:post_id>/comments/add", interactions.add_comment, name="add-comment"),
    path(
        "post/<uuid:post_id>/comments/<uuid:comment_id>/delete",
        interactions.delete_comment,
        name="delete-comment",
    ),
]
