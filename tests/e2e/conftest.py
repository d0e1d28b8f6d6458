import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import shared_programs
from tests.e2e.site import Site, running_site

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WITHOUT_A_BROWSER = "NO BROWSER: the browser tests did not run. Install chromium to run them."
_missing: list[str] = []


DEMO_POSTS = 36  # enough public ones for two pages; the models need half of the time


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    yield shared_programs.enter_context(running_site(demo_posts=DEMO_POSTS))
    shared_programs.close()


@pytest.fixture(scope="module")  # playwright's event loop must not run on under other tests
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        _missing.append(WITHOUT_A_BROWSER)
        pytest.skip(WITHOUT_A_BROWSER)
    options = ["--disable-gpu", "--disable-background-networking", "--no-first-run"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium's own sandbox refuses to run as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in dict.fromkeys(_missing):
        terminalreporter.section(line, sep="!", red=True, bold=True)
