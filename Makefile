# The two commands that matter are `make demo` and `make test`. Every target works from a fresh
# clone: it installs what it lacks (Debian packages when root, npm packages) and says what it does.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-cluster check bench web need-build need-test clean

DATA ?= target/demo
LISTEN ?= 127.0.0.1:8080
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
CLIENTS := $(CARGO_TARGET_DIR)/clients

say = @printf '\n\033[1m==> %s\033[0m\n' $(1)

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: need-build web ## Build, then serve a demo city on http://127.0.0.1:8080 (LISTEN=…, DATA=…, PEOPLE=…)
	$(call say,"building tongban: a first build compiles some 750 crates")
	cargo build --profile demo -p tongban
	$(call say,"starting the demo city; stop it with Ctrl-C")
	$(CARGO_TARGET_DIR)/demo/tongban demo --data $(DATA) --listen $(LISTEN) --departments $(if $(PEOPLE),--people $(PEOPLE))

check: need-build web ## Format, lints, the law of the floors
	$(call say,"format")
	cargo fmt --all --check
	$(call say,"lints: warnings are errors")
	cargo clippy --workspace --all-targets -- -D warnings
	$(call say,"licences and advisories of what we stand on")
	tools/licences.sh

test: need-test check ## Everything that CI proves, on SQLite and PostgreSQL and in a real browser
	$(call say,"foreign clients")
	tools/clients.sh $(CLIENTS)
	$(call say,"tests on both databases")
	export TONGBAN_TEST_PYTHON="$(CLIENTS)/bin"; \
	export TONGBAN_TEST_POSTGRES="$$(tools/postgres.sh start)"; \
	export TONGBAN_TEST_MARIADB="$$(tools/mariadb.sh start)"; \
	trap 'tools/postgres.sh stop; tools/mariadb.sh stop' EXIT; \
	cargo test --workspace --tests && cargo test --workspace --doc
	$(call say,"the executable for the browser")
	cargo build -p tongban
	$(call say,"journeys in a real browser")
	cd tests && npm ci --no-audit --no-fund --loglevel=error && \
	TONGBAN=$(CARGO_TARGET_DIR)/debug/tongban npm test

# Not a part of `test`: the feature compiles most of what we stand on once more.
test-cluster: need-build web ## The lake's questions on a Ballista cluster, which an ordinary build is without
	$(call say,"lints with the feature cluster")
	cargo clippy -p lake -p tongban --features tongban/cluster --all-targets -- -D warnings
	$(call say,"a cluster answers what one machine answers")
	cargo test -p lake --features cluster
	$(call say,"all tests of the lake on a cluster")
	TONGBAN_TEST_ENGINE=ballista cargo test -p lake --features cluster --test it -- --skip cluster::
	$(call say,"a city on a cluster of processes")
	cargo build -p tongban --features cluster
	TONGBAN=$(CARGO_TARGET_DIR)/debug/tongban node --test tests/cluster/

bench: need-test web ## Measure against peers; prints a table, writes target/bench/results.jsonl
	cargo build --release -p tongban
	TONGBAN=$(CARGO_TARGET_DIR)/release/tongban bench/run.sh

web: need-build
	$(call say,"styles and browser islands")
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

need-build:
	@tools/need.sh cc:build-essential cmake:cmake node:nodejs npm:npm font:fonts-noto-cjk
	@command -v cargo > /dev/null || { echo 'Rust is missing: install it from https://rustup.rs'; exit 1; }

need-test: need-build
	@tools/need.sh chromium:chromium pdfsig:poppler-utils openssl:openssl file:/usr/lib/python3*/ensurepip:python3-venv \
		file:/usr/lib/postgresql/*/bin/initdb:postgresql mariadbd:mariadb-server isql:unixodbc \
		file:/usr/lib/*/odbc/psqlodbca.so:odbc-postgresql file:/usr/lib/*/odbc/libmaodbc.so:odbc-mariadb \
		file:/usr/lib/*/odbc/libsqlite3odbc.so:libsqliteodbc

clean: ## Remove what was built
	rm -rf target web/dist web/node_modules tests/node_modules
