# wikibraid: `make help` lists what there is to run.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
# Where it is set, each of hundreds of processes compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# The first Python 3.11 or 3.12 on the path; `make PYTHON=/path/to/python3.12 setup` chooses another.
PYTHON = $(shell for p in python3 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' >/dev/null 2>&1 && echo "$$p" && exit; \
	done; echo python3)
BOOTSTRAP = $(PYTHON) conf/bootstrap.py
READY := .venv/.ready .tools/.ready
SERVERS := .tools/.servers
MYPY_TARGETS := shared_logic batch speed serving stack cli wikibraid dags benchmarks conf/bootstrap.py conf/check_lock.py

.PHONY: help setup demo test test-fast test-long faults audit check format lock bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY) &: pyproject.toml uv.lock conf/bootstrap.py $(wildcard packages.txt)
	@$(BOOTSTRAP)
	@touch $(READY)

setup: ## Install uv, the environment, Java (as root) and Spark's jars; quick when nothing is to be done
	@$(BOOTSTRAP)
	@touch $(READY)

$(SERVERS): conf/cassandra.lock conf/kafka.lock conf/mariadb.lock conf/bootstrap.py
	@$(BOOTSTRAP) cassandra kafka
	@$(BOOTSTRAP) mariadb || echo "setup: tests that ask a MariaDB are skipped; \`python3 conf/bootstrap.py mariadb\` tries again"
	@$(BOOTSTRAP) chromium || echo "setup: tests in a browser are skipped; \`python3 conf/bootstrap.py chromium\` tries again"
	@touch $@

demo: $(READY) ## Run the whole pipeline on a small wiki; DUMP=path/to/dump.xml.bz2 to use your own
	@$(BIN)/wikibraid demo $(if $(DUMP),--dump "$(DUMP)")

check: $(READY) ## Lint, formatting, types, import rules, and that the lock names the public index and digests only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(MYPY_TARGETS)
	$(BIN)/lint-imports
	$(BIN)/python conf/check_lock.py

test: check $(SERVERS) ## Everything that must pass before a merge: checks, then all tests but the slow ones
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-fast: $(READY) ## Only the tests that start neither Spark nor Bytewax nor a server nor the whole pipeline
	$(BIN)/python -m pytest -m "not slow and not spark and not bytewax and not cassandra and not kafka and not e2e"

test-long: $(READY) $(SERVERS) ## All tests, the slow ones too, with many more generated examples
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest

faults: $(READY) $(SERVERS) ## Kill everything at random, 100 and 10 rounds each; WIKIBRAID_SEED=N repeats a run, TESTS=tests/faults/test_embedded.py takes some
	WIKIBRAID_FAULTS=full $(BIN)/python -m pytest -s $(or $(TESTS),tests/faults tests/stack/test_stack.py)

# diskcache comes with Pathway, which only benchmarks import: it unpickles a cache that somebody else may have written.
audit: $(READY) ## Ask osv.dev which locked packages are known to be vulnerable; needs a network; part of CI where there is one
	.tools/uv/uv audit --frozen --preview-features audit-command --ignore-until-fixed GHSA-w8v5-vhqr-4h9v

format: $(READY) ## Format the code and apply the lint fixes that are safe
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: $(READY) ## Renew uv.lock against the public package index; UPGRADE=1 moves to newer versions
	env -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
		.tools/uv/uv lock --no-config --default-index https://pypi.org/simple $(if $(UPGRADE),--upgrade)

bench: $(READY) $(SERVERS) ## Install the peers to compare with, then run the benchmarks
	@$(BOOTSTRAP) bench
	$(BIN)/python -m benchmarks

clean: ## Remove the environment, the tools and everything generated
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		build dist *.egg-info spark-warehouse metastore_db derby.log demo-output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
