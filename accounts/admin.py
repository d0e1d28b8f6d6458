"""Administration of members, follows and categories."""

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.http import HttpRequest

from accounts.models import Follow, User


class _LowerCaseEmail(forms.ModelForm):
    """Members log in with their e-mail in any case."""

    def clean_email(self) -> str:
        return self.cleaned_data["email"].strip().lower()


class NewUserForm(_LowerCaseEmail, AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "first_name", "last_name")


class UserForm(_LowerCaseEmail, UserChangeForm):
    class Meta:
        model = User
        fields = ("email",)  # the admin puts its own fieldsets in place


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    form = UserForm
    add_form = NewUserForm
    list_display = ["email", "full_name", "phone", "is_active", "is_staff", "created_at"]
    list_filter = ["is_active", "is_staff", "is_verified"]
    search_fields = ["email", "phone", "first_name", "last_name"]
    ordering = ["-created_at"]
    readonly_fields = ["last_login", "created_at", "updated_at", "auth_provider", "google_id"]
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["email", "phone", "password"]}),
        (
            "Profile",
            {
                "fields": [
                    "first_name",
                    "last_name",
                    "date_of_birth",
                    "job",
                    "bio",
                    "avatar_url",
                    "cover_url",
                ]
            },
        ),
        (
            "Permissions",
            {
                "fields": [
                    "is_active",
                    "is_verified",
                    "is_staff",
                    "is_superuser",
                    "groups",
                    "user_permissions",
                ]
            },
        ),
        (
            "History",
            {"fields": ["auth_provider", "google_id", "last_login", "created_at", "updated_at"]},
        ),
    ]
    add_fieldsets = [
        (
            None,
            {
                "classes": ["wide"],
                "fields": [
                    "email",
                    "first_name",
                    "last_name",
                    "usable_password",
                    "password1",
                    "password2",
                ],
            },
        )
    ]

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Members are deactivated: a deletion would take their posts and leave the files."""
        return False


@admin.register(Follow)
class FollowAdmin(admin.ModelAdmin):
    list_display = ["follower", "following", "created_at"]
    list_select_related = ["follower", "following"]
    search_fields = ["follower__email", "following__email"]
    autocomplete_fields = ["follower", "following"]
    ordering = ["-created_at"]
    show_full_result_count = False
