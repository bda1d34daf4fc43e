# MelodyMaker's commands; `make` alone lists them.

SHELL := /bin/sh
PYTHON ?= python3
HERE := .venv/bin/python
MANAGE := $(HERE) manage.py
DOWN := $(HERE) -m melodymaker.supervisor.down
ARGS ?=

.PHONY: help run stop clean test test-postgres chaos bench check format environment tools FORCE

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

run: .local/running ## start everything for development; PORT=9000 make run takes other ports

# The file that is there while it runs is this rule's target: when make is interrupted it deletes
# the file, and that is what tells `up` to stop (melodymaker/supervisor/claim.py).
.local/running: environment FORCE
	@exec $(MANAGE) up

stop: ## stop what runs in this checkout, its database too
	@if [ -e .venv/requirements.txt ]; then $(DOWN); else echo "Nothing runs in this checkout."; fi

clean: ## stop, and delete this checkout's database and songs (.venv stays)
	@if [ -e .venv/requirements.txt ]; then $(DOWN) --forget; fi
	@rm -rf .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@echo "Deleted .local (the database, the songs, collected files) and the tools' caches."

test: tools ## run the whole suite; ARGS="-k credits" runs a part of it
	@sh deploy/browser.sh
	$(HERE) -m pytest -n 3 $(ARGS)

test-postgres: tools ## run the engine's tests on Debian's PostgreSQL, through PgBouncer, and on the oldest version
	@sh deploy/postgres.sh
	@$(HERE) -m tests.postgres $(ARGS)

bench: tools ## measure it beside its peers; ARGS="overhead latency --times 1" plays a part
	@$(HERE) -m benchmarks $(ARGS)

chaos: tools ## kill processes and the database at random, look whether the laws held (3 minutes)
	$(HERE) -m tests.chaos $(ARGS)

check: tools ## style, types, the order of imports, migrations, the settings of production
	$(HERE) -m ruff format --check .
	$(HERE) -m ruff check .
	$(HERE) -m mypy
	$(HERE) -c 'from importlinter.cli import lint_imports_command as c; c()'
	$(MANAGE) makemigrations --check --dry-run
	env DEBUG=0 HTTPS=1 ALLOWED_HOSTS=songs.example.org DATABASE_URL=postgres://db.example.org/songs \
		SECRET_KEY="$$($(HERE) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
		GENERATE_FROM_DESCRIPTION=https://endpoint.example.org/generate \
		MODAL_KEY=key MODAL_SECRET=secret \
		$(MANAGE) check --deploy --fail-level WARNING

format: tools ## put the code into the house's style
	$(HERE) -m ruff check --fix .
	$(HERE) -m ruff format .

# Installed again whenever the file of requirements is another one than last time.
environment:
	@PYTHON="$(PYTHON)" sh deploy/environment.sh requirements.txt

tools: environment
	@PYTHON="$(PYTHON)" sh deploy/environment.sh requirements-dev.txt
