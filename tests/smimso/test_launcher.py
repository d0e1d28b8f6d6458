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
    requested_hosts: list[str | None] = []

    def do_GET(self) -> None:
        self.requested_hosts.append(self.headers["Host"])
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield Stack(tmp_path, "0.0.0.0", server.server_port, {}, False, False, None, print)
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("status", [200, 301, 400, 503])
def test_only_a_successful_health_check_counts(
    stack: Stack, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, "status", status)
    assert stack.web_answers() is (status == 200)


@pytest.mark.parametrize(
    ("hosts", "host"),
    [(["*"], "127.0.0.1"), ([".smimso.example", "b.example"], "smimso.example"), ([], "127.0.0.1")],
)
def test_it_is_asked_for_a_host_that_is_allowed(
    stack: Stack, settings: Any, hosts: list[str], host: str
) -> None:
    settings.ALLOWED_HOSTS = hosts
    assert stack.web_answers()
    assert Site.requested_hosts[-1] == host
