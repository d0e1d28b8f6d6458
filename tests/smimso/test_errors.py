"""Errors: one code per meaning, English texts in REST, the reader's language on pages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation
from rest_framework.exceptions import ParseError, ValidationError

from accounts.models import User
from smimso import errors
from smimso.errors import TEXTS
from smimso.web.pages import FIELD_LABELS, error_text
from smimso.web.responses import exception_handler

VIETNAMESE = {"Accept-Language": "vi"}
APPS = [app for app in settings.INSTALLED_APPS if "." not in app] + ["media", "smimso"]
CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type)}


def raised_codes() -> Iterator[str]:
    """Yield the codes in the source: arguments of error classes, and the classes' own."""
    for path in (path for app in APPS for path in (settings.BASE_DIR / app).rglob("*.py")):
        yield from _codes_in(path)


def _codes_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Constant(value=str(text)) if path.name != "errors.py":
                if text in TEXTS:
                    yield text
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(text))):
                yield text
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text)), *_]) if (
                name in CLASSES and "%" not in text
            ):
                yield text


def test_the_codes_that_are_raised_are_those_that_have_texts() -> None:
    assert set(raised_codes()) | {"model_unavailable"} == TEXTS.keys()


def test_each_code_has_a_meaning_of_its_own() -> None:
    with translation.override("en"):
        texts = [str(text) for text in TEXTS.values()]
    assert len(set(texts)) == len(texts)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in TEXTS)


@pytest.mark.parametrize("texts", [TEXTS, FIELD_LABELS])
def test_every_text_is_translated_with_the_same_parameters(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        with translation.override("en"):
            english = str(text)
        with translation.override("vi"):
            vietnamese = str(text)
        assert english != vietnamese, name
        placeholders = re.compile(r"%\(\w+\)s")
        assert placeholders.findall(english) == placeholders.findall(vietnamese), name


def test_an_error_is_read_in_the_active_language() -> None:
    error = errors.InvalidInput("too_many_files", number=10)
    with translation.override("en"):
        assert str(error) == "Too many files. Maximum 10 files allowed"
    with translation.override("vi"):
        assert str(error) == "Quá nhiều tệp. Tối đa 10 tệp"
        assert error.in_english() == "Too many files. Maximum 10 files allowed"


def test_rest_answers_in_english_with_the_code_in_a_header() -> None:
    with translation.override("vi"):
        response = exception_handler(errors.InvalidInput("too_many_files", number=10), {})
        plain = exception_handler(errors.NotFound("post_not_found"), {})
    assert response.data["error"] == "Too many files. Maximum 10 files allowed"
    assert response["Error-Code"] == "too_many_files"
    assert parse_qs(response["Error-Parameters"]) == {"number": ["10"]}
    assert (plain.data["error"], plain["Error-Code"]) == ("Post not found", "post_not_found")
    assert "Error-Parameters" not in plain


def test_the_frameworks_errors_have_codes_too() -> None:
    assert exception_handler(ParseError(), {})["Error-Code"] == "parse_error"
    invalid = exception_handler(ValidationError({"title": ["Too long."]}), {})
    assert invalid["Error-Code"] == "validation_failed"
    assert exception_handler(RuntimeError("secret"), {})["Error-Code"] == "internal_error"


@pytest.mark.django_db
def test_a_route_answers_in_english_whatever_the_browsers_language(client: Client) -> None:
    wrong = {"emailOrPhone": "nobody@example.com", "password": "wrong-password"}
    headers = {**VIETNAMESE, "Accept": "application/json"}
    response = client.post("/api/auth/login", wrong, headers=headers)
    assert response.json()["error"] == "Invalid credentials"
    assert response.headers["Error-Code"] == "invalid_credentials"
    missing = client.get("/api/nothing", headers=headers)
    assert missing.json()["error"] == "Route not found"
    assert missing.headers["Error-Code"] == "route_not_found"


def test_a_field_is_named_on_pages_as_its_label_is() -> None:
    invalid = ValidationError({"tags": {"3": ["Too long."]}})
    with translation.override("en"):
        assert error_text(invalid) == "Tags: Too long."
    with translation.override("vi"):
        assert error_text(invalid) == "Thẻ: Too long."
        assert error_text(ValidationError([])) == "Dữ liệu không hợp lệ"
    assert error_text(ValidationError({"non_field_errors": ["No match"]})) == "No match"


@pytest.mark.django_db
def test_a_page_shows_what_is_wrong_in_the_readers_language(client: Client, owner: User) -> None:
    client.force_login(owner)
    page = client.post("/upload", {"title": "x" * 300}, headers=VIETNAMESE)
    assert page.status_code == 400
    assert "Tiêu đề: " in page.text
    assert "Ensure this field" not in page.text
    page = client.get("/search?since=never", headers=VIETNAMESE)
    assert page.status_code == 400
    assert "Từ ngày: " in page.text
    page = client.get("/search?category=nothing", headers=VIETNAMESE)
    assert "Danh mục: Danh mục không tồn tại" in page.text
