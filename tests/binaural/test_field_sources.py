"""Recorded sound fields as sources of a scene."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import decibels
from soundstage import Audio, binauralize
from soundstage.ambisonics.conventions import from_ambix
from soundstage.ambisonics.harmonics import harmonics
from soundstage.binaural import (
    HrtfRenderer,
    Listener,
    Scene,
    Source,
    constant,
    read_scene,
    render_file,
    sources_of,
)
from soundstage.binaural.binaural_jobs import BinauralWork, plan_jobs
from soundstage.binaural.listener_options import ListenerOptions
from soundstage.binaural.mixing import BinauralMix
from soundstage.binaural.render.ambisonic_renderer import AmbisonicRenderer
from soundstage.binaural.render.warp import WarpRenderer
from soundstage.binaural.render_options import RenderOptions
from soundstage.binaural.trajectory_options import TrajectoryOptions
from soundstage.errors import InputError, OptionError
from spheres import RATE, grid, sphere_head, write_sofa

RENDERER = HrtfRenderer(sphere_head(grid(15)))
MONO = 0.1 * np.random.default_rng(0).standard_normal(6000).astype(np.float32)
LEFT = (harmonics(np.array([0.0, 1.0, 0.0]), 1)[:, None] * MONO).astype(np.float32)


@pytest.fixture
def left(tmp_path):
    return write(tmp_path / "left.ambix1.wav")


def write(path: Path, field=LEFT, convention="ambix") -> Path:
    soundfile.write(path, from_ambix(field, convention).T, RATE, subtype="FLOAT")
    return path


def mixed(scene, renderer=RENDERER, **options):
    return np.concatenate(list(BinauralMix(scene, renderer, **options).blocks()), axis=-1)


def left_over_right(ears) -> float:
    return decibels(*ears)


def test_a_field_is_one_source_all_around(left) -> None:
    (source,) = sources_of(left)
    assert (source.field.order, source.field.convention) == (1, "ambix")
    assert not source.is_placed
    assert left_over_right(mixed([source])) > 4


@pytest.mark.parametrize("convention", ["n3d", "fuma"])
def test_every_convention_sounds_the_same(left, tmp_path, convention) -> None:
    expected = mixed(sources_of(left))
    stated = write(tmp_path / f"left.{convention}1.wav", convention=convention)
    np.testing.assert_allclose(mixed(sources_of(stated)), expected, atol=1e-6)
    unnamed = write(tmp_path / "left.wav", convention=convention)
    found = mixed(sources_of(unnamed, convention=convention))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_four_channels_without_a_sign_are_refused_with_a_hint(tmp_path) -> None:
    with pytest.raises(InputError, match=r"has 4 channels.*`convention` of an ambisonic field"):
        sources_of(write(tmp_path / "quad.wav"))


def test_a_field_has_no_position_and_no_downmix(left) -> None:
    for options in ({"trajectory": constant(30)}, {"downmix": True}):
        with pytest.raises(InputError, match="is a sound field"):
            sources_of(left, **options)
    with pytest.raises(InputError, match="4, 9 or 16 channels, not 1"):
        sources_of(Audio(MONO, RATE), convention="ambix")


def test_a_field_turns_with_the_head_and_does_not_walk(left) -> None:
    scene = Scene(sources_of(left), listener=Listener.turned(yaw=180))
    assert left_over_right(mixed(scene)) < -4
    walking = Listener(np.array([0.0, 1.0]), np.array([[0.0, 0, 0], [3.0, 1, 0]]))
    still = mixed(Scene(sources_of(left)))
    np.testing.assert_array_equal(mixed(Scene(sources_of(left), listener=walking)), still)


def test_times_of_a_head_count_from_the_start_of_the_scene(left) -> None:
    """The head turns to the left before a late field starts."""
    head = Listener(
        np.array([0.0, 0.1]), np.zeros((2, 3)), np.array([[0, 0, 0, 1.0], [0, 0, 1, 0]])
    )
    (source,) = sources_of(left, start=0.2)
    late = mixed(Scene([source], listener=head))
    np.testing.assert_array_equal(late[:, : round(0.2 * RATE)], 0)
    assert left_over_right(late) < -4


def test_a_field_and_placed_sounds_add_up(left) -> None:
    field, voice = sources_of(left), sources_of(Audio(MONO, RATE), constant(-60))
    both, alone, other = mixed([*field, *voice]), mixed(field), mixed(voice)
    frames = min(each.shape[1] for each in (both, alone, other))
    total = alone[:, :frames] + other[:, :frames]
    np.testing.assert_allclose(both[:, :frames], total, atol=1e-6)


def test_a_field_is_decoded_at_the_rate_of_the_scene(left) -> None:
    ears = mixed(Scene(sources_of(left), rate=2 * RATE))
    assert ears.shape[1] > 2 * MONO.size
    assert left_over_right(ears) > 4


def test_a_field_becomes_one_of_another_order(left) -> None:
    scene = Scene(sources_of(left), listener=Listener.turned(yaw=90))
    found = mixed(scene, AmbisonicRenderer(2))
    expected = harmonics(np.array([1.0, 0, 0]), 2)[:, None] * MONO
    expected[4:] = 0
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_renderers_of_mono_sounds_refuse_a_field(left) -> None:
    with pytest.raises(OptionError, match="only hrtf renders"):
        BinauralMix(sources_of(left), WarpRenderer())
    with pytest.raises(OptionError, match="warp does not render"):
        binauralize(left, method="warp")


def test_a_source_has_the_channels_of_its_order(left) -> None:
    (source,) = sources_of(left)
    with pytest.raises(OptionError, match="order 2 has 9"):
        Source(source.sound, constant(0), field=source.field._replace(order=2))


def test_scenes_name_the_convention_of_a_field(tmp_path) -> None:
    write(tmp_path / "a.wav", convention="fuma")
    path = tmp_path / "scene.json"
    entry = {"file": "a.wav", "convention": "fuma", "gain": -6}
    path.write_text(json.dumps({"sources": [entry]}))
    (source,) = read_scene(path).sources
    assert source.field.convention == "fuma"
    assert left_over_right(mixed([source])) > 4
    path.write_text(json.dumps({"sources": [entry | {"convention": "stereo"}]}))
    with pytest.raises(InputError, match="source 1: There is no convention 'stereo'"):
        read_scene(path)
    path.write_text(json.dumps({"sources": [entry | {"azimuth": 30}]}))
    with pytest.raises(InputError, match=r"source 1: .*is a sound field"):
        read_scene(path)


def test_a_report_says_how_the_convention_is_known(left, tmp_path) -> None:
    walking = Listener(np.array([0.0, 1.0]), np.array([[0.0, 0, 0], [3.0, 1, 0]]))
    scene = Scene(sources_of(left), listener=walking)
    report = render_file(scene, tmp_path / "ears.wav", RENDERER)
    assert soundfile.info(tmp_path / "ears.wav").channels == 2
    (line,) = report.fields
    assert "AmbiX (ACN, SN3D) of order 1: its name says so; it stays the same" in line
    assert line in report.sentence()
    assert report.as_dict()["fields"] == [line]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"options": RenderOptions(air=True)}, "a room of its own"),
        ({"method": "warp"}, "warp does not render"),
    ],
)
def test_jobs_refuse_options_that_fields_do_not_have(left, options, what) -> None:
    (job,) = plan_jobs([left], None, TrajectoryOptions()).jobs
    with pytest.raises(OptionError, match=what):
        BinauralWork(**options).check(job)


def test_the_convention_of_a_command_is_that_of_its_inputs_or_of_its_result(left) -> None:
    (read,) = plan_jobs([left], None, TrajectoryOptions(), convention="fuma").jobs
    assert read.scene().sources[0].field.convention == "fuma"
    (made,) = plan_jobs([left], None, TrajectoryOptions(), ambix=1, convention="fuma").jobs
    assert made.scene().sources[0].field.convention == "ambix"
    assert made.target.name.endswith(".fuma1.wav")
    with pytest.raises(OptionError, match="no convention 'maxn'"):
        plan_jobs([left], None, TrajectoryOptions(), convention="maxn")


def test_a_job_renders_a_field_with_the_head_turned(left, tmp_path) -> None:
    hrtf = write_sofa(tmp_path / "head.sofa", sphere_head(grid(45)))
    work = BinauralWork(options=RenderOptions(str(hrtf)))
    head = ListenerOptions(yaw=180)
    (job,) = plan_jobs([left], None, TrajectoryOptions(), listener=head).jobs
    assert work.check(job) is None
    work.load()(job, lambda _: None)
    assert left_over_right(soundfile.read(job.target)[0].T) < -4


def test_fields_in_python_turn_and_have_decoders(left) -> None:
    found = binauralize(left, yaw=180, method=RENDERER)
    assert left_over_right(found.samples) < -4
    array = binauralize((LEFT, RATE), convention="ambix", method=RENDERER)
    np.testing.assert_allclose(array.samples, binauralize(left, method=RENDERER).samples)
    with pytest.raises(OptionError, match="choose magls or loudspeakers"):
        binauralize(left, decoder="sharp")
