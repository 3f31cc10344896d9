# Two commands matter: `make repro` and `make test`. Both set up the environment first and do nothing twice.
# All is done by make.py, which needs Python alone: `python make.py repro` is the same.
PYTHON ?= python3
COMMANDS := setup repro test lint docs wheel lock clean-runs

.DEFAULT_GOAL := help
.PHONY: help $(COMMANDS)

help $(COMMANDS):
	@$(PYTHON) make.py $@
