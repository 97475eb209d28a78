# make up       install into .cache/venv and run Litefuse           ARGS="--port 3001" are passed on
# make test     everything the tests need, then lint, types and tests
# make faults   the long form of the fault tests
# make bench    the benchmarks
# make lint     ruff and mypy alone
# make docs     write the generated pages of docs/ anew
#
# Downloads and environments are kept in .cache/. PYTHON names the interpreter the environment is made with.

PYTHON ?= python3
ARGS ?=
VENV := .cache/venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DELETE_ON_ERROR:
.PHONY: up test faults bench lint docs tools clean

up: $(VENV)/.stamp-up
	@exec $(BIN)/litefuse up $(ARGS)

test: tools lint
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

# strace makes ClickHouse lose a part at a chosen system call.
faults: $(VENV)/.stamp-dev
	@sh tests/tools.sh strace
	$(BIN)/python -m pytest -m long --timeout 7200 $(ARGS)

bench: $(VENV)/.stamp-dev tools
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.stamp-dev
	$(BIN)/python -m litefuse.cli.docs

clean:
	rm -rf $(VENV)

# pip runs again only when pyproject.toml has changed.
$(VENV)/.stamp-up: pyproject.toml | $(BIN)/python
	@echo "installing Litefuse into $(VENV) (first time: a minute or two)"
	@$(PIP) install --editable '.[embedded,mcp]'
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	@echo "installing Litefuse and what its tests need into $(VENV)"
	@$(PIP) install --editable '.[embedded,dev]'
	@touch $@ $(VENV)/.stamp-up

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), Litefuse needs 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# The tests start a real Kafka broker: JDK 17 or newer, and Maven, which fetches its jars.
tools:
	@sh tests/tools.sh
