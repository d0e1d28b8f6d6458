"""Bodies of requests as clients send them: at the ASGI interface, and over a socket to uvicorn."""

import codecs
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from http.client import HTTPResponse
from typing import Any

import pytest
import uvicorn
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import settings

from smimso.asgi import application
from smimso.web import body_limit

MAX_BYTES = 105 * 1024 * 1024  # documented for the configuration of proxies
MAX_JSON_BYTES = 1024 * 1024
TOO_LARGE = "The request is too large"
FORM = b"multipart/form-data; boundary=x"
# This route reads its body and needs no database: with a token it says that Google is not set up.
PATH = "/api/auth/google-login"
READ = (501, "Login with Google is not configured on this server")
EMPTY = (400, "token: This field is required.")
TOKEN = b'{"token": "x"}'


class Client:
    """A client of the ASGI application that sends its body in parts, as asked for."""

    def __init__(self, *headers: tuple[bytes, bytes], content_type: bytes = b"application/json"):
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": PATH,
            "query_string": b"",
            "headers": [(b"content-type", content_type), *headers],
        }

    @async_to_sync
    async def send(self, *parts: bytes, is_complete: bool = True) -> tuple[Any, Any]:
        """Return the start of the response and its JSON."""
        communicator = ApplicationCommunicator(application, self.scope)
        for number, part in enumerate(parts, 1):
            more = number < len(parts) or not is_complete
            message = {"type": "http.request", "body": part, "more_body": more}
            await communicator.send_input(message)
        start = await communicator.receive_output(60)
        response, more = b"", True
        while more:
            part = await communicator.receive_output(60)
            response, more = response + part["body"], part.get("more_body", False)
        await communicator.wait(60)
        return start, json.loads(response)


@pytest.fixture(autouse=True)
def _short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "LINGER_SECONDS", 0.1)


def assert_refused_and_closed(answer: tuple[Any, Any], status: int, text: str) -> None:
    start, body = answer
    assert start["status"] == status
    assert body == {"success": False, "error": text, "message": text}
    assert (b"Connection", b"close") in start["headers"]


def length(number: int | str) -> tuple[bytes, bytes]:
    return b"content-length", str(number).encode()


CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(
    ("content_type", "declared"),
    [
        (FORM, MAX_BYTES + 1),
        (FORM, "9" * 30),
        (FORM, "9" * 5_000),
        (b"application/json", MAX_JSON_BYTES + 1),
        (b"image/png", MAX_JSON_BYTES + 1),
    ],
)
def test_a_large_body_is_refused_without_being_read(
    content_type: bytes, declared: int | str
) -> None:
    answer = Client(length(declared), content_type=content_type).send()
    assert_refused_and_closed(answer, 413, TOO_LARGE)


@pytest.mark.parametrize("declared", ["-1", "+5", "0x10", "1,1", "five", "٣"])
def test_a_length_that_is_no_number_is_refused(declared: str) -> None:
    assert_refused_and_closed(Client(length(declared)).send(), 400, "Invalid input")


@pytest.mark.parametrize("header", [CHUNKED, length(10)])
def test_a_body_is_refused_as_soon_as_more_has_arrived_than_is_allowed(header: Any) -> None:
    part = b"x" * (MAX_JSON_BYTES // 2)
    answer = Client(header).send(part, part, b"x", is_complete=False)
    assert_refused_and_closed(answer, 413, TOO_LARGE)


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "PATIENCE_SECONDS", 0.05)
    answer = Client(CHUNKED).send(b"{", is_complete=False)
    assert_refused_and_closed(answer, 408, "The request took too long to arrive. Please try again.")


def test_a_form_in_chunks_is_read() -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--x--\r\n'
    start, body = Client(CHUNKED, content_type=FORM).send(part[:30], part[30:])
    assert (start["status"], body["error"]) == READ


def test_the_documented_limits_are_those_of_the_settings() -> None:
    assert settings.REQUEST_MAX_BYTES == MAX_BYTES
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == MAX_JSON_BYTES


@pytest.mark.parametrize(
    ("headers", "parts", "expected"),
    [
        ([length(len(TOKEN))], [TOKEN], READ),
        ([length(2)], [b"{}"], EMPTY),
        ([CHUNKED], [TOKEN[:5], b"", TOKEN[5:]], READ),
        ([CHUNKED], [b""], EMPTY),
        ([(b"transfer-encoding", b"Chunked"), length(3)], [TOKEN], READ),
    ],
)
def test_other_bodies_are_read(headers: Any, parts: list[bytes], expected: tuple[int, str]) -> None:
    start, body = Client(*headers).send(*parts)
    assert (start["status"], body["error"]) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", codecs.BOM_UTF8 + TOKEN, READ),
        ("application/json; charset=utf8", codecs.BOM_UTF8 + TOKEN, READ),
        ('Application/JSON;Charset="UTF-8"', TOKEN, READ),
        ("application/json; charset=iso-8859-1", codecs.BOM_UTF8 + TOKEN, READ),
        ("application/x-www-form-urlencoded", codecs.BOM_UTF8 + b"token=a+b%20c", READ),
        ("application/x-www-form-urlencoded", b"token=+", (400, None)),
        ("application/json", codecs.BOM_UTF8, (400, None)),
        ("application/json", codecs.BOM_UTF16_LE + TOKEN.decode().encode("utf-16-le"), (400, None)),
        ("application/json", codecs.BOM_UTF8 * 2 + TOKEN, (400, None)),
    ],
)
def test_a_byte_order_mark_of_utf_8_is_ignored(
    content_type: str, body: bytes, expected: tuple[int, str | None]
) -> None:
    client = Client(length(len(body)), content_type=content_type.encode())
    start, answer = client.send(body)
    status, text = expected
    assert (start["status"], answer["error"]) == (status, text or answer["error"])


# --- Over a socket ----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["httptools", "h11"])
def address(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Run the application in uvicorn, on a thread, with each of its parsers of HTTP."""
    config = uvicorn.Config(application, http=request.param, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def ask(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """`ask(lines, *parts)`: send raw bytes; return the status and the error of the response."""
    monkeypatch.setattr(body_limit, "LINGER_SECONDS", 10.0)  # until all is sent on a busy machine

    def send(lines: Sequence[str], *parts: bytes, version: str = "1.1") -> tuple[int, str]:
        head = [f"POST {PATH} HTTP/{version}", "Host: localhost", "Connection: close", *lines]
        with socket.create_connection(address, timeout=60) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # the server may have refused
                for part in ("\r\n".join([*head, "", ""]).encode(), *parts):
                    connection.sendall(part)
            response = HTTPResponse(connection)
            response.begin()  # skips "100 Continue"
            body = response.read()
        is_ours = body.startswith(b"{")
        return response.status, json.loads(body)["error"] if is_ours else body.decode()

    return send


def chunks(*parts: bytes) -> list[bytes]:
    return [b"%x\r\n%b\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]


JSON_LINE = "Content-Type: application/json"


def test_a_small_body_in_chunks_is_read(ask: Callable[..., tuple[int, str]]) -> None:
    lines = [JSON_LINE, "Transfer-Encoding: chunked"]
    assert ask(lines, *chunks(TOKEN[:4], TOKEN[4:])) == READ
    assert ask(lines, *chunks(codecs.BOM_UTF8, TOKEN)) == READ
    shouted = ["content-type: APPLICATION/JSON", "TRANSFER-ENCODING: Chunked"]
    assert ask(shouted, *chunks(TOKEN)) == READ
    assert ask(lines, *chunks()) == EMPTY


def test_a_client_that_waits_for_leave_to_send_gets_it(ask: Callable[..., tuple[int, str]]) -> None:
    lines = [JSON_LINE, f"Content-Length: {len(TOKEN)}", "Expect: 100-continue"]
    assert ask(lines, TOKEN) == READ
    assert ask([JSON_LINE, f"Content-Length: {MAX_BYTES}", "Expect: 100-continue"]) == (
        413,
        TOO_LARGE,
    )


def test_a_client_of_http_1_0_is_served(ask: Callable[..., tuple[int, str]]) -> None:
    assert ask([JSON_LINE, f"Content-Length: {len(TOKEN)}"], TOKEN, version="1.0") == READ


def test_of_two_lengths_the_chunks_count(ask: Callable[..., tuple[int, str]]) -> None:
    """Unless the server refuses them: a proxy might believe the other one."""
    lines = [JSON_LINE, "Content-Length: 3", "Transfer-Encoding: chunked"]
    assert ask(lines, *chunks(TOKEN)) in (READ, (400, "Invalid HTTP request received."))


def test_endless_chunks_are_cut_off(ask: Callable[..., tuple[int, str]]) -> None:
    part = b"%x\r\n%b\r\n" % (65_536, b"x" * 65_536)
    assert ask([JSON_LINE, "Transfer-Encoding: chunked"], *[part] * 64) == (413, TOO_LARGE)
