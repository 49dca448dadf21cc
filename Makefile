# Everything runs in a virtual environment that the first target makes. Python 3.11 or newer is all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# the lowest declared versions are tested on the lowest Python
LOWEST_PYTHON ?= $(or $(shell command -v python3.11),python3)
LOWEST := .venv-lowest
# the quick tests on all cores, each file in one process so that its models are made once
QUICK := -m "not slow" --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: help demo test coverage test-slow test-lowest lint check format bench many-files check-speed fuzz fuzz-models \
	failing-writes kills tagged-folder service-load same-bytes results train-memory pictures docs clean

help:
	@echo "make demo         set up, run the whole job on synthetic audio, print where the reports are"
	@echo "make test         set up, run the tests"
	@echo "make coverage     the tests again, with what they cover"
	@echo "make test-slow    the long ones: fuzzing, the pages and the manual in a browser"
	@echo "make test-lowest  the tests with the lowest declared version of every dependency, in $(LOWEST)"
	@echo "make check        ruff, mypy --strict, import-linter, documents beside results, tests"
	@echo "make format       ruff format and its fixes"
	@echo "make bench        peers side by side, on the audio in GMMAUDIO_DATA; writes results/*.json"
	@echo "make many-files   classify on 20,000 files, killed and resumed; writes results/many_files.json"
	@echo "make check-speed  gmmaudio check on 20,000 files in five formats; writes results/check_speed.json"
	@echo "make fuzz         50,000 mutated audio files through classify; writes results/fuzz_audio.json"
	@echo "make fuzz-models  20,000 mutated model files, half with a right checksum; writes results/fuzz_models.json"
	@echo "make same-bytes   models by -j 1, -j 2, threads and Dask with killed workers; writes results/cluster.json"
	@echo "make failing-writes   every operation on an output fails in turn; writes results/failing_writes.json"
	@echo "make kills        210 runs of train, crossval and classify killed and started again; writes results/kills.json"
	@echo "make tagged-folder  200 songs in 21 formats tagged, sorted and undone; writes results/tagged_folder.json"
	@echo "make service-load  gmmaudio serve: 8 clients beside 200 half-open connections; writes results/service_load.json"
	@echo "make train-memory  memory and time of training on 1 to 64 hours of audio; writes results/train_memory.json"
	@echo "make results      list the measured results; NAME=demo (or all) measures again and fills the documents"
	@echo "make docs         the manual, build/docs/index.html; every warning is an error"
	@echo "make pictures     screenshots of docs/reports/language.html, by chromium"

# __init__.py has the version, which goes into reports
$(READY): pyproject.toml gmmaudio/__init__.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/python -m recipes.demo --out build/demo

test: $(READY)
	$(BIN)/python -m pytest $(QUICK)

# the total and the modules that the tests cover least; measuring takes half as much time again
coverage: $(READY)
	$(BIN)/python -m coverage run -m pytest -m "not slow"
	@$(BIN)/python -m coverage report | sed -n '1,12p;/^TOTAL/p;$$p'

test-slow: $(READY) docs
	$(BIN)/python -m pytest -m slow

$(LOWEST)/.installed: pyproject.toml gmmaudio/__init__.py .ci/constraints-lowest.txt
	$(LOWEST_PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --editable '.[annotate,dask,demo,media,plot,serve,tags,test,vad]' \
		--constraint .ci/constraints-lowest.txt
	@touch $@

test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest $(QUICK)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m results check

check: lint test

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m benchmarks.genre_folds
	$(BIN)/python -m benchmarks.language
	$(BIN)/python -m benchmarks.language_seeds
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.mixture
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.large
	$(BIN)/python -m benchmarks.timeline
	$(BIN)/python -m benchmarks.mixed
	$(BIN)/python -m benchmarks.hours
	$(BIN)/python -m benchmarks.merged language-indomain
	$(BIN)/python -m benchmarks.new_sources

many-files: $(READY)
	$(BIN)/python -m benchmarks.many_files

check-speed: $(READY)
	$(BIN)/python -m benchmarks.check_speed

train-memory: $(READY)
	$(BIN)/python -m benchmarks.train_memory

fuzz: $(READY)
	$(BIN)/python -m benchmarks.fuzz_audio

fuzz-models: $(READY)
	$(BIN)/python -m benchmarks.fuzz_models

same-bytes: $(READY)
	$(BIN)/python -m benchmarks.cluster

failing-writes: $(READY)
	$(BIN)/python -m benchmarks.failing_writes

service-load: $(READY)
	$(BIN)/python -m benchmarks.service_load

kills: $(READY)
	$(BIN)/python -m benchmarks.kills

results: $(READY)
	$(BIN)/python -m results $(if $(NAME),remake $(NAME),list)

tagged-folder: $(READY)
	$(BIN)/python -m benchmarks.tagged_folder

# screenshots of a committed report, by Debian's chromium
SHOT := chromium --headless --no-sandbox --disable-gpu --hide-scrollbars
LANGUAGE_PAGE := file://$(CURDIR)/docs/reports/language.html

pictures:
	$(SHOT) --window-size=1280,1560 --screenshot=docs/report.png $(LANGUAGE_PAGE)
	$(SHOT) --window-size=390,844 --blink-settings=preferredColorScheme=0 --screenshot=docs/report-phone.png $(LANGUAGE_PAGE)

# pages of the reference and of the galleries are written to docs/generated and used again where nothing changed
docs: $(READY)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/docs
	@echo "build/docs/index.html"

clean:
	rm -rf build dist docs/generated .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
