"""Admin of comments."""

from django.contrib import admin
from django.contrib.postgres.search import SearchVectorExact
from django.db import models, transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from posts import recount
from posts.admin.content import admin_link
from posts.full_text import filter_by_words, words_query
from posts.models import Comment, Post
from smimso.text import FoldedWords


@admin.register(Comment)
class CommentAdmin(admin.ModelAdmin):
    """Search and delete comments. Staff cannot edit what members wrote."""

    list_display = ["excerpt", "author", "post_link", "created_at"]
    list_select_related = ["user", "post"]
    search_fields = ["content", "user__email", "post__title"]
    ordering = ["-created_at", "-id"]
    list_per_page = 50
    show_full_result_count = False
    fields = ["author", "post_link", "parent_comment", "content", "created_at", "updated_at"]

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Comment], search_term: str
    ) -> tuple[models.QuerySet[Comment], bool]:
        """Find comments also by folded words of theirs, of the post or of the author's name."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        words = words_query(search_term)
        if words is None:
            return found, may_repeat
        # A union, because each part has its index.
        parts = [
            Comment.objects.filter(SearchVectorExact(FoldedWords("content"), words)),
            Comment.objects.filter(user__in=User.objects.named(search_term)),
            Comment.objects.filter(post__in=filter_by_words(Post.objects.all(), search_term)),
        ]
        first, *others = (part.order_by().values("pk") for part in parts)
        return found | queryset.filter(pk__in=first.union(*others)), may_repeat

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Comment | None = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: Comment) -> None:
        self.delete_queryset(request, Comment.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Comment]) -> None:
        """Delete the comments with their replies, and correct the counters of the posts."""
        with transaction.atomic():
            post_ids = set(queryset.order_by().values_list("post_id", flat=True))
            # Posts are locked first, as by every change of a post's rows, to avoid deadlocks.
            list(Post.objects.select_for_update().filter(pk__in=post_ids).order_by("pk"))
            queryset.delete()
            recount.recount_posts(post_ids)

    @admin.display(description=_("comment"))
    def excerpt(self, comment: Comment) -> str:
        return Truncator(comment.content).chars(80)

    @admin.display(description=_("author"), ordering="user__first_name")
    def author(self, comment: Comment) -> SafeString:
        return admin_link("accounts_user", comment.user)

    @admin.display(description=_("post"), ordering="post__title")
    def post_link(self, comment: Comment) -> SafeString:
        return admin_link("posts_post", comment.post)
