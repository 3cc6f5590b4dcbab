import json

import numpy as np
import pytest
import soundfile

from soundstage.audio import open_sound
from soundstage.binaural import scene_jobs as batch
from soundstage.binaural.binaural_jobs import plan_jobs
from soundstage.binaural.trajectory_options import TrajectoryOptions
from soundstage.errors import InputError, OptionError, OutputError

RATE = 8_000


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


def test_results_lie_beside_their_inputs_with_their_suffix_and_a_scene_gives_wav(desk):
    jobs = plan_jobs(
        [desk / "a.wav", desk / "b.flac", desk / "scene.json"], None, TrajectoryOptions()
    )
    assert names(jobs) == ["a-binaural.wav", "b-binaural.flac", "scene-binaural.wav"]
    assert [job.picture.name for job in jobs] == ["a-path.png", "b-path.png", "scene-path.png"]
    assert {job.target.parent for job in jobs} == {job.picture.parent for job in jobs} == {desk}


def test_a_folder_stands_for_its_sounds_and_not_for_its_scenes(desk):
    (desk / "out").mkdir()
    jobs = plan_jobs(
        [desk], str(desk / "out"), TrajectoryOptions(), suffix="ogg", name="{stem}_ears{ext}"
    )
    assert names(jobs) == ["a_ears.ogg", "b_ears.ogg", "two_ears.ogg"]
    assert {job.picture.parent for job in jobs} == {desk / "out"}


def test_pictures_of_inputs_that_differ_in_their_suffix_alone_keep_it(desk):
    (desk / "a.flac").write_bytes((desk / "b.flac").read_bytes())
    jobs = plan_jobs([desk / "a.wav", desk / "a.flac", desk / "b.flac"], None, TrajectoryOptions())
    pictures = [job.picture.name for job in jobs]
    assert pictures == ["a.wav-path.png", "a.flac-path.png", "b-path.png"]


def test_a_job_knows_what_is_to_be_heard(desk):
    (job,) = plan_jobs([desk / "a.wav"], None, TrajectoryOptions(azimuth=90.0))
    (source,) = job.sources()
    assert source.trajectory.positions[0] == pytest.approx([0, 1.5, 0], abs=1e-9)
    (job,) = plan_jobs([desk / "two.wav"], None, TrajectoryOptions())
    assert [source.channel for source in job.sources()] == [0, 1]
    (job,) = plan_jobs([desk / "two.wav"], None, TrajectoryOptions(orbit=2.0), downmix=True)
    assert [source.channel for source in job.sources()] == [None]
    (job,) = plan_jobs([desk / "scene.json"], None, TrajectoryOptions())
    assert [source.sound.path.name for source in job.sources()] == ["a.wav", "two.wav", "two.wav"]


def test_a_way_lasts_as_long_as_its_sound(desk):
    soundfile.write(desk / "long.wav", np.zeros(3 * RATE), RATE)
    for name, seconds in (("a.wav", 1.0), ("long.wav", 3.0)):
        (job,) = plan_jobs([desk / name], None, TrajectoryOptions(approach=10.0, distance=2.0))
        assert job.sources()[0].trajectory.times[-1] == pytest.approx(seconds)


def test_a_sound_that_does_not_tell_its_length_is_read_for_it(desk, monkeypatch):
    def untold(path):
        sound = open_sound(path)
        sound.seconds = None
        return sound

    monkeypatch.setattr(batch, "open_sound", untold)
    (job,) = plan_jobs([desk / "a.wav"], None, TrajectoryOptions(fly_by=10.0))
    assert job.sources()[0].trajectory.times[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("way", "downmix"), [(TrajectoryOptions(azimuth=1.0), False), (TrajectoryOptions(), True)]
)
def test_a_scene_has_its_places_in_its_file(desk, way, downmix):
    with pytest.raises(OptionError, match="stand in its file"):
        plan_jobs([desk / "a.wav", desk / "scene.json"], None, way, downmix=downmix)


def test_results_never_meet_one_another_nor_a_source(desk):
    with pytest.raises(OptionError, match="both be written"):
        plan_jobs([desk / "a.wav", desk / "two.wav"], str(desk / "x.wav"), TrajectoryOptions())
    with pytest.raises(OutputError, match="source"):
        plan_jobs([desk / "a.wav"], str(desk / "a.wav"), TrajectoryOptions())
    (desk / "a-binaural.wav").write_bytes((desk / "a.wav").read_bytes())
    with pytest.raises(OutputError, match="one of the sources"):
        plan_jobs([desk / "a.wav", desk / "a-binaural.wav"], None, TrajectoryOptions())
    with pytest.raises(OptionError, match="singer"):
        plan_jobs([desk / "a.wav"], None, TrajectoryOptions(), name="{singer}{ext}")
    with pytest.raises(InputError, match="does not exist"):
        plan_jobs([desk / "missing.wav"], None, TrajectoryOptions())
