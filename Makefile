# make demo   set up, render the example (or take IN=your.wav), upmix it, measure it, draw it
# make test   set up and run the tests
# make test-slow, make test-corpus CORPUS=FOLDER   the tests that take minutes, or real recordings
# make lint   ruff and mypy
# make bench  speed, memory and fold-down of every method beside FFmpeg's filters
# make benchmark DATA=FOLDER STEMS=FOLDER MONO=FOLDER   fills docs/benchmark.md
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
IN ?=
OUT ?= demo
DATA ?= ../shared/data/music/test
STEMS ?= ../shared/data/stems
MONO ?= ../shared/data/mono

CORPUS ?= ../shared/data

.PHONY: setup demo test test-slow test-corpus lint bench benchmark clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/python examples/demo.py --output $(OUT) $(if $(IN),--input "$(IN)")

test: $(READY)
	$(BIN)/python -m pytest -n 2

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

test-corpus: $(READY)
	SOUNDSTAGE_CORPUS=$(CORPUS) $(BIN)/python -m pytest -m corpus -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/speed.py --write docs/speed.md

benchmark: $(READY)
	$(BIN)/python benchmarks/papers.py --data $(DATA) --stems $(STEMS) --mono $(MONO) --write

clean:
	rm -rf $(VENV) demo build dist
