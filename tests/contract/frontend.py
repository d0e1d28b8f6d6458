"""The frontend in a browser, as far as the network sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.contract.conftest import FRONTEND
from tests.notifications.web import Stream

SUCCESS = (200, 201)  # where an error is not expected
SIMPLE = ("GET", "POST")  # methods that a browser does not ask about


def registration(first_name: str) -> dict[str, str]:
    """The form with only what it requires: all eight keys, and blanks for the rest."""
    return {
        "email": f"{first_name}@Example.test",
        "phone": "",
        "password": "secret 6",
        "confirmPassword": "secret 6",
        "first_name": first_name,
        "last_name": "",
        "date_of_birth": "",
        "job": "",
    }


class Frontend:
    """A visitor's tab; `variable` is NEXT_PUBLIC_API_URL, with `/api` at its end or without.

    Of its two axios clients and the helper for the URLs of files only the first one uses the
    variable as it is. Before a request that the browser would ask about first, it asks.
    """

    def __init__(self, browser: httpx.Client, variable: str) -> None:
        self.variable = variable
        self.without_api = variable.replace("/api", "", 1)
        self.token = ""
        self.user: dict[str, Any] = {}
        self._browser = browser

    def main(self, method: str, path: str, status: int | None = None, **sent: Any) -> Any:
        return self._ask(method, f"{self.variable}{path}", status, **sent)

    def auth(self, method: str, path: str, status: int | None = None, **sent: Any) -> Any:
        return self._ask(method, f"{self.without_api}{path}", status, **sent)

    def data(self, path: str) -> Any:
        return self.main("GET", path)["data"]

    def file(self, url: str) -> httpx.Response:
        """Load it without a token, as an <img> does."""
        assert url.startswith("/")
        return self._browser.get(f"{self.without_api}{url}", headers={"Referer": f"{FRONTEND}/"})

    def register(self, first_name: str) -> None:
        self._begin(self.auth("POST", "/auth/register", 201, json=registration(first_name))["data"])

    def log_in(self, email: str, password: str) -> None:
        form = {"emailOrPhone": email, "password": password}
        self._begin(self.auth("POST", "/auth/login", 200, json=form)["data"])

    @contextmanager
    def notifications(self) -> Iterator[Stream]:
        """The EventSource: it can send no headers, and never asks first."""
        url = f"{self.variable}/notifications/stream?token={self.token}"
        headers = {"Accept": "text/event-stream", "Origin": FRONTEND}
        with self._browser.stream("GET", url, headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["Content-Type"].startswith("text/event-stream")
            assert response.headers["Access-Control-Allow-Origin"] in (FRONTEND, "*")
            yield Stream(response)

    def _begin(self, session: dict[str, Any]) -> None:
        """Read the fields that Navbar and the pages use throughout the session."""
        assert session["token"]
        assert session["user"]["id"]
        assert session["user"]["first_name"]
        assert session["user"].keys() >= {"last_name", "avatar_url", "email"}
        self.token, self.user = session["token"], session["user"]

    def _ask(self, method: str, url: str, status: int | None, **sent: Any) -> Any:
        headers = {
            "Accept": "application/json, text/plain, */*",
            "Origin": FRONTEND,
            "Referer": f"{FRONTEND}/",
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        asked = [name for name in ("Authorization",) if name in headers]
        asked += ["Content-Type"] if "json" in sent else []
        if asked or method not in SIMPLE:
            self._preflight(method, url, asked)
        response = self._browser.request(method, url, headers=headers, **sent)
        assert response.headers["Access-Control-Allow-Origin"] in (FRONTEND, "*")
        assert response.headers["Content-Type"] == "application/json"
        assert response.status_code in ((status,) if status else SUCCESS), response.text
        body = response.json()
        assert body["success"] is (response.status_code in SUCCESS)
        return body

    def _preflight(self, method: str, url: str, asked: list[str]) -> None:
        headers = {"Origin": FRONTEND, "Access-Control-Request-Method": method}
        if asked:
            headers["Access-Control-Request-Headers"] = ",".join(asked).lower()
        response = self._browser.options(url, headers=headers)
        assert response.is_success
        assert response.headers["Access-Control-Allow-Origin"] in (FRONTEND, "*")
        assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
        allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {name.lower() for name in asked} <= set(allowed)
