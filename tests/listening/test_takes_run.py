"""What `upmix` makes beside the takes."""

from dataclasses import replace

import pytest
import soundfile

from sounds import RATE, song
from soundstage.errors import OptionError, OutputError
from soundstage.listening.takes_run import TakesRun
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.jobs import UpmixWork, plan_jobs
from soundstage.upmixing.stage_options import StageOptions

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, song(RATE).numpy() * 0.5, RATE)
    return path


def jobs_of(source, *, seeds=(0,), sheet=False):
    return plan_jobs([source], None, method="comb", seeds=seeds, page=True, sheet=sheet).jobs


def run_of(**options):
    skip = options.pop("skip_existing", False)
    return TakesRun(UpmixWork("comb", options=FileOptions(**options), skip_existing=skip))


def make(run, job):
    return run.load()(job, lambda fraction: None)


def test_the_page_stands_beside_the_first_take_and_names_all(mono, tmp_path):
    (job,) = jobs_of(mono, seeds=(4, 5))
    result = make(run_of(codec_checks=("mp3:128",)), job)
    assert job.page == tmp_path / "mono-listen.html"
    page = job.page.read_text()
    for expected in ("before", "take 1, seed 4", "take 2, seed 5", "mono-stereo-2.wav"):
        assert expected in page
    assert "mono sum after mp3" in page
    assert {"status": "page", "source": str(mono), "page": str(job.page)} in result.records
    assert str(job.page) in result.lines[-1]


def test_an_existing_page_is_refused_before_any_work(mono):
    (job,) = jobs_of(mono)
    job.page.write_text("kept")
    with pytest.raises(OutputError, match="exists"):
        run_of().check(job)
    assert run_of(overwrite=True).check(job) is None
    assert job.page.read_text() == "kept"


def test_what_exists_is_left_alone_with_skip_existing(mono):
    (job,) = jobs_of(mono)
    job.page.write_text("kept")
    make(run_of(skip_existing=True), job)
    assert job.page.read_text() == "kept"


def test_a_missing_sheet_and_page_are_made_from_takes_that_exist(mono, tmp_path):
    (job,) = jobs_of(mono, seeds=(4, 5), sheet=True)
    make(run_of(), job)
    takes = [target.read_bytes() for target in job.targets]
    run = run_of(skip_existing=True)
    assert run.check(job).reason == "its result exists"
    job.sheet.unlink()
    job.page.unlink()
    assert run.check(job) is None
    result = make(run, job)
    assert [record["status"] for record in result.records] == ["compared", "page"]
    assert job.sheet.exists()
    assert "take 2, seed 5" in job.page.read_text()
    assert [target.read_bytes() for target in job.targets] == takes
    assert run.check(job).reason == "its result exists"


def test_a_sheet_has_takes_of_this_run_and_of_an_earlier_one(mono):
    (first,) = jobs_of(mono, seeds=(4, 5), sheet=False)
    make(run_of(), first)
    first.page.unlink()
    (job,) = jobs_of(mono, seeds=(4, 5, 6), sheet=True)
    result = make(run_of(skip_existing=True), job)
    statuses = [record.get("status", record.get("seed")) for record in result.records]
    assert statuses == [6, "compared", "page"]
    assert len(result.records[1]["takes"]) == 3
    assert job.sheet.exists()
    assert "take 3, seed 6" in job.page.read_text()


@pytest.mark.parametrize("skip_existing", [False, True])
@pytest.mark.parametrize("outputs", ["mid-side", "side"])
def test_files_without_left_and_right_have_no_page(mono, outputs, skip_existing):
    (job,) = jobs_of(mono)
    with pytest.raises(OptionError, match="left and right"):
        run_of(outputs=outputs, skip_existing=skip_existing).check(job)


def test_the_page_and_the_lines_say_who_stands_where(mono, tmp_path):
    work = UpmixWork(
        "separate",
        stage=StageOptions(separator="hpss", place="drums=5"),
        options=FileOptions(write_plan=True),
    )
    (job,) = plan_jobs([mono], None, method="separate", seeds=(0, 1), page=True, sheet=True).jobs
    result = make(TakesRun(work), job)
    assert "Places of two takes differ by 0.0 dB on average." in result.lines
    assert any("percussive 5.0 dB left" in line for line in result.lines)
    page = job.page.read_text()
    assert '<th scope="col">percussive</th>' in page
    assert page.count("<td>5.0 dB left</td>") == 2
    (compared,) = [record for record in result.records if record.get("status") == "compared"]
    assert compared["place_differences_db"] == [[0, 0], [0, 0]]
    # Made again from the takes that exist, with the plans beside them
    job.sheet.unlink()
    again = make(TakesRun(replace(work, skip_existing=True)), job)
    assert "Places of two takes differ by 0.0 dB on average." in again.lines
    assert job.sheet.exists()
