from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve, firwin

from sounds import cut, decibels, noise
from soundstage.ambisonics.encoding import control_points, encode
from soundstage.ambisonics.harmonics import harmonics
from soundstage.binaural import HrtfRenderer, ShoeBox, Trajectory, constant, fly_by, orbit
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.listener import Listener, seen_by
from soundstage.binaural.render.ambisonic_renderer import AmbisonicRenderer
from soundstage.binaural.render.delay_line import DelayLine
from soundstage.binaural.render.moving_field import EncodedImages
from soundstage.binaural.render.moving_source import Images
from soundstage.binaural.render.moving_stream import CHUNK
from soundstage.binaural.render.propagation import DistanceModel, arrivals
from soundstage.binaural.renderers import render
from soundstage.binaural.room.absorption import AbsorptionFilters
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.errors import OptionError
from spheres import RATE, grid, sphere_head

ROOM = ShoeBox((6.0, 4.0, 3.0), 0.25, (2.5, 1.8, 1.4))
SOUND = fftconvolve(noise(30_000).numpy(), firwin(301, 0.8), "same")  # the delay line is
# accurate up to 0.9 of half the rate
CLICK = np.eye(1, 64)[0]
LEAD = 8  # frames that interpolated responses need before their peak
TRAJECTORIES = {
    "static": constant(40, 10, 1.7),
    "orbit": orbit(2, 3, radius=1.6, elevation=20),
    "fly-by": fly_by(3, 1.2, 1),
}


@cache
def renderer(order: int = 3, *, room: bool = False, **options) -> AmbisonicRenderer:
    return AmbisonicRenderer(order, room=ROOM if room else None, **options)


def angles(field: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Degrees between the intensity of a field and directions, over frames that are not silent."""
    loud = np.abs(field[0]) > 0.1 * np.abs(field[0]).max()
    intensity = (field[0] * field[[3, 1, 2]]).T[loud]
    cosines = (intensity * directions[loud]).sum(axis=1)
    return np.degrees(np.arccos((cosines / np.linalg.norm(intensity, axis=1)).clip(-1, 1)))


def omnidirectional(*, lead: int = 0, room: ShoeBox | None = None) -> HrtfRenderer:
    """Ears without a head in one place, with frames before the peak of their response."""
    towards = grid(45)
    responses = np.zeros((len(towards), 2, 32), np.float32)
    responses[..., lead] = 1
    ears = replace(sphere_head(towards), responses=responses, delays=np.zeros((len(towards), 2)))
    return HrtfRenderer(ears, room=room)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_moving_source_is_encoded_in_its_direction(order: int) -> None:
    path = orbit(1.3, 3, radius=1.5, elevation=20)  # at a constant distance: no Doppler shift
    field = render(SOUND, path, RATE, renderer(order))[:, : SOUND.size]
    expected = SOUND * harmonics(path.positions_at(np.arange(SOUND.size) / RATE), order).T
    assert decibels(field - expected, expected) < -90


@pytest.mark.parametrize("distance", [0.3, 0.8])
def test_a_near_source_has_curved_wavefronts(distance: float) -> None:
    path = orbit(4, 3, radius=distance)
    field = render(SOUND, path, RATE, renderer())[:, : SOUND.size]
    positions = path.positions_at(control_points(SOUND.size) / RATE)
    expected = 1.5 / distance * encode(SOUND, positions, 3, rate=RATE)
    assert decibels(field - expected, expected) < -70


def test_w_of_a_source_at_rest_is_its_sound_to_the_bit() -> None:
    sound = SOUND.astype(np.float32)
    assert np.array_equal(render(sound, constant(70, 20, 1.5), RATE, renderer())[0], sound)


@pytest.mark.parametrize("distance", [1.7, 0.4])
@pytest.mark.parametrize("options", [{}, {"room": True}, {"talker": True}, {"air": True}])
def test_a_hardly_moving_source_equals_one_at_rest(options, distance: float) -> None:
    position = constant(40, 10, distance).positions[0]
    path = Trajectory(np.array([0.0, 1e4]), np.stack([position, position * (1 + 1e-9)]))
    sound = SOUND * np.hanning(SOUND.size)
    moving = render(sound, path, RATE, renderer(2, **options))
    static = render(sound, constant(40, 10, distance), RATE, renderer(2, **options))
    shorter = min(moving.shape[1], static.shape[1])
    assert decibels(moving[:, :shorter] - static[:, :shorter], static) < -100


@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("options", [{}, {"room": True, "air": True}])
@settings(max_examples=3, deadline=None)
@given(cuts=st.lists(st.integers(0, SOUND.size), max_size=4))
def test_block_sizes_do_not_matter(name: str, options, cuts) -> None:
    stream = renderer(1, **options).stream(TRAJECTORIES[name], RATE)
    parts = [stream.push(block) for block in cut(SOUND, cuts)]
    field = np.concatenate([*parts, stream.finish()], axis=-1)
    assert np.array_equal(field, whole(name, **options))


@cache
def whole(name: str, **options) -> np.ndarray:
    return render(SOUND, TRAJECTORIES[name], RATE, renderer(1, **options))


def test_intensity_follows_a_source_that_passes() -> None:
    path = fly_by(20, 2, 0.6)
    field = render(SOUND, path, RATE, renderer(1))[:, 100 : SOUND.size - 100]
    times = np.arange(100, SOUND.size - 100) / RATE
    heard = arrivals(path.positions_at, times, path.min_distance)
    directions = heard.positions / heard.distances[:, None]
    assert angles(field, directions).max() < 0.1


def test_lower_channels_do_not_depend_on_the_order() -> None:
    low, high = (
        render(SOUND, TRAJECTORIES["fly-by"], RATE, renderer(order, room=True)) for order in (1, 3)
    )
    assert decibels(low - high[:4], low) < -120


def test_a_head_that_turns_is_a_scene_that_turns_the_other_way() -> None:
    turned = seen_by(Listener.turned(yaw=30), constant(50, 10, 1.7))
    one = render(SOUND, turned, RATE, renderer(room=True))
    early = round(0.01 * RATE)
    free = render(SOUND, turned, RATE, renderer())
    other = render(SOUND, constant(20, 10, 1.7), RATE, renderer())
    assert decibels(free - other, free) < -120
    still = render(SOUND, constant(50, 10, 1.7), RATE, renderer(room=True))
    assert decibels(one[0, early:] - still[0, early:], one[0]) < -100  # W does not turn


def test_w_of_a_moving_source_is_what_ears_without_a_head_hear() -> None:
    path = TRAJECTORIES["fly-by"]
    field = render(SOUND, path, RATE, renderer(1))
    ears = render(SOUND, path, RATE, omnidirectional(lead=LEAD))[:, LEAD:]
    difference = field[0, : SOUND.size] - ears[0, : SOUND.size]
    assert decibels(difference, ears[0]) < -40  # interpolated responses are truncated


def test_w_in_a_room_is_what_ears_without_a_head_hear() -> None:
    path = constant(40, 10, 1.7)
    field = render(SOUND, path, RATE, renderer(1, room=True))
    ears = render(SOUND, path, RATE, omnidirectional(room=ROOM))
    assert decibels(field[0] - ears[0, : field.shape[1]], ears[0]) < -100


def test_every_reflection_comes_from_its_image() -> None:
    path, sources = constant(40, 10, 1.7), ImageSources(ROOM, 2)
    absorption = AbsorptionFilters(RATE, wall_gains=ROOM.reflection_gains, order=2)
    for image, position in enumerate(sources.positions(path.positions[0])):
        one = slice(image, image + 1)
        images = Images(sources.signs[one], sources.offsets[one], sources.reflections[one])
        part = EncodedImages(3, RATE, path, images, absorption, DistanceModel(1.7, 1.5))
        line = DelayLine()
        line.push(np.eye(1, CHUNK + 100, dtype=np.float32)[0])
        field = part.chunk(line, 0, CHUNK)
        assert np.abs(field - field[0] * harmonics(position, 3)[:, None]).max() < 1e-6
        delay = np.abs(field[0]).argmax() - (np.linalg.norm(position) - 1.7) / 343 * RATE
        assert 0 <= delay + 1 < 2


def test_late_reverberation_is_diffuse() -> None:
    response = render(CLICK, constant(40), RATE, renderer(3, room=True))
    late = response[:, round(0.05 * RATE) :]
    powers = 10 * np.log10((late**2).sum(axis=1))
    degrees = np.repeat(np.arange(4), 2 * np.arange(4) + 1)
    assert np.abs(powers - powers[0] + 10 * np.log10(2 * degrees + 1)).max() < 1
    correlation = np.abs(np.corrcoef(late) - np.eye(16))
    assert correlation.max() < 0.1


def test_the_direct_to_reverberant_ratio_is_that_of_a_diffuse_room() -> None:
    room = ShoeBox((8.0, 6.0, 4.0), 0.6, (3.0, 2.5, 1.6))
    distance = 2.0
    ratios = []
    for azimuth in (0, 60, 130, 250):
        response = render(
            CLICK, constant(azimuth, 0, distance), RATE, AmbisonicRenderer(1, room=room)
        )[0].astype(float)
        ratios.append((response[1:] ** 2).sum() / response[0] ** 2)
    # Reverberant over direct energy, from the arrival of the direct sound on (Barron 1988)
    decay = 0.6 / (6 * np.log(10))
    energy = 4 * np.pi * SPEED_OF_SOUND * decay / room.volume * distance**2
    expected = energy * np.exp(-distance / SPEED_OF_SOUND / decay)
    assert abs(10 * np.log10(np.mean(ratios) / expected)) < 1


def test_an_order_or_a_position_that_is_impossible_is_refused() -> None:
    with pytest.raises(OptionError, match="order"):
        AmbisonicRenderer(4)
    with pytest.raises(OptionError, match="walls"):
        renderer(room=True).stream(constant(0, 0, 5), RATE)
