"""`/metrics`: its readers, and the numbers of all processes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from smimso import metrics

TOKEN = "a token that Prometheus sends"
COUNT = (
    "from smimso import metrics; metrics.enable_multiprocess(); {};"
    " metrics.REQUESTS.labels('GET', '/x', 200).inc(3)"
)


def scrape(client: Any, **headers: str) -> str:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    return response.content.decode()


def value_of(text: str, sample: str) -> float:
    match = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(match[1]) if match else 0.0


# --- Access ---------------------------------------------------------------------------------


def test_prometheus_reads_with_its_token(db: None, client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    assert "# TYPE smimso_queue_depth gauge" in scrape(client, authorization=f"Bearer {TOKEN}")


def test_staff_reads_in_the_browser(client: Client, member: Callable[..., User]) -> None:
    client.force_login(member("Admin", is_staff=True))
    assert "smimso_queue_depth" in scrape(client)


@pytest.mark.parametrize("token", ["", TOKEN])
@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer", "Bearer wrong", TOKEN, "Bearer ụ"])
def test_everyone_else_gets_404(
    token: str, sent: str, client: Client, stranger: User, settings: Any
) -> None:
    settings.METRICS_TOKEN = token
    client.force_login(stranger)
    for path in ("/metrics", "/api/metrics"):
        response = client.get(path, headers={"authorization": sent})
        assert response.status_code == 404
        assert b"smimso_" not in response.content


def test_a_members_token_gives_no_access(api: Callable[..., APIClient], stranger: User) -> None:
    assert api(stranger).get("/metrics").status_code == 404


# --- Requests -------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_never_by_path(
    db: None, client: Client, settings: Any
) -> None:
    settings.METRICS_TOKEN = TOKEN
    samples = {
        'smimso_http_requests_total{method="GET",route="/posts/<any_id:post_id>",status="401"}': 1,
        'smimso_http_requests_total{method="GET",route="none",status="404"}': 1,
        'smimso_http_requests_total{method="other",route="none",status="404"}': 1,
        'smimso_http_request_duration_seconds_count{method="GET",route="none"}': 1,
    }
    before = scrape(client, authorization=f"Bearer {TOKEN}")
    client.get("/api/posts/0b7d9a50-27a5-4d3a-9c9b-6f0a25a0f5f7", headers={"accept": "*/*"})
    client.get("/no/such/path")
    client.generic("BREW", "/no/such/path")
    after = scrape(client, authorization=f"Bearer {TOKEN}")
    for sample, number in samples.items():
        assert value_of(after, sample) - value_of(before, sample) == number, sample
    assert "0b7d9a50" not in after
    assert "BREW" not in after


# --- Processes ------------------------------------------------------------------------------


def process(directory: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "tests.settings", "SMIMSO_METRICS_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_numbers_of_all_processes_are_added_up_and_outlive_them(tmp_path: Path) -> None:
    sample = 'smimso_http_requests_total{method="GET",route="/x",status="200"}'
    process(tmp_path, COUNT.format("pass"))
    shown = process(tmp_path, COUNT.format("pass") + "; print(metrics.render().decode())")
    assert value_of(shown.stdout, sample) == 6


def test_processes_of_the_same_id_have_files_of_their_own_while_they_live(tmp_path: Path) -> None:
    """Process ids repeat: every container has a process 1."""
    inner = COUNT.format("import os; os.getpid = lambda: 7")
    run_inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', INNER], check=True)"
    process(tmp_path, f"INNER = {inner!r}; {inner}; {run_inner}")
    assert len(list(tmp_path.glob("counter_*.db"))) == 2


def test_a_restarted_process_continues_in_the_same_files(tmp_path: Path) -> None:
    for _ in range(3):
        process(tmp_path, COUNT.format("pass"))
    assert len(list(tmp_path.glob("counter_*.db"))) == 1


def test_without_a_writable_directory_a_process_counts_for_itself(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = process(
        tmp_path / "file" / "metrics",
        COUNT.format("pass") + "; print(metrics.render().decode())",
    )
    assert 'route="/x"' in shown.stdout
    assert "are not shared" in shown.stderr


def test_a_new_start_clears_the_numbers(tmp_path: Path, settings: Any) -> None:
    process(tmp_path, COUNT.format("pass"))
    (tmp_path / "notes.txt").touch()
    settings.METRICS_DIR = tmp_path
    metrics.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
