# farmctl: `make help` lists what can be made. `make demo` and `make test` each do all
# the set-up they need on a fresh Debian machine (as root they install python3-venv).
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup check lint format test test-real conformance demo demo-real bench figures docs clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready  ## make .venv and install farmctl with all its tools

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "farmctl needs Python 3.11 or later as $(PYTHON)."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then \
	    echo "Installing on this machine, with apt-get: python3-venv"; \
	    apt-get update -qq && apt-get install -y -qq python3-venv; \
	  else \
	    echo "Python's venv is missing. As root: apt-get install python3-venv"; exit 1; \
	  fi; }
	@echo "Installing farmctl and its tools into $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

check: lint test conformance  ## everything that CI runs, tests with real nodes aside

lint: setup  ## format, style, types and floors
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --diff .; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/yamllint --strict playbooks inventories
	@cd playbooks && PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint --offline -q

format: setup  ## format the code and mend what ruff can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

test: setup  ## all tests but the conformance suite and those with real nodes
	@echo "Left out: tests/real (real nodes, as root: make test-real), tests/conformance"
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup --ignore tests/conformance -m "not real"

test-real: setup  ## tests with real nodes on this machine, as root
	@$(BIN)/pytest tests/real

conformance: setup  ## the OpenNebula contract, on $$ONE_XMLRPC or the embedded cloud
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup tests/conformance

demo: setup  ## Torino's farms on the embedded cloud, in under a minute
	@PATH="$(CURDIR)/$(BIN):$$PATH" inventories/examples/demo.sh

demo-real: setup  ## a batch farm of real nodes from nothing to jobs and back, as root
	@PATH="$(CURDIR)/$(BIN):$$PATH" inventories/examples/real/demo.sh

bench: setup  ## measure against floors taken in the same run; three of them as root
	@$(BIN)/python tests/bench/run.py

figures: setup  ## measure the figures of docs/explanation/simulation.md anew: minutes
	@$(BIN)/python docs/figures.py

docs: setup  ## the documentation as a web site in build/docs
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@$(BIN)/mkdocs build --quiet --strict

clean:  ## remove what was made here, the embedded cloud's state aside
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -rf .import_linter_cache
