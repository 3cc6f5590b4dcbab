"""Plans and sources that are written beside the takes."""

import json

import numpy as np
import pytest
import soundfile

from placing_method import LowsAndHighs, LowsLeft
from sounds import RATE, song
from soundstage import Upmixer
from soundstage.errors import OptionError, OutputError
from soundstage.upmixing.existing_takes import measure_existing
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.plan import Plan
from soundstage.upmixing.stem_files import find_stems
from soundstage.upmixing.user_stems import UserStems
from tiny import UPMIXERS


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.5 * song(RATE).numpy(), RATE, subtype="PCM_16")
    return path


@pytest.fixture
def upmixer():
    return Upmixer(LowsLeft(), name="lows-left")


def test_a_report_has_the_plan_and_says_who_stands_where(upmixer, mono, tmp_path):
    report = upmixer.file(mono, tmp_path / "take.wav", seed=2)
    assert report.plan == LowsLeft().plans([2])[0]
    assert "places: lead 5.0 dB left, residual 2.0 dB right" in "\n".join(report.lines())
    plan = json.loads(json.dumps(report.as_dict()))["plan"]
    assert [(source["name"], source["pan_db"]) for source in plan] == [
        ("lead", 5.0),
        ("residual", -2.0),
    ]


def test_a_method_without_places_reports_none(mono, tmp_path):
    report = Upmixer(UPMIXERS["comb"]).file(mono, tmp_path / "take.wav")
    assert report.plan is None
    assert "plan" not in report.as_dict()


def test_the_plan_of_each_take_is_written_and_read(upmixer, mono, tmp_path):
    targets = [tmp_path / "a.wav", tmp_path / "b.wav"]
    upmixer.file(mono, targets, seed=[0, 5], write_plan=True)
    for target, seed in zip(targets, (0, 5), strict=True):
        plan = Plan.read(tmp_path / f"{target.name}.plan.json")
        assert plan == LowsLeft().plans([seed])[0]


def test_an_existing_plan_is_kept_and_nothing_is_made(upmixer, mono, tmp_path):
    existing = tmp_path / "a.wav.plan.json"
    existing.write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        upmixer.file(mono, tmp_path / "a.wav", write_plan=True)
    assert existing.read_text() == "precious"
    assert not (tmp_path / "a.wav").exists()
    upmixer.file(mono, tmp_path / "a.wav", write_plan=True, overwrite=True)
    assert Plan.read(existing).sources


def test_written_sources_add_up_to_the_input_step_by_step(upmixer, mono, tmp_path):
    upmixer.file(mono, tmp_path / "a.wav", write_stems=tmp_path / "stems")
    names = sorted(path.name for path in (tmp_path / "stems").iterdir())
    assert names == ["lead.wav", "residual.wav"]
    parts = [soundfile.read(tmp_path / "stems" / name, dtype="int16")[0] for name in names]
    assert all(part.any() for part in parts)
    total = sum(part.astype(int) for part in parts)
    assert np.array_equal(total, soundfile.read(mono, dtype="int16")[0])


def test_existing_sources_are_kept_and_nothing_is_made(upmixer, mono, tmp_path):
    upmixer.file(mono, tmp_path / "a.wav", write_stems=tmp_path / "stems")
    before = (tmp_path / "stems" / "lead.wav").read_bytes()
    with pytest.raises(OutputError, match="holds sources already"):
        upmixer.file(mono, tmp_path / "b.wav", write_stems=tmp_path / "stems")
    assert (tmp_path / "stems" / "lead.wav").read_bytes() == before
    assert not (tmp_path / "b.wav").exists()


@pytest.mark.parametrize("option", [{"write_plan": True}, {"write_stems": "stems"}])
def test_a_method_without_places_has_nothing_to_write(mono, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match=f"leave `{next(iter(option))}` out"):
        Upmixer(UPMIXERS["comb"]).file(mono, tmp_path / "a.wav", **option)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_takes_that_exist_have_the_plans_that_were_written(upmixer, mono, tmp_path):
    targets = {seed: tmp_path / f"{seed}.wav" for seed in (0, 5)}
    upmixer.file(mono, list(targets.values()), seed=list(targets), write_plan=True)
    found = measure_existing(mono, targets, FileOptions())
    assert [report.plan for report in found.reports] == LowsLeft().plans([0, 5])
    (tmp_path / "0.wav.plan.json").unlink()
    assert measure_existing(mono, targets, FileOptions()).reports[0].plan is None


def test_stems_of_the_users_own_are_written_as_they_are(mono, tmp_path):
    samples = soundfile.read(mono, dtype="float32")[0]
    lead = np.round(0.4 * samples * 2**15) / 2**15
    (tmp_path / "own").mkdir()
    soundfile.write(tmp_path / "own" / "lead.wav", lead, RATE, subtype="FLOAT")
    own = UserStems(find_stems(tmp_path / "own"), LowsAndHighs()).survey().finish()
    Upmixer(LowsLeft(separator=own)).file(mono, tmp_path / "a.wav", write_stems=tmp_path / "stems")
    written = soundfile.read(tmp_path / "stems" / "lead.wav", dtype="float32")[0]
    assert np.abs(written - lead).max() <= 1.5 / 2**15  # the dither of the files
