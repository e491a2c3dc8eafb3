# `make` alone lists the targets. The first use of one makes a virtual environment in .venv; the next
# uses find its stamp and start at once.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# The first Python of 3.11 or later; name another with `make PYTHON=python3.13 …`.
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
COMPILE := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make requirements" $(UPGRADE) pyproject.toml
ARGS :=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/runtime ## run the daemon with its dashboard, against the sandbox while nothing else is set
	$(BIN)/python supervisor.py daemon $(ARGS)

.PHONY: test
test: $(VENV)/development ## run all tests, a worker for each core; ARGS='-k words' for some
	$(BIN)/pytest -n auto --dist loadfile $(ARGS)

.PHONY: check
check: lint types imports test ## everything that must hold before a change is merged

.PHONY: lint
lint: $(VENV)/development ## look at format and style
	$(BIN)/ruff format --check
	$(BIN)/ruff check

.PHONY: types
types: $(VENV)/development ## check types with mypy, and with pyright, which brings its own Node program
	$(BIN)/mypy
	$(BIN)/pyright

.PHONY: imports
imports: $(VENV)/development ## hold the imports against the floors of .importlinter
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(VENV)/development ## write format and safe fixes of style
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: simulation
simulation: $(VENV)/development ## run 500 simulated worlds full of faults; ARGS='--seeds 9 --seed 7' for others
	$(BIN)/python -m tests.simulation $(or $(ARGS),--seeds 500)

.PHONY: endurance
endurance: $(VENV)/development ## kill, freeze, cut off and crash daemons on a real PostgreSQL, for 25 minutes
	$(BIN)/python -m tests.endurance several
	$(BIN)/python -m tests.endurance outage
	$(BIN)/python -m tests.endurance outage --seconds 120 --pooled
	$(BIN)/python -m tests.endurance acknowledged
	$(BIN)/python -m tests.endurance announcements
	$(BIN)/python -m tests.endurance chain --jobs 1000

.PHONY: docs
docs: $(VENV)/development ## write the generated pages of docs/ again
	$(BIN)/python -m wallet_provisioning.jobs.diagram > docs/job-states.md
	$(BIN)/python -m wallet_provisioning.telemetry.catalogue > docs/events.md

.PHONY: requirements
requirements: $(VENV)/development ## write the hashed requirements again; UPGRADE=--upgrade for newer versions
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group dev --output-file requirements-dev.txt

.PHONY: clean
clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; say where: make PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp is as old as the last install; a newer list of requirements makes it stale.
$(VENV)/runtime: requirements.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/development: requirements-dev.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements-dev.txt
	@touch $@
