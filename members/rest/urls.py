"""Routes about members and their posts. They are included after accounts.rest.urls."""

from django.urls import path

from members.rest import views

urlpatterns = [
    path("auth/me", views.AccountView.as_view()),
    path("posts/user/<str:user_id>", views.PostsOfMemberView.as_view()),
    path("users/top-creators", views.TopCreatorsView.as_view()),
    path("users/most-favorite", views.MostFavoriteView.as_view()),
    path("users/most-viewed", views.MostViewedView.as_view()),
    path("users/most-active", views.MostActiveView.as_view()),
    path("users/profile", views.OwnProfileView.as_view()),
    path("users/profile/posts", views.OwnPostsView.as_view()),
    path("users/liked-posts", views.OwnLikedPostsView.as_view()),
    path("users/saved-posts", views.OwnSavedPostsView.as_view()),
    path("users/activities", views.ActivitiesView.as_view()),
    path("users/related-users", views.RelatedMembersView.as_view()),
    # Last, because every path above would match as an id.
    path("users/<any_id:user_id>", views.MemberView.as_view()),
    path("users/<any_id:user_id>/posts", views.MemberPostsView.as_view()),
]
