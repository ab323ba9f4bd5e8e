# `make pretrain` and `make test` need nothing but Python 3.11 or later.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 2

.PHONY: help install pretrain test check lint types slow test-readers docs bench clean

help:
	@echo "make pretrain   set up, then pretrain a tiny model on the embedded corpus with the adversarial selector (about 5 minutes on 2 cores)"
	@echo "make test       set up, then the default tests"
	@echo "make check      lint, types and tests: what CI runs"
	@echo "make slow       the tests that take minutes"
	@echo "make test-readers our readers of abc, kern and MusicXML against others, over whole corpora"
	@echo "make docs       the reference, made from docstrings, in docs/reference"
	@echo "make bench      speed and memory, ours and peers' in turns, as one table of ratios (about an hour)"
	@echo "make clean      remove the environment and tool caches; runs and prepared corpora stay"

install: $(VENV)/.installed

# torch comes first and by itself: another package's wish for it could bring a CUDA build of gigabytes.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

pretrain: install
	$(BIN)/pretrain --selector adversarial

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

slow: install
	$(BIN)/python -m pytest -m slow

test-readers: install
	$(BIN)/python -m pytest -s -m readers

# Every module by name: pdoc leaves out those that a package's __all__ does not list.
docs: install
	$(BIN)/pdoc --docformat google --output-directory docs/reference $$(find symbolic data pretrain finetune -name '*.py' \
		! -name '__main__.py' | sed 's#/__init__##; s#/#.#g; s#\.py$$##' | sort)

# One thread, so that CPU time can be counted. NAMES="data train" runs these alone.
bench: install
	$(BIN)/python tests/bench/bench.py $(NAMES)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

check: lint types test

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
