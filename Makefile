# make demo    one real call, end to end, then a test PBX to dial into   (make demo ONCE=1: just the call)
# make test    everything that proves it, a real Asterisk and a real PostgreSQL included
# make bench   how fast it is, beside others
# make lint    ruff, mypy, import-linter, shellcheck
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The newest interpreter at hand, tested as well where it is not the one above.
NEWEST := $(shell .ci/newest-python $(PYTHON))
PIP_INSTALL := install --no-deps --quiet --disable-pip-version-check --progress-bar off
PYTEST := -m pytest -n 4 --dist loadgroup

.PHONY: help demo test test-newest lint bench requirements clean

help:
	@sed -n '/^# make/s/^# //p' Makefile

$(VENV)/installed: requirements.txt pyproject.toml
	@echo "installing agi-bridge into $(VENV)"
	@.ci/venv $(VENV) $(PYTHON)
	@$(BIN)/pip $(PIP_INSTALL) --require-hashes -r requirements.txt
	@$(BIN)/pip $(PIP_INSTALL) -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@echo "installing the tools of the tests"
	@$(BIN)/pip $(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(VENV)/installed
	@$(BIN)/agi-bridge demo $(if $(ONCE),--once)

test: lint
	@$(BIN)/agi-bridge demo --prepare
	@tests/provision-postgresql.sh .postgresql
	$(BIN)/python $(PYTEST) --cov --cov-report=term --cov-fail-under=95
	@if [ -n "$(NEWEST)" ]; then $(MAKE) --no-print-directory test-newest; fi

test-newest:
	@echo "and under $$($(NEWEST) -V)"
	@.ci/venv $(VENV)-newest $(NEWEST)
	@$(VENV)-newest/bin/pip $(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	@$(VENV)-newest/bin/pip $(PIP_INSTALL) -e .
	$(VENV)-newest/bin/python $(PYTEST) -m "not asterisk and not crash"

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/shellcheck -x .ci/run .ci/venv .ci/newest-python agi_bridge/tools/*.sh tests/*.sh

bench: $(VENV)/installed-dev
	$(BIN)/python -m bench

# After a change of the dependencies in pyproject.toml.
requirements:
	uv export --quiet --no-emit-project --no-default-groups --format requirements-txt --output-file requirements.txt
	uv export --quiet --no-emit-project --all-groups --format requirements-txt --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) $(VENV)-newest .run .asterisk .postgresql* build dist
