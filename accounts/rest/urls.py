"""Routes of accounts. Routes that need posts, too, are in members.rest.urls."""

from django.urls import path

from accounts.rest import option_views, profile_views, views

urlpatterns = [
    path("auth/register", views.RegisterView.as_view()),
    path("auth/login", views.LoginView.as_view()),
    path("auth/google-login", views.GoogleLoginView.as_view()),
    path("auth/change-password", views.ChangePasswordView.as_view()),
    path("users/search", profile_views.UserSearchView.as_view()),
    path("users/profile/avatar", profile_views.AvatarView.as_view()),
    path("users/profile/cover", profile_views.CoverView.as_view()),
    path("users/<any_id:user_id>/follow", profile_views.FollowView.as_view()),
    path("users/<any_id:user_id>/followers", profile_views.FollowersView.as_view()),
    path("users/<any_id:user_id>/following", profile_views.FollowingView.as_view()),
    path("options", option_views.OptionsView.as_view()),
    path("options/jobs", option_views.JobsView.as_view()),
    path("options/categories", option_views.CategoriesView.as_view()),
    path("survey", option_views.SurveyView.as_view()),
    path("survey/options", option_views.SurveyOptionsView.as_view()),
    path("survey/status", option_views.SurveyStatusView.as_view()),
]
