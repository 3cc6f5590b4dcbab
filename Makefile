# make demo   set up, render the example (or take IN=your.wav), upmix it, measure it, draw it
# make test   set up and run the tests
# make test-slow, make test-corpus CORPUS=FOLDER   the tests that take minutes, or real recordings
# make lint   ruff and mypy
# make bench  speed, memory and fold-down of every method beside FFmpeg's filters
# make quality DATA=FOLDER RECORDS=FOLDER   D_F and wobble on true stereo music
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
IN ?=
OUT ?= demo
DATA ?= ../shared/data/music/test
RECORDS ?= ../shared/data/music/train

CORPUS ?= ../shared/data

.PHONY: setup demo test test-slow test-corpus lint bench quality clean

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

quality: $(READY)
	$(BIN)/python benchmarks/quality.py --data $(DATA) --records $(RECORDS) --write docs/quality.md

clean:
	rm -rf $(VENV) demo build dist
