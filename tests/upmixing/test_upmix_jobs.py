import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soundstage.errors import InputError, OptionError, OutputError
from soundstage.upmixing import Controls, FileOptions, UpmixWork, plan_jobs
from soundstage.upmixing.jobs import Plan
from tiny import save_generative

RATE = 44_100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "a.flac", "b.wav"):
        soundfile.write(tmp_path / name, 0.3 * np.sin(np.arange(9_000) / 40), RATE)
    return tmp_path


def planned(*inputs: Path, output: Path | None = None, **options: Any) -> Plan:
    return plan_jobs(inputs, output and str(output), **{"method": "comb", "seeds": [0]} | options)


def test_every_input_is_a_job_with_all_its_takes(folder: Path) -> None:
    jobs = plan_jobs([folder], None, method="comb", seeds=[3, 4], sheet=True).jobs
    assert [job.source.name for job in jobs] == ["a.flac", "a.wav", "b.wav"]
    assert [take.target.name for take in jobs[2].takes] == ["b-stereo-1.wav", "b-stereo-2.wav"]
    assert [take["seed"] for take in jobs[0].as_dicts()] == [3, 4]
    sheets = {job.sheet.name for job in jobs}
    assert sheets == {"a.wav-takes.png", "a.flac-takes.png", "b-takes.png"}


def test_a_name_is_a_template(folder: Path) -> None:
    name = "{stem}_{method}_{seed}{ext}"
    (job,) = plan_jobs(
        [folder / "b.wav"], None, method="comb", seeds=[7], name=name, suffix="flac"
    ).jobs
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
    (job,) = plan_jobs([folder / "b.wav"], None, method="masked", seeds=[0, 5]).jobs
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
    (job,) = plan_jobs([folder / "c.wav"], None, method="masked", seeds=[0]).jobs
    with pytest.raises(InputError, match=r"c\.wav"):
        work(job, None)


def test_results_of_any_earlier_run_are_left_out_of_a_folder(folder: Path) -> None:
    for name in ("a-stereo.flac", "b-stereo-12.wav", "a-binaural.wav", "c-stereo.wav"):
        (folder / name).write_bytes((folder / "b.wav").read_bytes())
    plan = planned(folder)
    assert [job.source.name for job in plan.jobs] == ["a.flac", "a.wav", "b.wav", "c-stereo.wav"]
    assert {Path(each.source).name for each in plan.skipped} == {
        "a-stereo.flac",
        "b-stereo-12.wav",
        "a-binaural.wav",
    }


def test_an_output_folder_within_the_input_is_no_input(folder: Path) -> None:
    first = planned(folder, output=folder / "out", name="{stem}{ext}")
    for job in first.jobs:
        for take in job.takes:
            take.target.parent.mkdir(exist_ok=True)
            take.target.write_bytes(job.source.read_bytes())
    again = planned(folder, output=folder / "out", name="{stem}{ext}")
    assert [job.as_dicts() for job in again.jobs] == [job.as_dicts() for job in first.jobs]
    assert len(again.skipped) == len(first.jobs)


def test_an_input_is_replaced_only_if_it_says_that_it_is_a_result(folder: Path) -> None:
    (folder / "b-stereo.wav").write_bytes((folder / "b.wav").read_bytes())
    job = planned(folder).jobs[-1]
    assert job.replaced_inputs == (folder / "b-stereo.wav",)
    with pytest.raises(OutputError, match="does not say that Soundstage made it"):
        UpmixWork("comb", options=FileOptions(overwrite=True)).check(job)


def test_only_missing_takes_are_made_again(folder: Path) -> None:
    (job,) = planned(folder / "b.wav", seeds=[0, 1, 2]).jobs
    work = UpmixWork("comb", skip_existing=True)
    run = work.load()
    assert [report.seed for report in run(job, lambda _: None).reports] == [0, 1, 2]
    before = [target.read_bytes() for target in job.targets]
    job.targets[1].unlink()
    assert work.check(job) is None
    assert [report.seed for report in run(job, lambda _: None).reports] == [1]
    assert [target.read_bytes() for target in job.targets] == before
    skipped = work.check(job)
    assert skipped is not None
    assert skipped.targets == [str(target) for target in job.targets]


def test_a_damaged_result_is_not_taken_for_a_complete_one(folder: Path) -> None:
    (job,) = planned(folder / "b.wav").jobs
    work = UpmixWork("comb", skip_existing=True)
    work.load()(job, lambda _: None)
    content = job.targets[0].read_bytes()
    job.targets[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(OutputError, match="not a complete sound file"):
        work.check(job)
