import json
import pickle

import numpy as np
import pytest
import soundfile

from soundstage.audio import open_sound
from soundstage.binaural import RenderOptions, TrajectoryOptions, binaural_jobs
from soundstage.binaural.binaural_jobs import BinauralWork, plan_jobs
from soundstage.errors import InputError, OptionError, OutputError

RATE = 8_000
NOWHERE = TrajectoryOptions()


@pytest.fixture
def desk(tmp_path):
    """Two mono sounds, a stereo one, and a scene."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((RATE, 2))
    soundfile.write(tmp_path / "a.wav", noise[:, 0], RATE)
    soundfile.write(tmp_path / "b.flac", noise[:, 0], RATE)
    soundfile.write(tmp_path / "two.wav", noise, RATE)
    scene = {"sources": [{"file": "a.wav", "azimuth": 30}, {"file": "two.wav"}]}
    (tmp_path / "scene.json").write_text(json.dumps(scene))
    return tmp_path


def names(jobs):
    return [job.target.name for job in jobs]


def test_targets_are_beside_their_inputs_with_the_same_suffix_or_wav_for_a_scene(desk):
    jobs = plan_jobs(
        [desk / "a.wav", desk / "b.flac", desk / "scene.json"], None, NOWHERE, plot=True
    ).jobs
    assert names(jobs) == ["a-binaural.wav", "b-binaural.flac", "scene-binaural.wav"]
    pictures = [job.picture.name for job in jobs]
    assert pictures == [f"{stem}-trajectory.png" for stem in ("a", "b", "scene")]
    assert {job.target.parent for job in jobs} == {job.picture.parent for job in jobs} == {desk}


def test_a_folder_contributes_its_sounds_but_no_scenes(desk):
    (desk / "out").mkdir()
    jobs = plan_jobs(
        [desk], str(desk / "out"), NOWHERE, suffix="ogg", name="{stem}_ears{ext}", plot=True
    ).jobs
    assert names(jobs) == ["a_ears.ogg", "b_ears.ogg", "two_ears.ogg"]
    assert {job.picture.parent for job in jobs} == {desk / "out"}


def test_pictures_keep_the_suffix_of_inputs_that_differ_in_it_only(desk):
    (desk / "a.flac").write_bytes((desk / "b.flac").read_bytes())
    jobs = plan_jobs(
        [desk / "a.wav", desk / "a.flac", desk / "b.flac"], None, NOWHERE, plot=True
    ).jobs
    stems = [job.picture.name.removesuffix("-trajectory.png") for job in jobs]
    assert stems == ["a.wav", "a.flac", "b"]


def test_a_job_opens_its_sources(desk):
    (job,) = plan_jobs([desk / "a.wav"], None, TrajectoryOptions(azimuth=90.0)).jobs
    (source,) = job.scene().sources
    assert source.trajectory.positions[0] == pytest.approx([0, 1.5, 0], abs=1e-9)
    (job,) = plan_jobs([desk / "two.wav"], None, NOWHERE).jobs
    assert [source.channel for source in job.scene().sources] == [0, 1]
    (job,) = plan_jobs([desk / "two.wav"], None, TrajectoryOptions(orbit=2.0), downmix=True).jobs
    assert [source.channel for source in job.scene().sources] == [None]
    (job,) = plan_jobs([desk / "scene.json"], None, NOWHERE).jobs
    assert [source.sound.path.name for source in job.scene().sources] == [
        "a.wav",
        "two.wav",
        "two.wav",
    ]


def test_a_preset_lasts_as_long_as_its_sound(desk, monkeypatch):
    options = TrajectoryOptions(approach=10.0, distance=2.0)
    soundfile.write(desk / "long.wav", np.zeros(3 * RATE), RATE)
    jobs = plan_jobs([desk / "a.wav", desk / "long.wav"], None, options).jobs
    ends = [job.scene().sources[0].trajectory.times[-1] for job in jobs]
    assert ends == pytest.approx([1.0, 3.0])

    def without_length(path):
        sound = open_sound(path)
        sound.seconds = None
        return sound

    monkeypatch.setattr(binaural_jobs, "open_sound", without_length)
    assert jobs[0].scene().sources[0].trajectory.times[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "downmix"), [(TrajectoryOptions(azimuth=1.0), False), (NOWHERE, True)]
)
def test_a_scene_is_not_combined_with_positions_or_downmix(desk, options, downmix):
    with pytest.raises(OptionError, match="sets its own positions"):
        plan_jobs([desk / "a.wav", desk / "scene.json"], None, options, downmix=downmix)


def test_impossible_plans_are_refused(desk):
    with pytest.raises(OptionError, match="is a file, and the inputs are several"):
        plan_jobs([desk / "a.wav", desk / "two.wav"], str(desk / "x.wav"), NOWHERE)
    with pytest.raises(OptionError, match="singer"):
        plan_jobs([desk / "a.wav"], None, NOWHERE, name="{singer}{ext}")
    with pytest.raises(InputError, match="does not exist"):
        plan_jobs([desk / "missing.wav"], None, NOWHERE)


def test_results_among_the_inputs_are_left_out(desk):
    (desk / "a-binaural.wav").write_bytes((desk / "a.wav").read_bytes())
    plan = plan_jobs([desk], None, NOWHERE)
    assert [job.source.name for job in plan.jobs] == ["a.wav", "b.flac", "two.wav"]
    assert [each.source for each in plan.skipped] == [str(desk / "a-binaural.wav")]


def test_existing_results_are_refused_or_skipped(desk):
    (job,) = plan_jobs([desk / "a.wav"], str(desk / "a.wav"), NOWHERE).jobs
    with pytest.raises(OutputError, match="source itself"):
        BinauralWork("warp", overwrite=True).check(job)
    (job,) = plan_jobs([desk / "a.wav"], str(desk / "two.wav"), NOWHERE).jobs
    assert BinauralWork("warp", overwrite=True).check(job) is None
    with pytest.raises(OutputError, match="`skip_existing` or `overwrite`"):
        BinauralWork("warp").check(job)
    assert BinauralWork("warp", skip_existing=True).check(job).reason == "its result exists"
    with pytest.raises(OptionError, match="exclude each other"):
        BinauralWork("warp", skip_existing=True, overwrite=True)


def test_work_and_jobs_survive_pickling_and_render(desk):
    (job,) = plan_jobs([desk / "a.wav"], None, TrajectoryOptions(azimuth=90.0)).jobs
    job, work = pickle.loads(pickle.dumps((job, BinauralWork("warp", tail=False))))
    fractions = []
    report = pickle.loads(pickle.dumps(work.load()(job, fractions.append)))
    assert (report.method, report.frames, report.encoding) == ("warp", RATE, "PCM_16")
    assert fractions[-1] == pytest.approx(1)
    assert soundfile.info(job.target).frames == RATE


def test_work_with_impossible_options_is_refused_before_loading():
    with pytest.raises(OptionError, match="warp has no HRTF set"):
        BinauralWork("warp", RenderOptions(air=True))
