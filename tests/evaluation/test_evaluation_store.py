"""Stored results are complete and have the current settings, or they are measured again."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.corpora import Clip
from soundstage.errors import OptionError, OutputError
from soundstage.evaluation.measures import Measures
from soundstage.evaluation.store import Store, file_name
from soundstage.evaluation.systems import System
from soundstage.metrics.frechet import GaussianPool

MONO = System("mono")
SETTINGS = {"layout": 1, "seed": 0, "seconds": 30.0, "embeddings": ["bands"]}


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    track = tmp_path / "a.wav"
    track.write_bytes(b"sound")
    return Clip("songs/a", track)


def measured() -> Measures:
    pool = GaussianPool(3)
    pool.add(torch.arange(12.0).reshape(3, 4))
    embeddings = {"bands": torch.randn(4, 5, 6)}
    return Measures({"width": 0.5, "si_snr_side": math.nan}, pool, embeddings)


def test_written_measures_are_read(tmp_path: Path, clip: Clip) -> None:
    wanted = measured()
    Store(tmp_path / "out", SETTINGS).write(clip, MONO, wanted)
    found = Store(tmp_path / "out", SETTINGS).read(clip, MONO)
    assert found is not None
    assert found.scores["width"] == 0.5
    assert math.isnan(found.scores["si_snr_side"])
    assert torch.equal(found.embeddings["bands"], wanted.embeddings["bands"])
    assert (found.parameters.covariance() == wanted.parameters.covariance()).all()


def test_measures_of_another_system_clip_or_file_are_not_read(tmp_path: Path, clip: Clip) -> None:
    store = Store(tmp_path / "out", SETTINGS)
    store.write(clip, MONO, measured())
    assert store.read(clip, System("comb")) is None
    assert store.read(replace(clip, name="songs/b"), MONO) is None
    assert clip.mix is not None
    os.utime(clip.mix, (1, 1))  # changed since
    assert store.read(clip, MONO) is None


def test_a_damaged_file_is_measured_again(tmp_path: Path, clip: Clip) -> None:
    store = Store(tmp_path / "out", SETTINGS)
    store.write(clip, MONO, measured())
    whole = store.path(clip, MONO).read_bytes()
    for damaged in (b"", b"\xff" * 9, whole[: len(whole) // 2]):
        store.path(clip, MONO).write_bytes(damaged)
        assert store.read(clip, MONO) is None


def test_other_settings_are_refused_by_name_unless_overwritten(tmp_path: Path, clip: Clip) -> None:
    store = Store(tmp_path / "out", SETTINGS)
    store.open()
    store.write(clip, MONO, measured())
    other = Store(tmp_path / "out", {**SETTINGS, "seed": 7})
    with pytest.raises(OptionError, match=r"seed 0, not 7: .* or allow overwriting it"):
        other.open()
    other.open(overwrite=True)
    assert other.read(clip, MONO) is None
    with pytest.raises(OptionError, match="seed 7, not 0"):
        store.open()


@pytest.mark.parametrize(("name", "overwrite"), [("settings.json", True), ("thesis.txt", True)])
def test_a_folder_with_other_content_is_refused(tmp_path: Path, name: str, overwrite: bool) -> None:
    (tmp_path / name).write_text(json.dumps({"mine": 1}))
    with pytest.raises(OptionError, match="choose another folder"):
        Store(tmp_path, SETTINGS).open(overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Store(tmp_path / "file" / "out", SETTINGS).open()


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_file_names_of_clips_are_unique(names: list[str]) -> None:
    one, other = map(file_name, names)
    assert one != other
    assert all(name == Path(name).name and not name.startswith(".") for name in (one, other))
