from uuid import UUID

from django.apps import AppConfig
from django.db.models import Q


class PostsConfig(AppConfig):
    name = "posts"

    def ready(self) -> None:
        from accounts.models import User
        from notifications import visibility
        from posts.admin.ai_sections import register_sections
        from posts.models import visible_posts

        def about_visible_posts(user_id: UUID) -> Q:
            return Q(post=None) | visible_posts(User(pk=user_id), "post__")

        visibility.register(about_visible_posts)
        register_sections()
