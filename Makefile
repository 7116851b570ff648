# The tasks of the project; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test bench faults lint format docs messages screenshots lock clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

$(VENV)/run.stamp: requirements/run.txt pyproject.toml
	@echo "Setting up $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "'$(PYTHON) -m venv' failed: on Debian install python3-venv, or give another interpreter with make PYTHON=..."; exit 1; }
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing what the tests need ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/run.stamp ## run the main job against the bundled simulator, on an embedded database
	@$(BIN)/chappe demo $(ARGS)

test: $(VENV)/dev.stamp ## lint, types and every test
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash tests/run.sh $(ARGS)

bench: $(VENV)/dev.stamp ## measure, print ratios, write bench/results/*.json
	@$(BIN)/python -m bench $(ARGS)

faults: $(VENV)/dev.stamp ## the long fault run
	@$(BIN)/python -m pytest tests/faults --long $(ARGS)

lint: $(VENV)/dev.stamp ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/dev.stamp ## format and fix what can be fixed by itself
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## write the pages of docs/reference/ that are drawn from the source
	@$(BIN)/python -m docs.generate

messages: $(VENV)/dev.stamp ## bring the catalogues of translations up to the source, and compile them
	@$(BIN)/python -m translation $(ARGS)

screenshots: $(VENV)/dev.stamp ## take the pictures of docs/console-tour.md, in Chromium
	@$(BIN)/python -m pytest -n0 -q tests/browser/test_screenshots.py tests/browser/test_two_tiers.py --screenshots $(ARGS)

lock: ## resolve the dependencies again into requirements/*.txt
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group build pyproject.toml -o requirements/run.txt
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -o requirements/dev.txt

clean: ## remove what the tasks made
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
