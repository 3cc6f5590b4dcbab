import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.errors import InputError, OptionError
from soundstage.upmixing import Controls, FileOptions, UpmixWork, plan_jobs
from tiny import save_generative

RATE = 44_100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "a.flac", "b.wav"):
        soundfile.write(tmp_path / name, 0.3 * np.sin(np.arange(9_000) / 40), RATE)
    return tmp_path


def test_every_input_is_a_job_with_all_its_takes(folder: Path) -> None:
    jobs = plan_jobs([folder], None, method="comb", seeds=[3, 4], sheet=True)
    assert [job.source.name for job in jobs] == ["a.flac", "a.wav", "b.wav"]
    assert [take.target.name for take in jobs[2].takes] == ["b-stereo-1.wav", "b-stereo-2.wav"]
    assert [take["seed"] for take in jobs[0].as_dicts()] == [3, 4]
    sheets = {job.sheet.name for job in jobs}
    assert sheets == {"a.wav-takes.png", "a.flac-takes.png", "b-takes.png"}


def test_a_name_is_a_template(folder: Path) -> None:
    name = "{stem}_{method}_{seed}{ext}"
    (job,) = plan_jobs([folder / "b.wav"], None, method="comb", seeds=[7], name=name, suffix="flac")
    assert job.takes[0].target == folder / "b_comb_7.flac"
    assert job.sheet is None
    with pytest.raises(OptionError, match="singer"):
        plan_jobs([folder], None, method="comb", seeds=[0], name="{singer}{ext}")


@pytest.mark.parametrize(
    "wrong",
    [{"method": "magic"}, {"style": "wyde"}, {"decoder": "analog"}, {"method": "diffstereo"}],
)
def test_options_are_checked_without_loading(wrong: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        UpmixWork(**wrong)


def test_a_pickled_run_makes_all_takes_of_a_job(folder: Path) -> None:
    weights = folder / "own.safetensors"
    save_generative(weights, "masked")
    run = UpmixWork(
        "masked", weights=str(weights), style="wide", options=FileOptions(Controls(width=0.5))
    )
    work = pickle.loads(pickle.dumps(run)).load()
    (job,) = plan_jobs([folder / "b.wav"], None, method="masked", seeds=[0, 5])
    fractions: list[float] = []
    reports, comparison = pickle.loads(pickle.dumps(work(job, fractions.append)))
    assert [(report.seed, report.style, report.method) for report in reports] == [
        (0, "wide", "masked"),
        (5, "wide", "masked"),
    ]
    assert all(take.target.exists() for take in job.takes)
    assert comparison.differences[0, 1] > 0
    assert fractions[-1] == pytest.approx(1)


def test_an_unusable_input_fails_before_weights_are_loaded(folder: Path) -> None:
    (folder / "c.wav").write_text("words")
    work = UpmixWork("masked", weights=str(folder / "missing.safetensors")).load()
    (job,) = plan_jobs([folder / "c.wav"], None, method="masked", seeds=[0])
    with pytest.raises(InputError, match=r"c\.wav"):
        work(job, None)
