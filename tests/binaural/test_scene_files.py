import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage.audio import Audio, read_metadata
from soundstage.binaural import (
    ListenerOptions,
    ShoeBox,
    constant,
    read_scene,
    render_file,
    scene_from,
    scene_text,
    seen_from_head,
    to_spherical,
)
from soundstage.binaural.binaural_jobs import BinauralWork, plan_jobs
from soundstage.binaural.geometry import from_angles
from soundstage.binaural.render_options import RenderOptions
from soundstage.binaural.trajectory_options import TrajectoryOptions
from soundstage.errors import InputError
from spheres import grid, sphere_head, write_sofa

RATE = 8_000
NOISE = 0.1 * np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32)
MONO = {"file": "mono.wav"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    soundfile.write(folder / "mono.wav", NOISE[0], RATE, subtype="FLOAT")
    soundfile.write(folder / "two.wav", NOISE.T, RATE, subtype="FLOAT")
    write_sofa(folder / "head.sofa", sphere_head(grid(45)))
    return folder


def scene(folder, *sources, **shared):
    path = folder / "scene.json"
    path.write_text(json.dumps({"sources": list(sources) or [MONO], **shared}))
    return path


def test_everything_that_sources_share_is_read(folder):
    shared = {"seconds": 2.5, "loop": True, "rate": 16_000, "bit_depth": 24}
    room = {"size": [6, 4, 3], "rt60": 0.4, "listener": [2, 2, 1.2]}
    path = scene(folder, **shared, room=room, hrtf="head.sofa", air=True, seed=7)
    found = read_scene(path)
    assert (found.seconds, found.loop, found.rate, found.bit_depth) == (2.5, True, 16_000, "24")
    box = ShoeBox((6, 4, 3), 0.4, (2, 2, 1.2))
    assert found.options == RenderOptions(str(folder / "head.sofa"), box, air=True, seed=7)
    assert read_scene(scene(folder, hrtf="kemar")).options.hrtf == "kemar"
    assert read_scene(scene(folder)).options == RenderOptions()


def test_a_source_has_a_length_a_loop_fades_and_points(folder):
    points = [{"time": 0, "azimuth": 0}, {"time": 1, "azimuth": 90}]
    entries = [
        MONO | {"length": 3, "loop": True, "fade_in": 0.5, "fade_out": 1},
        MONO | {"loop": True, "start": 1},
        MONO | {"trajectory": points},
        {"file": "two.wav", "binaural": True, "azimuth": 60, "gain": -6},
    ]
    faded, to_the_end, moving, ears = read_scene(scene(folder, *entries, seconds=5)).sources
    assert (faded.length, faded.loop, faded.fade_in, faded.fade_out) == (3, True, 0.5, 1)
    assert (to_the_end.length, to_the_end.end) == (4, 5)
    assert moving.trajectory.positions_at(np.array([1.0]))[0] == pytest.approx([0, 1.5, 0])
    assert (ears.is_binaural, ears.sound.channels) == (True, 2)


FAULTY = [
    ({"size": [6, 4]}, "three numbers"),
    ({"rt60": 1}, '"size"'),
    ({"size": [6, 4, 3], "walls": 4}, "'walls'"),
    ({"size": [6, 4, "high"]}, "'high'"),
    ({"size": "6x4x3"}, "size"),
]


@pytest.mark.parametrize(("room", "reason"), FAULTY, ids=str)
def test_an_impossible_room_is_refused(folder, room, reason):
    with pytest.raises(InputError, match=reason):
        read_scene(scene(folder, room=room))


@pytest.mark.parametrize(
    ("shared", "reason"),
    [
        ({"loop": True}, "needs its length"),
        ({"loop": "yes"}, "true or false"),
        ({"seconds": -1}, "seconds must be"),
        ({"rate": 44_100.5}, "whole number"),
        ({"rate": 5}, "8,000"),
        ({"bit_depth": 12}, "bit_depth must be"),
        ({"seed": -1}, "whole number"),
        ({"hrtf": 3}, "name of a file"),
        ({"tags": {"title": 3}}, "tags must be"),
        ({"colour": "red"}, "'colour'"),
    ],
    ids=str,
)
def test_what_a_scene_cannot_have_is_refused_with_its_file(folder, shared, reason):
    path = scene(folder, **shared)
    with pytest.raises(InputError, match=reason) as refused:
        read_scene(path)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (MONO | {"loop": True}, "needs a length"),
        (MONO | {"binaural": True}, "binaural sound has two"),
        (MONO | {"trajectory": [{"time": 0, "azimuth": 3}, {"time": 1}]}, "point 2"),
        (MONO | {"trajectory": []}, "no points"),
        (MONO | {"length": 0}, "0.01"),
    ],
    ids=str,
)
def test_what_a_source_cannot_have_is_refused_with_its_number(folder, entry, reason):
    with pytest.raises(InputError, match="source 1") as refused:
        read_scene(scene(folder, entry))
    assert reason in str(refused.value)


def test_a_scene_has_a_head_that_is_turned(folder):
    listener = {"yaw": 30, "pitch": -10, "x": 0.5}
    found = read_scene(scene(folder, MONO | {"azimuth": 50}, listener=listener))
    position, orientation = found.listener.at(np.zeros(1))
    np.testing.assert_allclose(position, [[0.5, 0, 0]])
    np.testing.assert_allclose(orientation, from_angles(np.array([[30.0, -10.0, 0.0]])))
    (seen,) = found.seen
    expected = seen_from_head(constant(50).positions, position, orientation)
    np.testing.assert_allclose(to_spherical(seen.positions_at(np.zeros(1))), expected)


def test_a_scene_has_a_head_that_walks(folder):
    points = [{"time": 0, "x": 0, "yaw": 0}, {"time": 2, "x": 1, "yaw": 90}]
    (folder / "pose.csv").write_text("time,x,yaw\n0,0,0\n2,1,90\n")
    for trajectory in (points, "pose.csv"):
        found = read_scene(scene(folder, listener={"trajectory": trajectory})).listener
        pose = found.at(np.array([1.0]))
        np.testing.assert_allclose(pose.positions, [[0.5, 0, 0]])
        np.testing.assert_allclose(pose.orientations, from_angles(np.array([[45.0, 0, 0]])))


def test_with_a_listener_a_source_may_stand_in_the_origin(folder):
    here = MONO | {"trajectory": [{"time": 0, "x": 0, "y": 0, "z": 0}]}
    assert read_scene(scene(folder, here, listener={"x": 1})).seen[0].min_distance == 1
    with pytest.raises(InputError, match="source 1: trajectory, point 1: the source is 0 m"):
        read_scene(scene(folder, here))


def test_the_head_of_the_user_takes_the_place_of_that_of_a_scene(folder):
    path = scene(folder, listener={"yaw": 30})
    (job,) = plan_jobs([path], None, TrajectoryOptions()).jobs
    assert job.scene().listener is not None
    own = ListenerOptions(yaw=-60)
    (job,) = plan_jobs([path], None, TrajectoryOptions(), listener=own).jobs
    found = job.scene().listener.at(np.zeros(1)).orientations
    np.testing.assert_allclose(found, from_angles(np.array([[-60.0, 0, 0]])))


@pytest.mark.parametrize(
    ("listener", "reason"),
    [
        (30, "a listener is an object such as"),
        ({}, "a listener is an object such as"),
        ({"azimuth": 30}, "unknown 'azimuth'; known: trajectory, yaw"),
        ({"yaw": "left"}, "yaw must be -360 to 360"),
        ({"x": 1001}, "x must be -1000 to 1,000"),
        ({"trajectory": "pose.csv", "yaw": 3}, "has a trajectory and yaw"),
        ({"trajectory": 3}, "trajectory must be the name of a file"),
        ({"trajectory": "nowhere.csv"}, "nowhere.csv: cannot be read"),
        ({"trajectory": [{"time": 0, "radius": 1}]}, "listener, point 1: unknown 'radius'"),
        ({"x": 1.5}, "mono.wav: At 0 s the source is 0 m"),
    ],
)
def test_an_impossible_head_is_refused_with_the_scene(folder, listener, reason):
    path = scene(folder, listener=listener)
    with pytest.raises(InputError, match=re.escape(reason)) as refused:
        read_scene(path)
    assert str(refused.value).startswith(str(path))


def test_sounds_in_memory_stand_for_files_and_the_text_is_read_again(folder):
    content = {"sources": [MONO | {"azimuth": 30.5, "gain": -3.25}], "seconds": 1.5, "seed": 3}
    assert json.loads(scene_text(content)) == content
    inside = scene_from(content, "it", folder=Path(), sounds={"mono.wav": Audio(NOISE[:1], RATE)})
    (folder / "text.json").write_text(scene_text(content))
    outside = read_scene(folder / "text.json")
    assert inside.options == outside.options
    assert inside.sources[0].sound.name == "mono.wav"
    blocks = [next(each.sources[0].blocks(RATE)) for each in (inside, outside)]
    assert np.array_equal(*blocks)


def test_options_of_the_user_come_before_those_of_the_scene(folder, tmp_path):
    room = {"size": [6, 4, 3], "rt60": 0.2}
    path = scene(folder, MONO | {"azimuth": 60}, hrtf="head.sofa", room=room, rate=16_000)
    (job,) = plan_jobs([path], tmp_path / "a.wav", TrajectoryOptions()).jobs
    other = ShoeBox((5.0, 5.0, 3.0), 0.3)
    work = BinauralWork(options=RenderOptions(room=other, seed=5))
    assert work.options_of(job.scene()) == RenderOptions(str(folder / "head.sofa"), other, seed=5)
    report = BinauralWork().load()(job, lambda share: None)
    assert (report.rate, report.encoding) == (16_000, "FLOAT")
    assert BinauralWork(rate=RATE, bit_depth="16", overwrite=True).load()(
        job, lambda share: None
    ).encoding == "PCM_16"  # fmt: skip


def test_tags_of_a_scene_are_those_of_its_file(folder, tmp_path):
    from soundstage.binaural import HrtfRenderer

    found = read_scene(scene(folder, MONO, MONO, tags={"title": "Two noises"}))
    report = render_file(found, tmp_path / "a.wav", HrtfRenderer(sphere_head(grid(45), rate=RATE)))
    assert read_metadata(tmp_path / "a.wav").tag("title") == "Two noises"
    assert (report.carried, report.not_carried) == (("1 tag",), ())


def test_the_bit_depth_of_a_scene_is_that_of_its_file(folder, tmp_path):
    from soundstage.binaural import HrtfRenderer

    renderer = HrtfRenderer(sphere_head(grid(45), rate=RATE))
    found = read_scene(scene(folder, bit_depth="24"))
    for name, encoding in {"a.wav": "PCM_24", "a.flac": "PCM_24", "a.ogg": "VORBIS"}.items():
        assert render_file(found, tmp_path / name, renderer).encoding == encoding
    assert render_file(found, tmp_path / "b.wav", renderer, bit_depth="16").encoding == "PCM_16"
