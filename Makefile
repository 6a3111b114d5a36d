# The one task file; people and CI call the same targets. Everything lives in .venv and .arbml, nothing is global.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# one more than there are cores: a third of the tests' time is waiting for servers
XDIST  := -n $$(( $$(nproc 2>/dev/null || echo 2) + 1 )) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test test-fast bench lint up clean lock install

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## make the environment

$(STAMP): requirements.lock bootstrap.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "arbml needs Python 3.11 or 3.12 with venv: make PYTHON=/path/to/python3.11"; exit 1; }
	$(BIN)/python -m pip install --quiet --require-hashes -r bootstrap.lock
	$(BIN)/uv pip sync --quiet --system-certs --python $(BIN)/python --require-hashes requirements.lock \
	  || $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: $(STAMP) ## the whole cycle on the simulator: collect to a prediction served over HTTP
	$(BIN)/arbml run

test: $(STAMP) ## the whole test suite
	$(BIN)/python -m pytest $(XDIST) $(ARGS)

test-fast: $(STAMP) ## without the slow tests
	$(BIN)/python -m pytest $(XDIST) -m "not slow" $(ARGS)

bench: $(STAMP) ## measure; writes docs/benchmarks.md and benchmarks.json
	$(BIN)/python -m benchmarks

lint: $(STAMP) ## ruff, mypy strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

up: $(STAMP) ## the service on this machine, from the last built Bento
	$(BIN)/arbml serve

clean: ## remove the environment and everything arbml wrote here
	rm -rf $(VENV) .arbml models build dist .mypy_cache .ruff_cache .hypothesis

lock: ## pin the newest versions that pyproject.toml allows (hashes, no registry hosts)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" -o requirements.lock
	echo uv | $(BIN)/uv pip compile - --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -o bootstrap.lock
