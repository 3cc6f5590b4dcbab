"""A few mutated files of every kind: read, or refused in one sentence; `make fuzz` runs many."""

from pathlib import Path

import numpy as np
import pytest
from mutators import damage_bytes, damage_text
from targets import TARGETS, Target

import fuzz
from soundstage.errors import SoundstageError


def run_here(name: str, count: int, folder: Path) -> dict[str, int]:
    """Cases in this process, without limits."""
    target = TARGETS[name]
    (folder / "seeds").mkdir()
    seeds = target.seeds(folder / "seeds")
    outcomes: dict[str, int] = {}
    for case in range(count):
        path = fuzz.write_case(target, name, seeds, case, folder / str(case))
        outcome, details = fuzz.outcome_of(target.run, path)
        assert outcome in ("read", "refused"), f"case {case}: {details}"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


@pytest.mark.parametrize(
    "name", ["recipe", "scene", "trajectory", "manifest", "prompt", "description"]
)
def test_damaged_text_is_read_or_refused(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pydantic")
    assert run_here(name, 20, tmp_path)["refused"] > 0


@pytest.mark.long
@pytest.mark.parametrize(("name", "count"), [("sound", 50), ("sofa", 30), ("weights", 40)])
def test_damaged_files_are_read_or_refused_within_limits(name: str, count: int) -> None:
    counts, findings = fuzz.fuzz(name, count)
    assert findings == []
    assert counts["read"] + counts["refused"] == count


SLOW = ("sound", "weights", "sofa")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in TARGETS]
)
def test_valid_seeds_are_read(tmp_path: Path, name: str) -> None:
    target = TARGETS[name]
    (tmp_path / "seeds").mkdir()
    seeds = target.seeds(tmp_path / "seeds")
    for number, (file, content) in enumerate(seeds[:1] if name == "sofa" else seeds):
        folder = tmp_path / str(number)
        folder.mkdir()
        target.neighbors(folder)
        (folder / file).write_bytes(content)
        target.run(folder / file)


def test_damage_is_the_same_for_the_same_case() -> None:
    for damage in (damage_bytes, damage_text):
        first, again = (damage(b"time,x\n0,1\n" * 9, [], np.random.default_rng(3)) for _ in "ab")
        assert first == again != b"time,x\n0,1\n" * 9


# What the harness must notice


def _refuse(path: Path) -> None:
    raise SoundstageError(path.read_text())


@pytest.mark.parametrize(
    ("sentence", "outcome"),
    [
        ("a.wav is damaged.", "refused"),
        ("a.wav is damaged", "traceback"),
        ("x" * 2000 + ".", "traceback"),
    ],
)
def test_bad_sentences_are_findings(tmp_path: Path, sentence: str, outcome: str) -> None:
    path = tmp_path / "a"
    path.write_text(sentence)
    assert fuzz.outcome_of(_refuse, path)[0] == outcome
    assert fuzz.outcome_of(lambda place: {}[place], path)[0] == "traceback"


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("import os; os.abort()", "crash"),
        ("import signal, os; os.kill(os.getpid(), signal.SIGPROF)", "hang"),
    ],
)
def test_a_process_that_ends_is_a_finding(program: str, outcome: str) -> None:
    import sys

    outcomes = list(fuzz.outcomes([sys.executable, "-c", program], 7))
    assert [each[:2] for each in outcomes] == [(7, outcome)]


def test_targets_have_seeds_that_are_small(tmp_path: Path) -> None:
    sizes = [len(content) for _, content in TARGETS["sound"].seeds(tmp_path)]
    assert len(sizes) > 30
    assert max(sizes) < 50_000
    assert isinstance(TARGETS["sound"], Target)
