# A bare machine needs python3 (3.11 or newer), git and make; everything else is fetched, locked, into .venv.
VENV   := .venv
ifeq ($(OS),Windows_NT)
  # The recipes are for Git's own sh, which has to be on PATH.
  SHELL  := sh.exe
  PYTHON ?= python
  BIN    := $(VENV)/Scripts
else
  PYTHON ?= python3
  BIN    := $(VENV)/bin
endif
STAMP  := $(VENV)/.ready
# One more than there are processors: many tests wait, for files to settle and for what must not come.
JOBS   ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

.PHONY: demo docs test test-long lint format bench picture man lock clean
.DEFAULT_GOAL := test

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "catflap needs Python 3.11 or newer: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "this Python has no venv module: on Debian or Ubuntu, apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	$(BIN)/catflap demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS)

# Every test that has a longer form, at full length: bursts, random lives, thousands of git operations, kills, Spec Kitty
# itself from PyPI.
test-long: $(STAMP)
	CATFLAP_TEST_LONG=1 $(BIN)/python -m pytest -n $(JOBS) $$(grep -l CATFLAP_TEST_LONG tests/test_*.py)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m bench.hook
	$(BIN)/python -m bench.emit
	$(BIN)/python -m bench.watch
	$(BIN)/python -m bench.backfill
	$(BIN)/python -m bench.check
	$(BIN)/python -m bench.sync
	$(BIN)/python -m bench.hub
	$(BIN)/python -m bench.board

# The docs site, in build/site. A broken link ends it, and so does anything that a page would load from elsewhere. The
# variable leaves out an advertisement of the theme's.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "The docs are in build/site: begin at build/site/index.html."

# README's pictures, drawn from a run of the demo, of the commands, and of the hub.
picture: $(STAMP)
	$(BIN)/python docs/picture.py
	$(BIN)/python -m docs.board

# The manual page, written from the help.
man: $(STAMP)
	$(BIN)/python docs/manpage.py

# The lock is for every platform and names no index; run this after a change of pyproject.toml's dependencies.
lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --group dev --extra hub --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist
