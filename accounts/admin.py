"""Administration of members and follows."""

from typing import cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Follow, User
from accounts.services import parse_phone
from smimso.errors import InvalidInput
from smimso.login_names import normalize_email, normalize_phone
from smimso.web.text_fields import VisibleTextAdmin


class _NormalizedEmail(forms.ModelForm):
    """Stores e-mails in one form, so that members can log in with any spelling."""

    def clean_email(self) -> str:
        return normalize_email(self.cleaned_data["email"])


class NewUserForm(_NormalizedEmail, AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "first_name", "last_name")


class UserForm(_NormalizedEmail, UserChangeForm):
    class Meta:
        model = User
        fields = ("email",)  # the admin puts its own fieldsets in place

    def clean_phone(self) -> str | None:
        phone = self.cleaned_data["phone"]
        try:
            return phone if phone == self.instance.phone else parse_phone(phone)
        except InvalidInput as error:
            raise forms.ValidationError(str(error)) from error


PERMISSION_FIELDS = ["is_staff", "is_superuser", "groups", "user_permissions"]


@admin.register(User)
class UserAdmin(VisibleTextAdmin, DjangoUserAdmin):
    form = UserForm
    add_form = NewUserForm
    list_display = ["email", "full_name", "phone", "is_active", "is_staff", "created_at"]
    list_filter = ["is_active", "is_staff", "is_verified"]
    search_fields = ["email", "phone", "first_name", "last_name"]
    ordering = ["-created_at"]
    readonly_fields = [
        *("last_login", "created_at", "updated_at", "auth_provider", "google_id"),
        "related_lists",
    ]
    actions = ["deactivate", "activate"]
    list_per_page = 50
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["email", "phone", "password", "related_lists"]}),
        (
            _("Profile"),
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
            _("Permissions"),
            {"fields": ["is_active", "is_verified", *PERMISSION_FIELDS]},
        ),
        (
            _("History"),
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Find members also by folded parts of their names, and by a number in any spelling."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term.strip():
            found |= queryset.filter(pk__in=User.objects.named(search_term))
        if number := normalize_phone(search_term):
            found |= queryset.filter(phone=number)
        return found, may_repeat

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Let only superusers grant permissions; staff could grant them to themselves."""
        fields = [*super().get_readonly_fields(request, obj)]
        return fields if _is_superuser(request) else [*fields, *PERMISSION_FIELDS]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let only superusers change other staff; a new password would take over the account."""
        is_other_staff = (
            obj is not None and obj != request.user and (obj.is_staff or obj.is_superuser)
        )
        is_allowed = super().has_change_permission(request, obj)
        return is_allowed and (not is_other_staff or _is_superuser(request))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Deny deletion, which would remove posts but leave their files; deactivate instead."""
        return False

    @admin.display(description=_("content of this member"))
    def related_lists(self, user: User) -> SafeString:
        """Link to the lists of this member's objects, also in apps that accounts cannot import."""
        lists = [
            (gettext("posts"), "posts_post", "user__id__exact"),
            (gettext("images"), "posts_postimage", "post__user__id__exact"),
            (gettext("comments"), "posts_comment", "user__id__exact"),
            (gettext("follows"), "accounts_follow", "follower__id__exact"),
            (gettext("followers"), "accounts_follow", "following__id__exact"),
        ]
        links = [
            (reverse(f"admin:{model}_changelist"), f"{filter_by}={user.pk}", name)
            for name, model, filter_by in lists
        ]
        return format_html_join(" · ", '<a href="{}?{}">{}</a>', links)

    @admin.action(
        description=_("Deactivate selected members and hide their posts"), permissions=["change"]
    )
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, active=False)

    @admin.action(description=_("Reactivate selected members"), permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, active=True)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], *, active: bool) -> None:
        viewer = cast(User, request.user)
        members = queryset.exclude(pk=viewer.pk)
        if not _is_superuser(request):
            members = members.filter(is_staff=False, is_superuser=False)
        count = members.order_by().update(is_active=active)
        text = gettext("Activated: {count} of {total} members.")
        if not active:
            text = gettext("Deactivated: {count} of {total} members.")
        messages.success(request, text.format(count=count, total=queryset.count()))


def _is_superuser(request: HttpRequest) -> bool:
    return request.user.is_superuser


@admin.register(Follow)
class FollowAdmin(admin.ModelAdmin):
    list_display = ["follower", "following", "created_at"]
    list_select_related = ["follower", "following"]
    search_fields = ["follower__email", "following__email"]
    autocomplete_fields = ["follower", "following"]
    ordering = ["-created_at"]
    show_full_result_count = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Follow], search_term: str
    ) -> tuple[QuerySet[Follow], bool]:
        """Find follows also by folded parts of either member's name."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if search_term.strip():
            members = User.objects.named(search_term)
            found |= queryset.filter(Q(follower__in=members) | Q(following__in=members))
        return found, may_repeat
