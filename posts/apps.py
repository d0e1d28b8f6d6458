from uuid import UUID

from django.apps import AppConfig
from django.db.models import Q


class PostsConfig(AppConfig):
    name = "posts"

    def ready(self) -> None:
        from accounts.models import User
        from notifications import visibility
        from posts.admin.ai_sections import register_sections
        from posts.visibility import visible_posts

        def is_about_visible_post(user_id: UUID) -> Q:
            return Q(post=None) | visible_posts(User(pk=user_id), "post__")

        visibility.register(is_about_visible_post)
        register_sections()
