from django.urls import path

from posts import account_pages, follow_pages, form_pages, interaction_pages, pages, post_pages

urlpatterns = [
    path("", pages.feed, name="feed"),
    path("saved", pages.saved, name="saved"),
    path("liked", pages.liked, name="liked"),
    path("settings/delete", account_pages.DeleteAccount.as_view(), name="delete-account"),
    path("upload", form_pages.upload, name="upload"),
    path("post/<uuid:post_id>", post_pages.post, name="post"),
    path("post/<uuid:post_id>/state", post_pages.ai_state, name="ai-state"),
    path("post/<uuid:post_id>/edit", form_pages.edit, name="edit-post"),
    path("post/<uuid:post_id>/delete", form_pages.delete, name="delete-post"),
    path("post/<uuid:post_id>/like", interaction_pages.like, name="like"),
    path("post/<uuid:post_id>/save", interaction_pages.save, name="save"),
    path("post/<uuid:post_id>/comments", interaction_pages.comments, name="comments"),
    path("post/<uuid:post_id>/comments/add", interaction_pages.add_comment, name="add-comment"),
    path(
        "post/<uuid:post_id>/comments/<uuid:comment_id>/delete",
        interaction_pages.delete_comment,
        name="delete-comment",
    ),
    path("members/<uuid:member_id>", pages.member, name="member"),
    path("members/<uuid:member_id>/follow", follow_pages.follow, name="follow"),
]
