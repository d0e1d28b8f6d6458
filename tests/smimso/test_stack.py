"""`manage.py up` waits for a web server that answers its health check."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from smimso.local.launcher import Stack


class Site(BaseHTTPRequestHandler):
    status = 200
    asked: list[str | None] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["Host"])
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield Stack(tmp_path, "0.0.0.0", server.server_port, {}, False, False, print)
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("status", [200, 301, 400, 503])
def test_only_a_health_check_that_succeeds_is_an_answer(
    stack: Stack, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, "status", status)
    assert stack.web_answers() is (status == 200)


@pytest.mark.parametrize(
    ("hosts", "asked"),
    [(["*"], "127.0.0.1"), ([".smimso.example", "b.example"], "smimso.example"), ([], "127.0.0.1")],
)
def test_it_is_asked_by_a_name_that_the_site_answers_to(
    stack: Stack, settings: Any, hosts: list[str], asked: str
) -> None:
    settings.ALLOWED_HOSTS = hosts
    assert stack.web_answers()
    assert Site.asked[-1] == asked
