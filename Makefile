# `make` lists the targets. Written for GNU make 3.81 and newer, since that is what macOS has.
# ARGS reaches the program of a target: make demo ARGS="--only chord", make test ARGS=tests/unit
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
# Most of a test's time is waiting for servers and processes to start, so that more run at once than there are cores.
PYTEST := $(PYTHON) -m pytest -n 4 --dist worksteal
# Absolute, because honcho starts the Procfile's programs by name.
IN_VENV := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
# A stamp is as old as the last complete installation of its file.
RUNTIME := $(VENV)/runtime.stamp
DEV := $(VENV)/dev.stamp
INSTALL := $(PYTHON) -m pip install --require-hashes --disable-pip-version-check -q -r
# A Python that was upgraded or removed leaves a dead link: then the environment is made anew.
ANEW := $(shell test -x $(PYTHON) || echo anew)
COMPILE := uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header --python-version 3.11 --all-extras

.PHONY: help setup demo experiments test lint up rabbitmq faults bench capture compose lock clean anew

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(RUNTIME) ## make .venv with what the application needs; costs nothing when that is done
	@:

demo: $(RUNTIME) ## run every workflow and watch it live
	@$(PYTHON) -m app.demo_canvas $(ARGS)

experiments: $(RUNTIME) ## play every experiment with RabbitMQ, live; needs RABBITMQ_URL
	@$(PYTHON) -m app.demo_messaging $(ARGS)

test: $(DEV) ## run all tests on real services; installs RabbitMQ where that needs no password
	@scripts/install-rabbitmq
	@scripts/install-chromium
	$(PYTEST) $(ARGS)

lint: $(DEV) ## check style, formatting, types and the order of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

up: $(RUNTIME) ## run worker, beat, Flower and the web front until Ctrl-C; reads .env
	@$(IN_VENV) $(PYTHON) scripts/up.py $(ARGS)

rabbitmq: ## run a private RabbitMQ on this machine until Ctrl-C
	@scripts/run-rabbitmq

faults: $(DEV) ## break the services on purpose: Celery as it comes beside ours, as a table
	@scripts/install-rabbitmq
	@$(PYTHON) -m tests.faults $(ARGS)

bench: $(DEV) ## measure; prints figures, and fails when one misses its limit
	@failed=0; for program in bench/[a-z]*.py; do \
		$(PYTHON) -m "bench.$$(basename "$$program" .py)" $(ARGS) || failed=1; \
	done; exit $$failed

capture: $(DEV) ## put what the demo prints into README.md anew, and the picture of the page into docs
	@$(PYTHON) scripts/capture.py
	@PYTHONPATH=. $(PYTHON) scripts/capture_page.py

compose: $(DEV) ## build docker-compose.yml's images and test its services; needs Docker
	$(PYTHON) -m pytest -m docker $(ARGS)

lock: ## pin the requirements of pyproject.toml anew; needs uv
	$(COMPILE) $(ARGS) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) $(ARGS) --group test --group lint pyproject.toml -o requirements/dev.txt

clean: ## remove .venv and the tools' caches; var, with the weather in it, stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find app tasks tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || :

$(RUNTIME): requirements/runtime.txt $(ANEW)
	@scripts/make-venv $(VENV)
	$(INSTALL) requirements/runtime.txt
	@touch $@

$(DEV): requirements/dev.txt $(RUNTIME)
	$(INSTALL) requirements/dev.txt
	@touch $@
