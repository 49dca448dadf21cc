# Everything runs in a virtual environment that the first target makes. Python 3.11 or newer is all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help demo test test-slow lint check format bench clean

help:
	@echo "make demo       set up, run the whole job on synthetic audio, print where the reports are"
	@echo "make test       set up, run the tests"
	@echo "make test-slow  the long ones: fuzzing, the page in a browser"
	@echo "make check      ruff, mypy --strict, import-linter, tests"
	@echo "make format     ruff format and its fixes"
	@echo "make bench      peers side by side, on the audio in GMMAUDIO_DATA"

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/python recipes/demo.py --out build/demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python benchmarks/genre_folds.py
	$(BIN)/python benchmarks/language.py
	$(BIN)/python benchmarks/end_to_end.py
	$(BIN)/python benchmarks/mixture.py

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
