# make demo   set up, render the example (or take IN=your.wav), upmix it, measure it, draw it
# make test   set up and run the fast tests, and the examples in docstrings
# make test-slow   the others: trainings, commands of the docs, the report in a browser
# make test-long   hundreds of odd and mutated files, signals at random moments
# make test-corpus CORPUS=FOLDER   every method on real recordings
# make fuzz N=1000   N mutated files of every kind through every reader, with limits
# make test-kill   signals at 100 random moments: no half file, nothing left
# make lint   ruff and mypy
# make coverage   all tests, and the lines of src that they do not reach
# make bench  speed, memory and fold-down error of every method and of FFmpeg's filters; start-up
# make fitness   fills docs/fitness.md (six minutes)
# make benchmark-dualspec EVENTS=FOLDER [EFFICIENTAT=FILE]   fills its tables of generated sound
# make benchmark DATA=FOLDER STEMS=FOLDER MONO=FOLDER [MULTITRACKS=FOLDER]   fills docs/benchmark.md
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
IN ?=
OUT ?= demo
WORKERS ?= 2
N ?= 1000
DATA ?= ../shared/data/music/test
STEMS ?= ../shared/data/stems
MONO ?= ../shared/data/mono
MULTITRACKS ?=
EVENTS ?= ../shared/data/events
EFFICIENTAT ?=
CORPUS ?= ../shared/data

PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope

.PHONY: setup demo test test-slow test-long test-corpus fuzz lint coverage bench fitness benchmark benchmark-dualspec clean test-kill

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/python examples/demo.py --output $(OUT) $(if $(IN),--input "$(IN)")

test: $(READY)
	$(BIN)/python -m pytest --doctest-modules src/soundstage
	$(PYTEST)

test-long: $(READY)
	$(PYTEST) -m long

test-slow: $(READY)
	$(PYTEST) -m 'slow and not corpus'

test-corpus: $(READY)
	SOUNDSTAGE_CORPUS=$(CORPUS) $(PYTEST) -m corpus

test-kill: $(READY)
	$(BIN)/python benchmarks/kill.py

fuzz: $(READY)
	$(BIN)/python tests/fuzz/fuzz.py -n $(N)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

coverage: $(READY)
	$(PYTEST) -m 'not corpus' --cov=soundstage --cov-report=term-missing:skip-covered

bench: $(READY)
	$(BIN)/python benchmarks/speed.py --write docs/speed.md
	$(BIN)/python benchmarks/startup.py

fitness: $(READY)
	$(BIN)/python benchmarks/fitness.py --write docs/fitness.md

benchmark: $(READY)
	$(BIN)/python benchmarks/papers.py --data $(DATA) --stems $(STEMS) --mono $(MONO) --write
	$(BIN)/python benchmarks/places.py $(STEMS) $(MULTITRACKS) --write
	$(BIN)/python benchmarks/separation.py $(STEMS) $(MULTITRACKS) --write

benchmark-dualspec: $(READY)
	$(BIN)/python benchmarks/dualspec.py --data $(EVENTS) $(if $(EFFICIENTAT),--efficientat $(EFFICIENTAT)) --write

clean:
	rm -rf $(VENV) demo build dist
