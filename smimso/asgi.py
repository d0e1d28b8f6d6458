"""The ASGI application: `uvicorn smimso.asgi:application`."""

import gc
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

import django
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smimso.settings")
# Set before numpy is imported. Its matrix products are small here, and threads that spin while they
# wait would compete with PostgreSQL: 17 ms instead of 0.5 ms per product on two busy cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class OneHopHandler(ASGIHandler):
    """Run all middleware and the view in one thread hop instead of one hop for each of them.

    This saves 1.7 ms of CPU per request: the shortest takes 1.3 instead of 3.0 ms, and 16 clients
    get 520 instead of 330 responses per second. Async views still run on the event loop.
    """

    async def handle(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            await super().handle(scope, body_limit.limit_body(scope, receive), send)
        except errors.SmimsoError as error:
            await body_limit.refuse(error, receive, send)

    def create_request(self, scope: Mapping[str, Any], body_file: IO[bytes]) -> Any:
        return super().create_request(body_limit.declare_length(scope, body_file), body_file)

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)
        chain: Any = self._middleware_chain  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)


django.setup(set_prefix=False)
application = OneHopHandler()

# ruff: isort: split
from smimso import errors, metrics, urls  # noqa: E402, F401 - need the settings
from smimso.web import body_limit  # noqa: E402 - needs the settings

metrics.enable_multiprocess()
# Exclude the loaded modules from garbage collection, which would pause all requests for 65 ms.
gc.freeze()
