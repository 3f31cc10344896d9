# Two commands matter: `make repro` and `make test`. Both set up the environment first and do nothing twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PAGE := web/dist/sources.sha256
PLOTS := .dvc/tmp/plots.html
PAGE_SOURCES := $(shell find web -name node_modules -prune -o -name dist -prune -o -type f -print)

.DEFAULT_GOAL := help
.PHONY: help setup repro test lint docs wheel lock clean-runs

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) $(PAGE) $(PLOTS)  ## create .venv, install the hash-pinned requirements, build the pages

$(STAMP): requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is incomplete. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-uv.lock
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

# Node is one of the requirements; it is asked only when the page's sources changed.
$(PAGE): $(STAMP) $(PAGE_SOURCES)
	$(BIN)/python -m fer_core.web.build
	@touch $@

# What `dvc plots` fills: DVC's own page loads its scripts from the network.
$(PLOTS): $(STAMP) fer_core/pipeline/plots_page.py
	$(BIN)/python -m fer_core.pipeline.plots_page

repro: $(STAMP) $(PAGE) $(PLOTS)  ## run the whole pipeline; only what changed is made again
	$(BIN)/fer run

test: $(STAMP) $(PAGE)  ## run the tests
	OMP_NUM_THREADS=1 FER_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(STAMP) $(PAGE)  ## format check, lint, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/typos
	$(BIN)/python -m fer_core.web.build --check

docs: $(STAMP)  ## build the documentation site in build/docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs

wheel: $(STAMP) $(PAGE)  ## build/wheel: `pip install 'FILE[live]'` gives `fer predict` and `fer live` without a checkout
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .

# A new version of every package; with `make lock UPGRADE=` only what pyproject.toml asks for anew.
UPGRADE ?= --upgrade
lock: $(STAMP)  ## resolve pyproject.toml anew into the three lock files
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra train --extra dev --python-version 3.11 $(UPGRADE) \
	  --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra train --extra ray --extra ssh --extra s3 --constraint requirements.lock --python-version 3.11 $(UPGRADE) \
	  --output-file requirements-ray.lock pyproject.toml
	echo uv | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 $(UPGRADE) \
	  --output-file requirements-uv.lock -

clean-runs:  ## delete the scratch folders of interrupted runs, where FER_RUNS or fer.local.toml have them
	runs=$$($(BIN)/python -c 'from fer_core.base.settings import load_settings; print(load_settings().runs)') && \
	  rm -rf "$$runs"/teacher_a "$$runs"/teacher_b "$$runs"/teacher_fold "$$runs"/student
