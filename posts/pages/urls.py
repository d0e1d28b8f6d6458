from django.urls import path

from posts.pages import forms, grids, interactions, post

urlpatterns = [
    path("", grids.feed, name="feed"),
    path("saved", grids.saved, name="saved"),
    path("liked", grids.liked, name="liked"),
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
