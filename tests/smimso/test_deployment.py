"""Deployment files and production settings, checked without Docker."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from django.core.exceptions import ImproperlyConfigured
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from smimso import queues
from smimso.local import processes
from smimso.local.supervisor import Program

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
READ_OUTSIDE_SETTINGS = {
    "PORT",
    "SMIMSO_HOST",
    "POSTGRES_PASSWORD",
}  # by `up` and by compose
REQUIRED = {"SECRET_KEY", "JWT_SECRET", "SMIMSO_ALLOWED_HOSTS", "POSTGRES_PASSWORD"}
ONLY_WITH_CUDA = ("nvidia-", "cuda-", "triton")  # chosen by torch's own pins


def settings_variables() -> set[str]:
    text = (REPOSITORY / "smimso" / "settings.py").read_text()
    return set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', text))


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def production_environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "SMIMSO_ENV": "production",
        "SMIMSO_DATA_DIR": str(tmp_path),
        "SECRET_KEY": "a long random text of fifty characters, or nearly so",
        "JWT_SECRET": "another long random text of fifty characters or so",
        "SMIMSO_ALLOWED_HOSTS": "smimso.example",
        "DATABASE_URL": "postgresql://smimso:secret@db:5432/smimso",
        "REDIS_URL": "redis://redis:6379/0",
        **changes,
    }


def run_in_production(
    tmp_path: Path, *words: str, **changes: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=REPOSITORY,
        env=production_environment(tmp_path, **changes),
        capture_output=True,
        text=True,
        timeout=300,
    )


def production_settings(tmp_path: Path, **changes: str) -> dict[str, Any]:
    """Execute the settings file itself, as far as a process that is set up already can."""
    with mock.patch.dict(os.environ, production_environment(tmp_path, **changes), clear=True):
        return runpy.run_path(str(REPOSITORY / "smimso" / "settings.py"))


# --- Settings -------------------------------------------------------------------------------


def test_env_example_lists_exactly_the_variables_that_are_read() -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    documented = [match[1] for line in lines if (match := re.match(r"(?:# )?([A-Z_]+)=", line))]
    assert sorted(documented) == sorted(settings_variables() | READ_OUTSIDE_SETTINGS)


def test_env_example_leaves_empty_exactly_the_variables_that_compose_requires() -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    assert {line.removesuffix("=") for line in lines if re.fullmatch(r"[A-Z_]+=", line)} == REQUIRED


def test_the_deployment_checks_find_nothing_in_production(tmp_path: Path) -> None:
    result = run_in_production(tmp_path, "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET"])
@pytest.mark.parametrize("value", ["", "short"])
def test_production_refuses_to_start_without_real_secrets(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{name} must be set to a random text of 32"):
        production_settings(tmp_path, **{name: value})


def test_a_refusal_to_start_is_one_line(tmp_path: Path) -> None:
    result = run_in_production(tmp_path, "check", SECRET_KEY="")
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("manage.py: SECRET_KEY must be set")


@pytest.mark.parametrize(("environment", "hosts"), [("development", ["*"]), ("production", [])])
def test_an_empty_line_of_allowed_hosts_counts_as_not_set(
    tmp_path: Path, environment: str, hosts: list[str]
) -> None:
    changes = {"SMIMSO_ENV": environment, "SMIMSO_ALLOWED_HOSTS": ""}
    assert production_settings(tmp_path, **changes)["ALLOWED_HOSTS"] == hosts


def test_rate_limits_are_on_by_default(tmp_path: Path) -> None:
    """Ask the real settings: those of the tests have no limits."""
    settings = production_settings(tmp_path)
    assert set(settings["THROTTLES"]) == {
        *("ai", "login", "mail", "password", "register", "uploads")
    }
    for rate in settings["THROTTLES"].values():
        assert re.fullmatch(r"[1-9]\d*/\d*[smh]", rate)
    assert settings["POST_RETRY_SECONDS"] > 90  # the frontend waits 90 seconds for a post
    assert not settings["DEBUG"]
    assert settings["CORS_ALLOWED_ORIGINS"] == []
    assert settings["TRUSTED_PROXIES"] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMIMSO_TIME_ZONE", "Hanoi"),
        ("SMIMSO_TIME_ZONE", "../etc/passwd"),
        ("SMIMSO_PHONE_REGION", "vietnam"),
    ],
)
def test_a_site_elsewhere_names_its_time_zone_and_country(
    tmp_path: Path, name: str, value: str
) -> None:
    chosen = {"SMIMSO_TIME_ZONE": "Europe/Paris", "SMIMSO_PHONE_REGION": "FR"}
    settings = production_settings(tmp_path, **chosen)
    assert (settings["TIME_ZONE"], settings["PHONE_REGION"]) == ("Europe/Paris", "FR")
    with pytest.raises(ImproperlyConfigured, match=f"{name} must be a"):
        production_settings(tmp_path, **{name: value})


def test_emails_are_sent_by_the_configured_server(tmp_path: Path) -> None:
    assert production_settings(tmp_path)["EMAIL_BACKEND"] == "smimso.mail.TerminalBackend"
    url = "submission://me%40example.test:pw@mail.example"
    settings = production_settings(tmp_path, EMAIL_URL=url)
    assert settings["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (settings["EMAIL_HOST"], settings["EMAIL_PORT"]) == ("mail.example", 587)
    assert settings["EMAIL_USE_TLS"]
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must look like"):
        production_settings(tmp_path, EMAIL_URL="smtp+tls://mail.example")


def test_sending_emails_requires_the_host_name_of_their_links(tmp_path: Path) -> None:
    changes = {"EMAIL_URL": "submission://me:pw@mail.example", "SMIMSO_ALLOWED_HOSTS": "*"}
    with pytest.raises(ImproperlyConfigured, match="name your host in SMIMSO_ALLOWED_HOSTS"):
        production_settings(tmp_path, **changes)


# --- Docker ---------------------------------------------------------------------------------


def test_compose_has_every_process(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {
        *("db", "redis", "migrate", "web", "interactive", "bulk", "maintenance", "beat"),
        *("interactive-gpu", "bulk-gpu"),
    }


def test_every_queue_has_a_worker(services: dict[str, dict[str, Any]]) -> None:
    commands = [s["command"] for s in services.values() if "celery" in str(s.get("command"))]
    served = [re.search(r"--queues (\S+)", command) for command in commands]
    # An interactive worker serves `text` on a thread of its own.
    expected = set(queues.ALL) - {queues.TEXT}
    assert {name for match in served if match for name in match[1].split(",")} == expected


@pytest.mark.parametrize(
    "start", [processes.interactive_worker, processes.bulk_worker, processes.maintenance_worker]
)
def test_workers_of_compose_have_the_options_of_those_of_up(
    services: dict[str, dict[str, Any]], start: Callable[[dict[str, str]], Program]
) -> None:
    program = start({})
    command = services[program.name]["command"].split()
    assert command[:3] == ["celery", "-A", "smimso"]
    names = ("--queues", "--pool", "--concurrency", "--prefetch-multiplier")
    for option in names:
        assert option_of(command, option) == option_of(program.command, option), option


def option_of(command: list[str], name: str) -> str | None:
    return command[command.index(name) + 1] if name in command else None


def test_the_bulk_worker_has_the_lowest_share_of_the_cores(
    services: dict[str, dict[str, Any]],
) -> None:
    """Shares instead of niceness, which has an effect only within a container."""
    shares = {name: service.get("cpu_shares", 1024) for name, service in services.items()}
    assert {name for name, share in shares.items() if share < 1024} == {"bulk", "bulk-gpu"}
    assert "SMIMSO_AI_THREADS" in services["interactive"]["environment"]


def test_compose_builds_targets_that_the_dockerfile_has(
    services: dict[str, dict[str, Any]],
) -> None:
    text = (REPOSITORY / "Dockerfile").read_text()
    targets = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
    built = {service["build"]["target"] for service in services.values() if "build" in service}
    assert built == {"web", "worker"}
    assert built <= targets


def test_compose_refuses_to_start_without_the_required_variables() -> None:
    text = COMPOSE.read_text()
    assert set(re.findall(r"\$\{([A-Z_]+):\?", text)) == REQUIRED


def test_compose_sets_only_variables_that_the_settings_read(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, service in services.items():
        if "build" in service:
            assert set(service["environment"]) <= settings_variables(), name


def test_compose_names_existing_services_and_volumes(services: dict[str, dict[str, Any]]) -> None:
    volumes = set(yaml.safe_load(COMPOSE.read_text())["volumes"])
    for service in services.values():
        for needed, condition in service.get("depends_on", {}).items():
            assert needed in services
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= volumes


def test_the_workers_on_a_gpu_start_only_with_their_profile(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, service in services.items():
        assert (service.get("profiles") == ["gpu"]) == name.endswith("-gpu")
        if name.endswith("-gpu"):
            [device] = service["deploy"]["resources"]["reservations"]["devices"]
            assert device["capabilities"] == ["gpu"]


def test_the_images_run_as_an_ordinary_user_and_copy_existing_files() -> None:
    stages = re.split(r"^FROM ", (REPOSITORY / "Dockerfile").read_text(), flags=re.MULTILINE)
    for stage in stages[2:]:
        assert "\nUSER smimso\n" in stage
        assert stage.index("\nUSER smimso\n") < stage.index("\nCMD ")
    copied = [
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert [name for name in copied if not (REPOSITORY / name).exists()] == []
    tools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    assert set(tools["importlinter"]["root_packages"]) <= set(copied)


def test_the_image_starts_the_web_server_with_the_options_of_up() -> None:
    text = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", "")
    words = next(
        json.loads(line.removeprefix("CMD "))
        for line in text.splitlines()
        if line.startswith('CMD ["uvicorn"')
    )
    assert words[1:] == processes.web({}, host="0.0.0.0", port=5000).command[3:]


def test_only_the_web_server_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    checked = {
        name
        for name, service in services.items()
        if service.get("build", {}).get("target") == "web"
        and service.get("healthcheck") != {"disable": True}
    }
    assert checked == {"web", "migrate"}  # the latter ends before its first check


# --- Pins -----------------------------------------------------------------------------------


def test_every_installed_dependency_is_pinned_to_its_version() -> None:
    pins = dict(
        line.split("==")
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    installed = installed_versions(declared_requirements())
    unpinned = {name: version for name, version in installed.items() if pins.get(name) != version}
    assert unpinned == {}


def declared_requirements() -> list[Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for group in groups for text in group]


def installed_versions(requirements: list[Requirement]) -> dict[str, str]:
    """Map these packages and their dependencies, as far as installed, to their versions."""
    versions: dict[str, str] = {}
    seen = set()
    while requirements:
        requirement = requirements.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in seen or name.startswith(ONLY_WITH_CUDA):
            continue
        seen.add((name, *sorted(requirement.extras)))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        versions[name] = distribution.version.partition("+")[0]
        for text in distribution.requires or []:
            needed = Requirement(text)
            extras = requirement.extras or {""}
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                requirements.append(needed)
    return versions


def test_torch_and_torchvision_are_pinned_together() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    ai = {
        Requirement(text).name: Requirement(text) for text in project["optional-dependencies"]["ai"]
    }
    [torch] = ai["torch"].specifier
    [torchvision] = ai["torchvision"].specifier
    assert torch.operator == torchvision.operator == "=="
    # PyTorch's own rule: torch 2.N goes with torchvision 0.(N + 15).
    assert int(torchvision.version.split(".")[1]) == int(torch.version.split(".")[1]) + 15
