# The toolbox of this project: `make` alone lists it.
#
# Everything is installed into .venv. It keeps a copy of the requirements that it was made from, so
# that nothing is installed as long as they stay the same.

PORT ?= 8000
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run serve test test-matrix test-compose faults bench bench-quick lint format audit requirements wheels backup restore rename

help: ## List these commands
	@echo "make <command>, where <command> is one of:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/requirements.txt ## Install, migrate, seed demo data and serve on http://127.0.0.1:8000 (PORT=9000 for another port)
	@$(BIN)/python -c 'import socket as s; s.create_server(("127.0.0.1", $(PORT))).close()' 2>/dev/null || \
		{ echo "Port $(PORT) is in use. Another one: make run PORT=9000"; exit 1; }
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo
	@$(BIN)/python manage.py runserver 127.0.0.1:$(PORT)

serve: $(VENV)/requirements.txt ## Serve as in production, without Docker (PORT=9000, WORKERS=2 with REDIS_URL)
	@scripts/serve $(PORT) $(WORKERS)

test: $(VENV)/requirements-dev.txt ## Install what the tests need and run every suite
	@scripts/test

test-matrix: ## Run the Python tests on each Python (3.11 to 3.13) and Django (5.2, 6.1) that is here
	@scripts/test-matrix

test-compose: $(VENV)/requirements-dev.txt ## Start the whole system in containers and put it to the test
	@scripts/test-compose

faults: $(VENV)/requirements-dev.txt ## Let everything fail under load, and count what is lost (docs/reliability.md)
	@scripts/faults

bench: $(VENV)/requirements-dev.txt ## Measure it beside others, in ten minutes (docs/performance.md)
	@scripts/bench-install
	@$(BIN)/python -m benchmarks

bench-quick: $(VENV)/requirements-dev.txt ## Measure fan-out beside a bare loop and Channels, within a minute
	@scripts/bench-install
	@$(BIN)/python -m benchmarks --quick

lint: $(VENV)/requirements-dev.txt ## Check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/requirements-dev.txt ## Sort imports, mend what can be mended and format the Python code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

audit: ## Look up known vulnerabilities of the packages
	@scripts/make-venv $(PYTHON) .matrix/audit
	@.matrix/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.matrix/audit/bin/pip-audit --requirement requirements-dev.txt --disable-pip --no-deps

wheels: ## Fetch every package into wheels/, so that the image can be built offline
	docker build --target wheels --output wheels .

backup: ## Save database and uploads of the running containers into backups/
	@scripts/backup

restore: ## Bring back a backup: FILE=backups/....tar.gz
	@scripts/restore $(FILE)

rename: ## Make it your project: NAME=acme_talk TITLE="Acme Talk"
	@$(PYTHON) scripts/rename "$$NAME" "$$TITLE" $(if $(FORCE),--force)

requirements: ## Pin the newest packages that pyproject.toml allows (with uv, see docs.astral.sh/uv)
	uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --no-header -o requirements.txt
	uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --no-header --extra dev \
		-c requirements.txt -o requirements-dev.txt

$(VENV)/requirements.txt: requirements.txt
	@scripts/make-venv $(PYTHON) $(VENV)
	@echo "Installing $< (once, and again only when it changes) ..."
	@$(PIP) -r $<
	@cp $< $@

$(VENV)/requirements-dev.txt: requirements-dev.txt $(VENV)/requirements.txt
	@echo "Installing $< (once, and again only when it changes) ..."
	@$(PIP) -r $<
	@cp $< $@
