"""Memory and modules of the processes of a running installation."""

from pathlib import Path

import psutil

from tests.e2e.site import Site

MEGABYTE = 1024 * 1024


def test_the_web_process_has_no_torch_and_stays_under_200_megabytes(site: Site) -> None:
    for path in ("/", "/search?q=cat", "/health", "/login", "/api/posts"):
        site.get(path)
    web = psutil.Process(site.pid_of("web"))
    libraries = Path(f"/proc/{web.pid}/maps").read_text()
    assert "libtorch" not in libraries
    assert web.memory_info().rss < 200 * MEGABYTE
