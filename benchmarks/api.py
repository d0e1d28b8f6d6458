"""Feed, post, comments, profile and search at 100,000 posts and 1,000,000 likes, over HTTP.

    python benchmarks/api.py

Starts a separate installation without AI and fills it. Prints the database queries of a request at
1,000 and at 100,000 posts, and the latency for 1 and for 16 concurrent clients. For comparison, the
feed is also built in this process by the Node backend's method.
"""

import http.client
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.data.community import VIEWER, Community
from smimso.local import servers
from tests.e2e.site import Site, running_site

if TYPE_CHECKING:
    from accounts.models import User

SMALL, LARGE = 1_000, 100_000  # posts
CLIENTS = (1, 16)
REQUESTS = 320  # for each route and number of clients, limited by SECONDS
SECONDS = 8.0
WARM_UP = 20
TARGET = 0.050  # seconds: 95 of 100 requests of the feed, at one client
PAGE = 20


class Timing(NamedTuple):
    seconds: list[float]
    per_second: float

    def percentile(self, percent: int) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


Paths = Callable[[], str]  # returns another path of the same route at every call


def build_routes(community: Community) -> dict[str, Paths]:
    choose = random.Random(2)
    posts, members = community.public.copy(), community.members
    busy = [post for post in community.posts[::100] if post in posts]
    words = community.sample_words()
    return {
        "feed": lambda: "/api/posts",
        "feed, page 100": lambda: "/api/posts?page=100",
        "post": lambda: f"/api/posts/{choose.choice(posts)}",
        "comments": lambda: f"/api/posts/{choose.choice(posts)}/comments",
        "comments, 102 of a post": lambda: f"/api/posts/{choose.choice(busy)}/comments",
        "profile": lambda: f"/api/users/{choose.choice(members)}",
        "posts of a member": lambda: f"/api/users/{choose.choice(members)}/posts",
        "search by words": lambda: f"/api/posts?search={quote(choose.choice(words))}",
    }


# --- Over HTTP --------------------------------------------------------------------------------


class Client:
    """A persistent connection that sends authenticated requests."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> float:
        """Return the seconds until the whole response was received."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        return time.perf_counter() - began


def measure(site: Site, token: str, paths: Paths, clients: int) -> Timing:
    seconds: list[float] = []
    began = time.perf_counter()

    def send_requests() -> None:
        client = Client(site.url, token)
        for _ in range(REQUESTS // clients):
            seconds.append(client.get(paths()))
            if time.perf_counter() - began > SECONDS:
                break

    threads = [threading.Thread(target=send_requests) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Timing(seconds, len(seconds) / (time.perf_counter() - began))


def warm_up(site: Site, token: str, paths: Paths) -> None:
    client = Client(site.url, token)
    began = time.perf_counter()
    for _ in range(WARM_UP):
        client.get(paths())
        if time.perf_counter() - began > SECONDS:
            break


# --- In this process --------------------------------------------------------------------------


def use_site_database(site: Site) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "smimso.settings",
        "SMIMSO_DATA_DIR": str(site.data_dir),
        "DATABASE_URL": servers.database_url(site.data_dir),
        "REDIS_URL": site.redis.url,
    }
    (site.data_dir / "static").mkdir(exist_ok=True)  # whitenoise warns when there is none
    django.setup()


def issue_viewer_token(community: Community) -> str:
    from accounts.models import User
    from smimso.web.auth import issue_token

    return issue_token(User.objects.get(pk=community.members[VIEWER]))


def count_queries(paths: Paths, token: str) -> int:
    """Return the maximum of ten requests: the viewer's own post needs fewer."""
    from django.db import connection
    from django.test import Client as InProcess
    from django.test.utils import CaptureQueriesContext

    client = InProcess(headers={"Authorization": f"Bearer {token}"})
    counts = []
    for _ in range(10):
        with CaptureQueriesContext(connection) as captured:
            client.get(paths())
        counts.append(len(captured))
    return max(counts)


def list_feed_as_node(viewer: "User", page: int, limit: int) -> list[dict[str, Any]]:
    """Return a page of the feed by the Node backend's method, as a reference.

    It fetched all public posts at each request, sorted and sliced them in the application, and ran
    two more queries for each post of the page. SMIMSO does none of this.
    """
    from accounts.models import Follow
    from posts.models import Like, Post, PostImage

    followed = set(Follow.objects.filter(follower=viewer).values_list("following_id", flat=True))
    columns = [field.attname for field in Post._meta.concrete_fields]
    author = ["user__id", "user__first_name", "user__last_name", "user__avatar_url"]
    category = ["category__id", "category__name", "category__slug"]
    posts = list(Post.objects.filter(visibility="public").values(*columns, *author, *category))
    posts.sort(key=lambda post: post["created_at"], reverse=True)
    posts.sort(key=lambda post: post["user_id"] not in followed)
    shown = posts[(page - 1) * limit : page * limit]
    for post in shown:
        images = PostImage.objects.filter(post_id=post["id"]).order_by("display_order")
        post["image"] = images.without_vectors().first()
        post["isLiked"] = Like.objects.filter(post_id=post["id"], user=viewer).exists()
    return shown


def compare_feeds(community: Community, rounds: int = 10) -> None:
    from accounts.models import User
    from posts.feed import list_feed

    viewer = User.objects.get(pk=community.members[VIEWER])
    feeds: dict[str, Callable[[], object]] = {
        "as the Node backend did": lambda: list_feed_as_node(viewer, 1, PAGE),
        "posts.feed": lambda: list_feed(viewer, page=1, limit=PAGE),
    }
    print(f"\nThe feed without HTTP and JSON, median of {rounds}")
    medians = []
    for name, build_feed in feeds.items():
        seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            build_feed()
            seconds.append(time.perf_counter() - began)
        medians.append(statistics.median(seconds))
        print(f"  {name:24} {1000 * medians[-1]:8.1f} ms")
    print(f"  {medians[0] / medians[1]:.0f} times faster")


# --- The whole run ----------------------------------------------------------------------------


def main() -> None:
    with running_site(with_ai=False) as site:
        community = Community(servers.database_url(site.data_dir))
        use_site_database(site)
        token = issue_viewer_token(community)
        community.grow(SMALL)
        paths_by_route = build_routes(community)
        small = {name: count_queries(paths, token) for name, paths in paths_by_route.items()}
        community.grow(LARGE)
        print(", ".join(f"{count:,} {table}" for table, count in community.count_rows().items()))
        print(f"\n{'':25}{'queries at':^16}{'1 client, ms':^16}{'16 clients, ms':^16}requests/s")
        print(
            f"{'':25}{SMALL:>7,} {LARGE:>7,} {'p50':>7} {'p95':>7} {'p50':>7} {'p95':>7}     1   16"
        )
        for name, paths in paths_by_route.items():
            large = count_queries(paths, token)
            warm_up(site, token, paths)
            timings = [measure(site, token, paths, clients) for clients in CLIENTS]
            cells = [1000 * each.percentile(percent) for each in timings for percent in (50, 95)]
            print(
                f"{name:25}{small[name]:7} {large:7}", *(f"{cell:7.1f}" for cell in cells), end=""
            )
            print("", *(f"{timing.per_second:4.0f}" for timing in timings), flush=True)
            if name == "feed":
                feed = timings[0].percentile(95)
        verdict = "reached" if feed <= TARGET else "missed"
        print(f"\np95 of the feed at one client ≤ {1000 * TARGET:.0f} ms: {verdict}")
        compare_feeds(community)


if __name__ == "__main__":
    main()
