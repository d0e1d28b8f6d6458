# make demo   run all of SMIMSO with the bundled models: needs Python 3.11 and nothing else
# make check  lint and the fast tests: for every change
# make test   run every check of CI
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := demo

.PHONY: demo test check lint format coverage nightly fuzz bench clean

# Without .pyc files pytest rewrites, and every program compiles, all modules at each start.
unexport PYTHONDONTWRITEBYTECODE

# Lanes: pytest processes with a PostgreSQL, a Redis and a data directory each.
LANES ?= 2
LANE_OPTIONS = --numprocesses $(LANES) --dist loadgroup --no-loadscope-reorder
PYTEST = $(BIN)/python -m pytest $(LANE_OPTIONS)

demo: $(VENV)/.demo
	$(BIN)/python manage.py up --demo

test: lint
	$(PYTEST) --durations 20

check: lint
	$(PYTEST) -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(LANE_OPTIONS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Mutated pictures for some minutes; other ones at each call.
fuzz: $(VENV)/.dev
	SMIMSO_FUZZ_FIRST=$${SMIMSO_FUZZ_FIRST:-$$(date +%s)00000} \
		SMIMSO_FUZZ_COUNT=$${SMIMSO_FUZZ_COUNT:-40000} \
		$(BIN)/python -m pytest tests/media/test_fuzz.py

nightly: $(VENV)/.dev
	$(PYTEST) -m hypothesis --hypothesis-profile nightly

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

clean:
	rm -rf $(VENV) var build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		.coverage htmlcov

# The stamps: pip runs again only when the pins change.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,ai embedded demo)

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,ai embedded demo dev)

# SMIMSO runs from its directory: only the dependencies in pyproject.toml are installed.
REQUIREMENTS := import sys, tomllib; \
	project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	extras = [project["optional-dependencies"][name] for name in sys.argv[1:]]; \
	print(*project["dependencies"], *sum(extras, []), sep="\n")

define install
echo "Installing ($(1)); torch alone is hundreds of megabytes"
$(BIN)/python -c '$(REQUIREMENTS)' $(1) > $(VENV)/requirements.txt
$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on \
	--requirement $(VENV)/requirements.txt --constraint constraints.txt
touch $@
endef

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null \
		&& $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "SMIMSO needs Python 3.11; set its path with 'make PYTHON=...'." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "No venv: install the package python3.11-venv." >&2; exit 1; }
