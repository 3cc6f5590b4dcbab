from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve, firwin

from sounds import cut, decibels, noise, tone
from soundstage.binaural import (
    HrtfInterpolator,
    HrtfRenderer,
    ShoeBox,
    Trajectory,
    constant,
    fly_by,
    orbit,
    to_spherical,
)
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.render.moving_stream import CHUNK
from soundstage.binaural.renderers import render
from soundstage.errors import OptionError
from spheres import RATE, grid, sphere_head, spread

HRTF = sphere_head(grid(15))
ROOM = ShoeBox((6.0, 4.0, 3.0), 0.25)
SOUND = noise(30_000).numpy()
TRAJECTORIES = {
    "static": constant(40, 10, 1.5),
    "orbit": orbit(2, 3, radius=1.2),
    "fly-by": fly_by(3, 0.5, 1),
}


@cache
def renderer(*, room: bool = False, **options) -> HrtfRenderer:
    return HrtfRenderer(HRTF, room=ROOM if room else None, **options)


def almost_static(position: np.ndarray) -> Trajectory:
    """A movement of a nanometer, rendered by the time-varying parts."""
    return Trajectory(np.array([0.0, 1e4]), np.stack([position, position * (1 + 1e-9)]))


@pytest.mark.parametrize("number", [0, 37])
@pytest.mark.parametrize("nearest", [False, True])
def test_a_measured_direction_is_a_convolution_with_its_response(number, nearest) -> None:
    position = 1.5 * HRTF.directions[number]
    found = render(SOUND, constant(*to_spherical(position)), RATE, renderer(nearest=nearest))
    expected = fftconvolve(SOUND[None], HRTF.responses[number], axes=-1)
    assert decibels(found[:, : expected.shape[1]] - expected, expected) < -110
    assert np.abs(found[:, expected.shape[1] :]).max() < 1e-6


@pytest.mark.parametrize("room", [False, True])
@pytest.mark.parametrize(
    ("direction", "allowed"),
    # Between measurements the gains of the magnitude correction ring, and are truncated
    [(HRTF.directions[37], -85), (spread(20)[7], -60)],
)
def test_a_hardly_moving_source_equals_a_static_one(room: bool, direction, allowed: float) -> None:
    position = 1.5 * direction
    faded = SOUND * np.hanning(SOUND.size)
    low = fftconvolve(faded, firwin(301, 0.8), "same")  # the delay line is accurate up to 0.9
    moving = render(low, almost_static(position), RATE, renderer(room=room))
    static = render(low, constant(*to_spherical(position)), RATE, renderer(room=room))
    shorter = min(moving.shape[1], static.shape[1])
    assert decibels(moving[:, :shorter] - static[:, :shorter], static) < allowed


@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("options", [{}, {"room": True, "air": True}, {"nearest": True}])
@settings(max_examples=4)
@given(cuts=st.lists(st.integers(0, SOUND.size), max_size=5))
def test_block_sizes_do_not_matter(name, options, cuts) -> None:
    stream = renderer(**options).stream(TRAJECTORIES[name], RATE)
    parts = [stream.push(block) for block in cut(SOUND, cuts)]
    found = np.concatenate([*parts, stream.finish()], axis=-1)
    assert found.shape[1] == SOUND.size + stream.tail
    assert np.array_equal(found, whole(name, **options))


@cache
def whole(name: str, **options) -> np.ndarray:
    return render(SOUND, TRAJECTORIES[name], RATE, renderer(**options))


def test_output_is_returned_within_two_chunks() -> None:
    stream = renderer(room=True).stream(TRAJECTORIES["orbit"], RATE)
    assert stream.push(np.zeros(5 * CHUNK)).shape[1] >= 3 * CHUNK


def test_no_input_gives_no_output() -> None:
    assert renderer().stream(TRAJECTORIES["orbit"], RATE).finish().shape == (2, 0)


@pytest.mark.parametrize("options", [{}, {"nearest": True}])
def test_a_mirrored_trajectory_swaps_the_ears(options) -> None:
    left = Trajectory(np.array([0.0, 1.0]), np.array([[1.0, 0.5, 0.2], [-0.7, 1.0, -0.3]]))
    right = Trajectory(left.times, left.positions * [1, -1, 1])
    one, other = (render(SOUND, path, RATE, renderer(**options)) for path in (left, right))
    assert decibels(one - other[::-1], one) < -90


def test_early_reflections_are_symmetric() -> None:
    made = HrtfRenderer(HRTF, room=ShoeBox((6, 4, 3), 0.25), seed=3)
    soon = round(0.006 * RATE)  # before the late reverberation
    click = np.eye(1, 64)[0]
    one, other = (
        render(click, constant(azimuth, 0, 1.2), RATE, made)[:, : soon + 200]
        for azimuth in (50, -50)
    )
    assert decibels(one[:, :soon] - other[::-1, :soon], one) < -80


def splatter(sound: np.ndarray) -> float:
    """Largest sample above 4 kHz over the largest of all, in dB."""
    high = firwin(801, 4000, fs=RATE, pass_zero=False, window=("kaiser", 10.0))
    above = fftconvolve(sound, high[None], "same", axes=-1)[:, 6000:-6000]
    return 20 * np.log10(np.abs(above).max() / np.abs(sound).max())


@pytest.mark.parametrize("hertz", [500.0, 2000.0])
def test_moving_a_source_adds_no_clicks(hertz: float) -> None:
    """A tone has no energy above its frequency, unlike any discontinuity of a filter."""
    sound = tone(RATE, hz=hertz).numpy() * np.hanning(RATE)
    static = splatter(render(sound, constant(20), RATE, renderer()))
    moving = splatter(render(sound, orbit(4, 1, start_azimuth=3), RATE, renderer()))
    assert moving < max(static + 1, -88)


def test_a_moving_impulse_has_the_hrtf_of_its_direction() -> None:
    """Impulses on an orbit, compared with the interpolated HRTFs of their directions."""
    path, every = orbit(12, 2, radius=1.5), 4096
    starts = np.arange(every, 60_000, every)
    pulses = np.zeros(62_000)
    band = firwin(255, 0.75)
    pulses[starts] = 1
    found = render(fftconvolve(pulses, band, "same"), path, RATE, renderer())
    interpolator = HrtfInterpolator(HRTF)
    for each in starts:
        direction = path.positions_at(np.array([each / RATE]))
        response = interpolator.responses(direction)[0]
        expected = fftconvolve(response, band[None], axes=-1)
        impulse = found[:, each - 127 : each - 127 + expected.shape[1]]
        assert decibels(impulse - expected, expected) < -45  # it moves by 0.1 degrees meanwhile


def test_a_passing_tone_has_doppler_shift() -> None:
    speed, hertz = 30.0, 1000.0
    sound = tone(2 * RATE, hz=hertz, level=0.3).numpy()
    ears = render(sound, fly_by(speed, 1.0, 2.0), RATE, renderer())[0]
    for start, sign in ((0, 1), (1.6, -1)):
        part = ears[round(start * RATE) :][: RATE // 4]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(part.size), 1 << 18))
        found = spectrum.argmax() * RATE / (1 << 18)
        expected = hertz / (1 - sign * speed / SPEED_OF_SOUND)
        assert found == pytest.approx(expected, abs=1.5)


def test_level_and_delay_follow_the_distance() -> None:
    near, far = 1.5, 1.5 + SPEED_OF_SOUND / 10
    click = np.eye(1, 16)[0]
    made = renderer()
    one = made.stream(constant(0, 0, near), RATE)
    other = made.stream(constant(0, 0, far), RATE, no_delay=near)
    first, second = (np.concatenate([each.push(click), each.finish()], 1) for each in (one, other))
    assert np.abs(second).argmax() % second.shape[1] - np.abs(first).argmax() % first.shape[
        1
    ] == pytest.approx(RATE / 10, abs=1)
    assert np.abs(second).max() / np.abs(first).max() == pytest.approx(near / far, rel=1e-3)


def test_a_single_distant_source_starts_without_delay() -> None:
    sound = np.eye(1, 16)[0]
    near, far = (render(sound, constant(0, 0, r), RATE, renderer()) for r in (1.5, 300))
    assert np.abs(near[0]).argmax() == np.abs(far[0]).argmax()


def test_air_absorbs_treble() -> None:
    def treble(**options) -> float:
        ears = render(SOUND, constant(0, 0, 100), RATE, renderer(**options))[0]
        power = np.abs(np.fft.rfft(ears, 1 << 16)) ** 2
        return 10 * np.log10(power[11_000:13_000].sum() / power[1000:1500].sum())

    assert treble(air=True) < treble() - 8  # 100 m at 8 kHz: 10 dB


def test_the_room_has_the_requested_reverberation_time() -> None:
    click = np.eye(1, 64)[0]
    ears = render(click, constant(30, 0, 1.2), RATE, renderer(room=True))
    energy = (ears.astype(float) ** 2).sum(axis=0)
    decay = 10 * np.log10(energy[::-1].cumsum()[::-1] / energy.sum())
    fast, slow = (int((decay < level).argmax()) for level in (-10, -35))
    assert 60 / 25 * (slow - fast) / RATE == pytest.approx(0.25, rel=0.15)


def test_the_seed_changes_the_late_reverberation_only() -> None:
    click = np.eye(1, 64)[0]
    one, same, other = (
        render(click, constant(30, 0, 1.2), RATE, HrtfRenderer(HRTF, room=ROOM, seed=seed))
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    soon = round(0.004 * RATE)
    np.testing.assert_allclose(one[:, :soon], other[:, :soon], atol=1e-6)


def test_levels_do_not_depend_on_the_sample_rate() -> None:
    rate, hertz = 32_000, 1500.0
    loud = {}
    for each in (rate, RATE):
        sound = tone(each // 2, hz=hertz, rate=each).numpy()
        loud[each] = render(sound, constant(70), each, renderer())[:, each // 8 :].std(axis=1)
    np.testing.assert_allclose(loud[rate], loud[RATE], rtol=0.05)


def test_a_source_outside_of_the_room_is_refused() -> None:
    with pytest.raises(OptionError, match="walls of the room"):
        renderer(room=True).stream(constant(90, 0, 2.5), RATE)
