"""Rules that hold for every module: import contracts, and few signatures with `Any`."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
ROOT_PACKAGES: list[str] = TOOLS["importlinter"]["root_packages"]
NOT_FIRST_PARTY = {"benchmarks", "tests"}
INTERFACES = {"admin", "pages", "rest"}  # these may know HTTP, and so may what follows
COMPOSITION_ROOT = {"smimso.asgi", "smimso.urls"}
PLANTED = "import rest_framework"
MAX_ANY = 150  # `Any` in signatures of the product; lower it when you replace some


def source_files() -> list[Path]:
    """Return the Python files of all packages, without migrations."""
    files = (path for name in ROOT_PACKAGES for path in (REPOSITORY / name).rglob("*.py"))
    return [path for path in files if "migrations" not in path.parts]


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def may_know_http(module: str) -> bool:
    parts = module.split(".")
    return (
        len(parts) > 1 and (parts[1] in INTERFACES or parts[:2] == ["smimso", "web"])
    ) or module in COMPOSITION_ROOT


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Import Linter's report on a copy in which every module imports REST framework."""
    copy = tmp_path_factory.mktemp("planted")
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    for path in source_files():
        target = copy / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{path.read_text()}\n{PLANTED}\n")
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 1, linted.stdout + linted.stderr
    return linted.stdout


def test_a_planted_import_of_http_fails_in_every_core_module(report: str) -> None:
    broken = set(re.findall(r"^-?\s*([\w.]+) -> rest_framework", report, re.MULTILINE))
    core = {name for path in source_files() if not may_know_http(name := module_name(path))}
    assert broken == core
    folders = {name.rpartition(".")[0] for name in core}
    assert folders >= {"posts.ingest", "posts.files", "search.ann", "search.reembedding"}
    assert core >= {f"{app}.services" for app in ("accounts", "ai", "notifications", "posts")}


def test_no_package_is_outside_the_contracts_types_and_import_order() -> None:
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} - NOT_FIRST_PARTY
    assert set(ROOT_PACKAGES) == packages
    assert set(TOOLS["mypy"]["packages"]) == packages
    assert set(TOOLS["ruff"]["lint"]["isort"]["known-first-party"]) == packages | {"tests"}
    forbidden = [c for c in TOOLS["importlinter"]["contracts"] if c["type"] == "forbidden"]
    for contract in forbidden:
        assert set(contract["source_modules"]) == packages, contract["name"]
    layers = [name for c in TOOLS["importlinter"]["contracts"] for name in c.get("layers", [])]
    assert {
        part.split(".")[0] for name in layers for part in re.findall(r"[\w.]+", name)
    } >= packages


def anys_in_signatures(path: Path) -> int:
    """Count `Any` in the annotations of parameters and of what functions return."""
    count = 0
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            parameters += [each for each in (node.args.vararg, node.args.kwarg) if each]
            for annotation in (*(each.annotation for each in parameters), node.returns):
                names = ast.walk(annotation) if annotation else []
                count += sum(isinstance(name, ast.Name) and name.id == "Any" for name in names)
    return count


def test_signatures_with_any_do_not_become_more() -> None:
    counts = {module_name(path): anys_in_signatures(path) for path in source_files()}
    total = sum(counts.values())
    most = sorted(counts.items(), key=lambda item: -item[1])[:15]
    assert total <= MAX_ANY, f"{total} times Any in signatures, most of them in {most}"


def test_times_of_rest_are_in_utc_by_their_base_classes() -> None:
    bases = REPOSITORY / "smimso" / "web" / "serializers.py"
    own = re.compile(r"class \w+\(serializers\.ModelSerializer\):\n|serializers\.DateTimeField\(")
    files = [path for path in source_files() if path != bases and own.search(path.read_text())]
    assert files == [], "use the classes of smimso.web.serializers"
