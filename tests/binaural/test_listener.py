"""A head that turns and walks."""

import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sounds import decibels, noise
from soundstage.audio import Audio
from soundstage.binaural import (
    HrtfRenderer,
    Listener,
    Scene,
    SeenTrajectory,
    ShoeBox,
    Source,
    Trajectory,
    constant,
    orbit,
    seen_from_head,
    sources_of,
)
from soundstage.binaural.geometry import SPEED_OF_SOUND, from_angles
from soundstage.binaural.listener import seen_by
from soundstage.binaural.mixing import BinauralMix
from soundstage.binaural.pose_trajectory import PointError
from soundstage.binaural.render.ambisonic_renderer import AmbisonicRenderer
from soundstage.binaural.render.propagation import arrivals
from soundstage.binaural.render.warp import WarpRenderer
from soundstage.binaural.renderers import render
from soundstage.errors import OptionError
from spheres import RATE, grid, sphere_head

HRTF = sphere_head(grid(15))
ROOM = ShoeBox((7.0, 6.0, 3.0), 0.2, (3.0, 2.5, 1.5))
SOUND = noise(30_000).numpy()
SECONDS = SOUND.size / RATE
LINE = Trajectory(
    np.array([0.0, 0.4, 0.8]),
    np.array([[2.0, 0.5, 0.0], [-0.5, 1.0, 0.3], [1.0, -1.0, 0.0]]),
    from_angles(np.array([[10.0, 0, 0], [50.0, 0, 0], [60.0, 10, 5]])),
)
CIRCLE = replace(orbit(0.8, 1.0, radius=1.2), orientations=None)
PATHS = {"static": constant(40, 10, 1.1), "line": LINE, "orbit": CIRCLE}


@cache
def renderer(name: str):
    if name == "warp":
        return WarpRenderer()
    if name == "ambisonic":
        return AmbisonicRenderer(3)
    options = {
        "interpolated": {},
        "nearest": {"nearest": True, "talker": True},
        "talker": {"talker": True, "air": True},
        "room": {"room": ROOM},
    }
    return HrtfRenderer(HRTF, **options[name])


def turned(path: Trajectory, yaw: float) -> Trajectory:
    """The trajectory turned to the left about the origin."""
    rotation = Rotation.from_euler("z", yaw, degrees=True)
    orientations = path.at(path.times).orientations
    return replace(
        path,
        positions=rotation.apply(np.array(path.positions)),
        orientations=(rotation * Rotation.from_quat(orientations)).as_quat(),
    )


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """In dB of the other, where both sound."""
    frames = min(one.shape[1], other.shape[1])
    return decibels(one[:, :frames] - other[:, :frames], other)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["interpolated", "nearest", "talker", "warp", "ambisonic"])
def test_a_turned_head_equals_sources_turned_the_other_way(path: str, name: str) -> None:
    seen = SeenTrajectory(PATHS[path], Listener.turned(yaw=30))
    found = render(SOUND, seen, RATE, renderer(name))
    expected = render(SOUND, turned(PATHS[path], -30), RATE, renderer(name))
    assert found.shape == expected.shape
    assert difference(found, expected) < -100


@pytest.mark.parametrize("name", ["interpolated", "talker", "warp", "ambisonic"])
def test_a_turning_head_equals_a_source_that_orbits_the_other_way(name: str) -> None:
    times = np.linspace(0, 1, 4)
    yaws = from_angles(np.array([[120.0 * k, 0, 0] for k in range(4)]))
    head = Listener(times, np.zeros((4, 3)), yaws)
    # The orientation of the source turns with the scene: towards the head, as at the start
    facing = from_angles(np.array([[180.0 - 120 * k, 0, 0] for k in range(4)]))
    spherical = np.array([[-120.0 * k, 0, 1.5] for k in range(4)])
    around = Trajectory.from_spherical(times, spherical, facing)
    ahead = Trajectory(np.zeros(1), np.array([[1.5, 0, 0]]), facing[:1])
    found = render(SOUND, SeenTrajectory(ahead, head), RATE, renderer(name))
    assert difference(found, render(SOUND, around, RATE, renderer(name))) < -80


def test_walking_towards_a_source_equals_being_approached_by_it() -> None:
    """Exactly, where the source is at its emission as far as the head is at reception."""
    start, speed, nearest = 4.0, 2.0, 3.0
    end = (start - nearest) / speed
    head = Listener(np.array([0.0, end]), np.array([[0.0, 0, 0], [start - nearest, 0, 0]]))
    seen = SeenTrajectory(constant(0, radius=start), head)
    assert seen.min_distance == nearest
    times = np.array([0.0, end])
    distances = start - speed * times
    emitted = times - (distances - nearest) / SPEED_OF_SOUND
    source = Trajectory(emitted, distances[:, None] * np.array([1.0, 0, 0]))
    found = render(SOUND, seen, RATE, renderer("interpolated"))
    assert difference(found, render(SOUND, source, RATE, renderer("interpolated"))) < -100


def test_a_walking_head_has_the_doppler_shift_of_a_moving_observer() -> None:
    head = Listener(np.array([0.0, 1.0]), np.array([[0.0, 0, 0], [30.0, 0, 0]]))
    times = np.array([0.2, 0.8])
    arrived = arrivals(constant(0, radius=40).positions_at, times, 10.0, head)
    heard = np.diff(times) / np.diff(arrived.emitted)
    assert 1 / heard == pytest.approx(1 + 30 / SPEED_OF_SOUND, abs=1e-9)
    assert arrived.distances == pytest.approx([34.0, 16.0])


@pytest.mark.parametrize("path", ["static", "line"])
def test_a_head_elsewhere_equals_a_room_with_its_listener_there(path: str) -> None:
    shift = np.array([0.8, -0.6, 0.2])
    seen = SeenTrajectory(PATHS[path], Listener.turned(position=shift))
    moved = ShoeBox(ROOM.size, ROOM.rt60, tuple(np.array(ROOM.listener) + shift))
    source = PATHS[path]
    shifted = Trajectory(source.times, source.positions - shift, source.orientations)
    found = render(SOUND, seen, RATE, renderer("room"))
    expected = render(SOUND, shifted, RATE, HrtfRenderer(HRTF, room=moved))
    assert difference(found, expected) < -100


def test_in_a_room_the_images_turn_with_the_head() -> None:
    """A room with two equal sides, seen after a quarter turn."""
    room = ShoeBox((5.0, 5.0, 3.0), 0.2, (2.0, 3.0, 1.5))
    quarter = ShoeBox((5.0, 5.0, 3.0), 0.2, (3.0, 3.0, 1.5))  # turned to the right about its center
    seen = SeenTrajectory(constant(20), Listener.turned(yaw=90))
    found = render(SOUND, seen, RATE, HrtfRenderer(HRTF, room=room, seed=1))
    expected = render(SOUND, constant(-70), RATE, HrtfRenderer(HRTF, room=quarter, seed=1))
    # The share of late reverberation is computed to 0.001
    assert difference(found, expected) < -60


def test_the_walls_keep_a_head_inside() -> None:
    head = Listener(np.array([0.0, 2.0, 4.0]), np.array([[0, 0, 0], [3.89, 0, 0], [3.95, 0, 0]]))
    seen = SeenTrajectory(constant(90), head)
    with pytest.raises(
        PointError, match=r"at 4 s the head is at \(3\.95, .* stay 0\.1 m"
    ) as refused:
        renderer("room").stream(seen, RATE)
    assert refused.value.point == 2


def test_block_sizes_do_not_matter_to_a_walking_head() -> None:
    angles = np.array([[0.0, 0, 0], [90.0, 20, 0]])
    head = Listener(np.array([0.0, 0.6]), np.array([[0, 0, 0], [0, 1, 0]]), from_angles(angles))
    seen = SeenTrajectory(LINE, head)
    whole = render(SOUND, seen, RATE, renderer("room"))
    stream = renderer("room").stream(seen, RATE)
    parts = [stream.push(block) for block in np.array_split(SOUND, 7)]
    np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()], axis=-1), whole)


@given(
    yaw=st.floats(-180, 180), pitch=st.floats(-90, 90), roll=st.floats(-180, 180),
    place=st.tuples(*3 * [st.floats(-1, 1)]),
)  # fmt: skip
def test_positions_are_those_that_the_head_sees(yaw, pitch, roll, place) -> None:
    head = Listener.turned(yaw, pitch, roll, position=np.array(place))
    source = constant(60, 20, 3.0)
    seen = SeenTrajectory(source, head)
    pose = head.at(np.zeros(1))
    expected = seen_from_head(source.positions, pose.positions, pose.orientations)
    found = seen_from_head(seen.positions_at(np.zeros(1)))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert seen.min_distance == pytest.approx(expected[0, 2])
    assert seen.max_distance >= expected[0, 2]


@given(seed=st.integers(0, 1000))
def test_the_smallest_distance_agrees_with_fine_sampling(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 4, 4))
    head = Listener(times, rng.uniform(-0.3, 0.3, (4, 3)))
    angles = np.cumsum(rng.uniform(-150, 150, 5))
    source = Trajectory.from_spherical(
        np.arange(5.0), np.stack([angles, rng.uniform(-60, 60, 5), rng.uniform(1, 3, 5)], axis=1)
    )
    seen = SeenTrajectory(source, head)
    fine = np.linalg.norm(seen.positions_at(np.linspace(0, 4, 100_001)), axis=1)
    assert seen.min_distance == pytest.approx(fine.min(), abs=1e-4)
    assert seen.max_distance >= fine.max()


@pytest.mark.parametrize(
    ("head", "what"),
    [
        ([[0, 0, 0], [3, 0, 0]], r"At 1\.333 s the source is 0 m"),
        ([[0, 0, 0], [-999, 0, 0]], r"At 2 s the source is 1,001 m"),
    ],
)
def test_a_head_that_walks_into_a_source_or_too_far_away_is_refused(head, what) -> None:
    listener = Listener(np.array([0.0, 2.0]), np.array(head, float))
    with pytest.raises(OptionError, match=what):
        SeenTrajectory(Trajectory(np.array([0.0, 2]), np.array([[2.0, 0, 0], [2, 0, 0]])), listener)


def test_a_source_may_stand_in_the_origin_that_the_head_has_left() -> None:
    origin = Trajectory(np.zeros(1), np.zeros((1, 3)), around_head=False)
    seen = seen_by(Listener.turned(position=np.array([1.0, 0, 0])), origin)
    np.testing.assert_allclose(seen.positions_at(np.zeros(1)), [[-1, 0, 0]])
    with pytest.raises(OptionError, match="0 m from the center of the head"):
        seen_by(None, origin)
    with pytest.raises(OptionError, match="0 m from the center of the head"):
        Trajectory(np.zeros(1), np.zeros((1, 3)))


def test_times_of_a_head_count_from_the_start_of_the_scene() -> None:
    audio = Audio(SOUND, RATE)
    angles = np.array([[0.0, 0, 0], [120.0, 0, 0]])
    head = Listener(np.array([0.1, 0.5]), np.zeros((2, 3)), from_angles(angles))
    late = Scene(sources_of(audio, constant(90), start=0.25), listener=head)
    found = np.concatenate(list(BinauralMix(late, renderer("interpolated")).blocks()), axis=-1)
    start = round(0.25 * RATE)
    earlier = SeenTrajectory(constant(90), head.delayed(-0.25))
    expected = render(SOUND, earlier, RATE, renderer("interpolated"))
    np.testing.assert_array_equal(found[:, start : start + SOUND.size], expected[:, : SOUND.size])


def test_a_scene_names_the_sound_that_the_head_walks_into() -> None:
    head = Listener(np.array([0.0, 1.0]), np.array([[0.0, 0, 0], [1.5, 0, 0]]))
    sources = sources_of(Audio(SOUND, RATE), constant(0))
    with pytest.raises(OptionError, match=r"^The sound: At 1 s the source is 0 m"):
        Scene(sources, listener=head)


def test_binaural_sounds_do_not_turn_with_the_head() -> None:
    ears = Audio(np.stack([SOUND, 0.5 * SOUND]), RATE)
    (stereo, _) = sources_of(ears)
    source = Source(stereo.sound, constant(0), is_binaural=True)
    scene = Scene([source], listener=Listener.turned(yaw=90))
    found = np.concatenate(list(BinauralMix(scene, renderer("warp")).blocks()), axis=-1)
    np.testing.assert_array_equal(found, ears.samples)


def test_a_head_survives_being_sent_to_another_process() -> None:
    seen = pickle.loads(pickle.dumps(SeenTrajectory(LINE, Listener.turned(10, 20, 30))))
    times = np.linspace(0, 1, 5)
    expected = SeenTrajectory(LINE, Listener.turned(10, 20, 30)).at(times)
    np.testing.assert_array_equal(seen.at(times).positions, expected.positions)
    np.testing.assert_array_equal(seen.at(times).orientations, expected.orientations)


def test_impossible_heads_are_refused() -> None:
    with pytest.raises(OptionError, match="finite"):
        Listener.turned(yaw=np.nan)
    with pytest.raises(PointError, match="1,000 m"):
        Listener.turned(position=np.array([0.0, 0, 1001]))
    with pytest.raises(PointError, match="not later"):
        Listener(np.zeros(2), np.zeros((2, 3)))
