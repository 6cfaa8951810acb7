# Gateway Broker: everything a developer or an operator types. `make help` lists it.
# Plain GNU make and POSIX sh; needs git, make and Python >= 3.11 with venv (PYTHON=... chooses one).

VENV := .venv
PY := $(VENV)/bin/python
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
PIP_INSTALL := $(PY) -m pip --disable-pip-version-check install -q -c constraints.txt
# Further arguments of pytest, for example: make quick ARGS="tests/routing -x"
ARGS ?=

# A production environment for `check --deploy`; nothing is contacted.
DEPLOYED := DATABASE_URL=postgres://gate/gate BROKER_URL=amqp://gate CACHE_URL=redis://gate \
  SECRET_KEY=only-for-the-gate-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH \
  FIELD_ENCRYPTION_KEYS=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= SSL_REDIRECT=true HSTS_SECONDS=3600

export PYTHON
.DEFAULT_GOAL := help
.PHONY: help setup run up reload doctor test quick check lint types imports schema bench crash lock audit clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 10

setup: $(RUN) ## make .venv with what the gateway needs to run
	@echo "ready: make run"

run: $(RUN) ## the whole gateway as one process: SQLite, simulator, demo data
	@exec $(PY) manage.py run_gateway

up: $(RUN) ## the fleet of the Procfile on PostgreSQL, RabbitMQ and Redis
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; export PATH; \
	  honcho run .ci/require-named DATABASE_URL BROKER_URL CACHE_URL SECRET_KEY FIELD_ENCRYPTION_KEYS && \
	  honcho run python manage.py migrate --no-input && \
	  honcho run python manage.py collectstatic --no-input -v 0 && \
	  exec python -m gateway_project.fleet

reload: $(RUN) ## new code into the running fleet: one process after the other, no request refused
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; export PATH; \
	  honcho run python manage.py migrate --no-input && \
	  honcho run python manage.py collectstatic --no-input -v 0 && \
	  exec python -m gateway_project.fleet reload

doctor: $(RUN) ## what is wrong with the gateway of .env, and what to do
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; export PATH; exec honcho run python manage.py doctor $(ARGS)

test: $(DEV) ## the whole suite, then the claims, crashes and money again on SQLite
	@exec $(PY) -m tests.services run -- .ci/test $(ARGS)

quick: $(DEV) ## the suite without what takes minutes
	@exec $(PY) -m tests.services run -- $(PY) -m pytest -n auto -m "not slow" $(ARGS)

check: lint types imports schema ## every gate that needs no service

lint: $(DEV) ## ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: $(DEV) ## mypy
	@$(PY) -m mypy .

imports: $(DEV) ## the floors of .importlinter
	@$(VENV)/bin/lint-imports

schema: $(DEV) ## migrations complete, Django's own checks
	@$(PY) manage.py makemigrations --check --dry-run
	@$(PY) manage.py check
	@$(DEPLOYED) $(PY) manage.py check --deploy --fail-level WARNING

bench: $(DEV) ## measure throughput; ARGS chooses what
	@exec $(PY) -m tests.services run -- $(PY) -m bench $(ARGS)

crash: $(DEV) ## break the fleet under load and prove that nothing is lost; hours, ARGS shortens
	@exec $(PY) -m tests.services run -- $(PY) -m tests.crash $(ARGS)

lock: $(DEV) ## write constraints.txt anew from the two requirement files
	@$(PY) -m pip --disable-pip-version-check install -q uv
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --no-annotate --no-emit-index-url \
	  --custom-compile-command "make lock" requirements.txt tests/requirements.txt -o constraints.txt

audit: $(DEV) ## known vulnerabilities of the locked packages
	@$(VENV)/bin/pip-audit -r constraints.txt --no-deps

clean: ## remove .venv and caches; data in var/ stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make the second `make setup` instant; a changed requirement makes it install again.
$(RUN): requirements.txt constraints.txt
	@.ci/make-venv $(VENV)
	@echo "installing packages into $(VENV)"
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(DEV): $(RUN) tests/requirements.txt
	@echo "installing the development packages into $(VENV)"
	@$(PIP_INSTALL) -r tests/requirements.txt
	@touch $@
