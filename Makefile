# MelodyMaker's commands; `make` alone lists them.

SHELL := /bin/sh
PYTHON ?= python3
HERE := .venv/bin/python
MANAGE := $(HERE) manage.py
DOWN := $(HERE) -m melodymaker.supervisor.down
ARGS ?=

.PHONY: help run stop clean test test-postgres test-nginx chaos bench docs check format environment studio tools lock FORCE

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

run: .local/running ## start everything for development; PORT=9000 make run takes other ports

# `up` runs as long as its file, this rule's target, exists. An interrupted make deletes the target,
# and so `up` stops (melodymaker/supervisor/instance_lock.py).
.local/running: studio FORCE
	@exec $(MANAGE) up

stop: ## stop what runs in this checkout, its database too
	@if [ -e .venv/requirements.txt ]; then $(DOWN); else echo "Nothing runs in this checkout."; fi

clean: ## stop, and delete this checkout's database and songs (.venv stays)
	@if [ -e .venv/requirements.txt ]; then $(DOWN) --forget; fi
	@rm -rf .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@echo "Deleted .local (the database, the songs, collected files) and the tools' caches."

test: tools ## run the whole suite; ARGS="-k credits" runs a part of it
	@sh deploy/browser.sh
	$(HERE) -m pytest -n 3 --dist worksteal $(ARGS)

test-postgres: tools ## run the engine's tests on Debian's PostgreSQL, through PgBouncer, on the oldest version, without the pipeline
	@sh deploy/postgres.sh
	@$(HERE) -m tests.postgres $(ARGS)

test-nginx: tools ## run deploy/nginx.conf with Debian's nginx, before the real gunicorn
	@sh deploy/nginx.sh
	@$(HERE) -m tests.nginx $(ARGS)

bench: tools ## measure the engine beside its peers; ARGS="overhead latency --times 1" runs a part
	@$(HERE) -m benchmarks $(ARGS)

chaos: tools ## kill processes and the database at random, check the laws (3 minutes)
	$(HERE) -m tests.chaos $(ARGS)

docs: tools ## build the papers as a site with search, in .local/docs; write the page of signatures
	@NO_MKDOCS_2_WARNING=1 $(HERE) -m docs.tools.site
	@echo "Open .local/docs/index.html"

check: tools ## style, types, the order of imports, migrations, the settings of production
	$(HERE) -m ruff format --check .
	$(HERE) -m ruff check .
	$(HERE) -m mypy
	$(HERE) -c 'from importlinter.cli import lint_imports_command as c; c()'
	$(MANAGE) makemigrations --check --dry-run
	env DEBUG=0 HTTPS=1 ALLOWED_HOSTS=songs.example.org 'DATABASE_URL=postgres://db.example.org/songs?sslmode=verify-full' \
		SECRET_KEY="$$($(HERE) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
		GENERATE_FROM_DESCRIPTION=https://endpoint.example.org/generate \
		MODAL_KEY=key MODAL_SECRET=secret EMAIL_URL=smtp+tls://smtp.example.org:587 \
		$(MANAGE) check --deploy --fail-level WARNING

format: tools ## format the code
	$(HERE) -m ruff check --fix .
	$(HERE) -m ruff format .

lock: tools ## write the versions and hashes of all that requirements*.in pull in
	@for name in requirements requirements-studio requirements-dev; do \
		$(HERE) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --custom-compile-command "make lock" $$name.in -o $$name.txt || exit; \
	done

# The script installs the requirements again when their file has changed.
environment:
	@PYTHON="$(PYTHON)" sh deploy/environment.sh requirements.txt

studio: environment
	@PYTHON="$(PYTHON)" sh deploy/environment.sh requirements-studio.txt

tools: environment
	@PYTHON="$(PYTHON)" sh deploy/environment.sh requirements-dev.txt
