from django.urls import path

from posts import pages

urlpatterns = [
    path("", pages.feed, name="feed"),
    path("upload", pages.upload, name="upload"),
    path("post/<uuid:post_id>", pages.post, name="post"),
    path("post/<uuid:post_id>/state", pages.ai_state, name="ai-state"),
    path("members/<uuid:member_id>", pages.member, name="member"),
]
