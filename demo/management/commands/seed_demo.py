"""`manage.py seed_demo`: create the members and posts of the demo that are missing."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from demo import content


class Command(BaseCommand):
    help = "Create the members and posts of the demo. Adds only those that are missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--posts", type=int, default=72, help="number of posts (default 72)")
        parser.add_argument(
            "--accounts", action="store_true", help="only print the accounts and their password"
        )

    def handle(self, *args: object, posts: int, accounts: bool, **options: object) -> None:
        if accounts:
            self.stdout.write(
                f"Members:  {', '.join(f'{m}@{content.DOMAIN}' for m in content.MEMBERS)}"
            )
            self.stdout.write(f"Staff:    admin@{content.DOMAIN} (also for /admin/)")
            self.stdout.write(f"Password: {content.PASSWORD}")
            return
        members = content.create_members()
        created = 0
        for created, _ in enumerate(content.create_posts(posts, members), start=1):
            if created % 10 == 0:
                self.stdout.write(f"Created {created} demo posts")
                self.stdout.flush()
        self.stdout.write(f"The demo has {posts} posts by {len(members)} members")
