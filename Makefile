# make demo        one real call, end to end, then a test PBX to dial into   (make demo ONCE=1: just the call)
# make test        all tests once, with a real Asterisk and a real PostgreSQL: half an hour
# make test-long   all tests with many repetitions, and on every supported Python: hours
# make unit        tests of single modules, in about two minutes: no program, ledger, command or service
# make docker-test builds the images of docker/, places calls in containers, runs the unit under systemd (root)
# make bench       benchmarks, next to other libraries
# make packaging-test   the systemd unit: its hardening, and the program under its rules
# make dist        wheel, sdist and SBOM, the same bytes from the same commit
# make deb         the Debian packages for Debian 12 and 13, the same; needs Docker
# make dist-test   builds all packages twice, installs, upgrades and purges them, places a call (root)
# make site        the documentation as a site, in build/site
# make lint        ruff, mypy, import-linter, codespell, shellcheck
# make format      formats the code and applies ruff's fixes
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# `make test` uses the oldest and the newest supported Python, from Debian 12 and 14; `make
# test-long` uses all. No Debian release has 3.12, so the machine's own is used if there is one.
OLDEST := 3.11
NEWEST := 3.14
BETWEEN := 3.12 3.13
TESTED := .venv-$(OLDEST)
PYTEST := -m pytest -n 4 --dist loadgroup
WITHOUT_PBX := -m "not asterisk and not crash"
# What the newest Python runs besides the tests of single modules: the whole service and its ledger.
ONCE_MORE := tests/app tests/cli/test_serve.py tests/cli/test_service.py tests/consent/ledger/test_ledger.py
# Asterisk before 18.18 has no timeout for a recording over HTTP that never arrives.
NOT_ON_16 := -k "not test_a_caller_to_whom_nothing_can_be_played_reaches_the_default"
export AGI_BRIDGE_ASTERISK

# The tests start hundreds of processes, and each would compile the whole package.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-long unit docker-test packaging-test lint format bench dist deb dist-test site requirements clean programs
.PRECIOUS: .venv-%/installed-dev

help:
	@sed -n '/^# make/s/^# //p' Makefile

.venv/installed: requirements.txt pyproject.toml
	@echo "installing agi-bridge into .venv"
	@.ci/venv .venv $(PYTHON)
	@.ci/install .venv requirements.txt -e
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@echo "installing the tools of the tests"
	@.ci/install .venv requirements-dev.txt
	@touch $@

.venv-%/installed-dev: requirements-dev.txt pyproject.toml
	@echo "installing agi-bridge and the tools of the tests into .venv-$*"
	@python=$$(.ci/python $*) && .ci/venv .venv-$* "$$python"
	@.ci/install .venv-$* requirements-dev.txt -e
	@touch $@

demo: .venv/installed
	@$(BIN)/agi-bridge demo $(if $(ONCE),--once)

# Programs that the tests start. They never use the versions installed on the machine.
programs:
	@agi_bridge/lab/asterisk/provision-asterisk.sh .asterisk/22
	@tests/support/provision-postgresql.sh .postgresql
	@tests/support/provision-pgbouncer.sh .pgbouncer
	@tests/support/provision-prometheus.sh .prometheus
	@tests/support/provision-chromium.sh .chromium
test test-long: AGI_BRIDGE_ASTERISK := $(CURDIR)/.asterisk/22

test: $(TESTED)/installed-dev .venv-$(NEWEST)/installed-dev programs
	@$(MAKE) --no-print-directory lint VENV=$(TESTED)
	$(TESTED)/bin/python $(PYTEST) --cov --cov-report=term --cov-fail-under=95
	.venv-$(NEWEST)/bin/python $(PYTEST) --unit
	.venv-$(NEWEST)/bin/python $(PYTEST) $(WITHOUT_PBX) $(ONCE_MORE)

test-long: $(TESTED)/installed-dev .venv-$(NEWEST)/installed-dev programs
	@$(MAKE) --no-print-directory lint VENV=$(TESTED)
	$(TESTED)/bin/python $(PYTEST) --long --cov --cov-report=term --cov-fail-under=95
	@tests/support/provision-asterisk-16.sh .asterisk/16
	AGI_BRIDGE_ASTERISK=$(CURDIR)/.asterisk/16 $(TESTED)/bin/python $(PYTEST) -m asterisk $(NOT_ON_16)
	@for version in $(BETWEEN) $(NEWEST); do \
	  if [[ $$version == 3.12 ]] && ! .ci/python 3.12 >/dev/null; then continue; fi; \
	  $(MAKE) --no-print-directory .venv-$$version/installed-dev || exit; \
	  .venv-$$version/bin/python $(PYTEST) --long $(WITHOUT_PBX) || exit; \
	done

unit: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto --dist loadgroup -q --unit

docker-test: $(VENV)/installed-dev
	@tests/support/provision-docker.sh .docker/engine
	$(BIN)/python -m pytest --docker -q tests/docker

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/shellcheck -x $(filter-out %.txt,$(wildcard .ci/*)) docker/make-secrets packaging/deb/build packaging/deb/p{re,ost}{inst,rm} agi_bridge/lab/asterisk/*.sh tests/support/*.sh tests/support/images/*/start

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

packaging-test: $(VENV)/installed-dev
	@.ci/packaging $(VENV)

dist:
	@.ci/dist

deb:
	@.ci/deb

dist-test: $(VENV)/installed-dev
	@tests/support/provision-docker.sh .docker/engine
	$(BIN)/python -m pytest --packages -q tests/dist

site:
	@.ci/site

bench: $(VENV)/installed-dev
	$(BIN)/python -m bench

# Run this after you change the dependencies in pyproject.toml.
requirements:
	.ci/requirements

clean:
	rm -rf .venv .venv-* .run .asterisk .postgresql* .pgbouncer* .prometheus .chromium .docker .python build dist
