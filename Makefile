# `make pretrain` and `make test` need nothing but Python 3.11 or later.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 2

.PHONY: help install pretrain test check lint types slow test-readers docs bench-data bench-train bench-adapters clean

help:
	@echo "make pretrain   set up, then pretrain a tiny model on the embedded corpus with the adversarial selector (about 5 minutes on 2 cores)"
	@echo "make test       set up, then the default tests"
	@echo "make check      lint, types and tests: what CI runs"
	@echo "make slow       the tests that take minutes"
	@echo "make test-readers our readers of abc, kern and MusicXML against others, over whole corpora"
	@echo "make docs       the reference, made from docstrings, in docs/reference"
	@echo "make bench-data speed and memory from file to batch, against peers (about 4 minutes)"
	@echo "make bench-train speed of a training step, against the published recipe's (about 5 minutes)"
	@echo "make bench-adapters memory and time of every adapter method beside full fine-tuning (about 10 minutes)"
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

# One thread for encoding and preparing; the model that reads batches takes two by itself.
bench-data: install
	OMP_NUM_THREADS=1 $(BIN)/python tests/bench/bench_data.py

# One thread, so that CPU time can be counted; OMP_NUM_THREADS=2 on the command line counts the clock's.
bench-train: install
	OMP_NUM_THREADS=$(or $(OMP_NUM_THREADS),1) $(BIN)/python tests/bench/bench_train.py

bench-adapters: install
	$(BIN)/python tests/bench/bench_adapters.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

check: lint types test

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
