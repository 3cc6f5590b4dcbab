import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve, firwin
from scipy.spatial.transform import Rotation

from sounds import cut, decibels, noise, tone
from soundstage.binaural import HrtfRenderer, ShoeBox, Trajectory, orbit
from soundstage.binaural.render.directivity import Directivity, talker_gains, towards_head
from soundstage.binaural.renderers import render
from soundstage.binaural.room.absorption import OCTAVE_BANDS
from soundstage.binaural.room.image_sources import ImageSources
from spheres import RATE, grid, sphere_head

HRTF = sphere_head(grid(15))
ROOM = ShoeBox((6.0, 4.0, 3.0), 0.25)
POSITION = np.array([1.2, 0.7, 0.1])
SOUND = noise(30_000).numpy()
# Monson, Hunter and Story (2012), normal speech, at 90 and 180 degrees in OCTAVE_BANDS
MEASURED = {
    90: [-1.6, -2.3, -1.6, -1.6, -7.0, -6.3, -8.7, -7.2],
    180: [-3.6, -5.1, -5.9, -6.3, -13.1, -18.9, -26.3, -26.7],
}


def facing(degrees):
    """Orientation of a talker at `POSITION`, rotated away from the head."""
    yaw = np.degrees(np.arctan2(-POSITION[1], -POSITION[0])) + np.asarray(degrees)
    pitch = np.degrees(np.arctan2(POSITION[2], np.hypot(*POSITION[:2])))  # a turn about y axes down
    angles = np.stack([yaw, np.full(yaw.shape, pitch)], axis=-1)
    return Rotation.from_euler("ZY", angles, degrees=True).as_quat()


def static(degrees):
    return Trajectory(np.zeros(1), POSITION[None], facing([degrees]))


def rotating(start, end, seconds=1.0):
    degrees = np.linspace(start, end, 1 + round(abs(end - start) / 90))
    times = np.linspace(0, seconds, degrees.size)
    return Trajectory(times, np.tile(POSITION, (degrees.size, 1)), facing(degrees))


def level(sound, hertz, rate=RATE):
    """Level of a third octave, in dB."""
    power = np.abs(np.fft.rfft(sound, axis=-1)) ** 2
    frequency = np.fft.rfftfreq(sound.shape[-1], 1 / rate)
    near = (frequency > hertz / 1.12) & (frequency < hertz * 1.12)
    return 10 * np.log10(power[..., near].sum())


@pytest.mark.parametrize("degrees", MEASURED)
def test_the_model_approximates_the_measurements(degrees) -> None:
    np.testing.assert_allclose(talker_gains(np.array(degrees)), MEASURED[degrees], atol=2.1)


def test_treble_is_attenuated_most_behind() -> None:
    ahead, behind = talker_gains(np.array([0.0, 180.0]))
    assert not ahead.any()
    assert (np.diff(behind) < 0).all()


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_filters_have_the_gains_of_the_model_and_minimum_phase(degrees: int) -> None:
    directivity = Directivity(RATE)
    response = directivity.filters[directivity.nearest(np.cos(np.deg2rad(degrees)))]
    turn = np.exp(-2j * np.pi * OCTAVE_BANDS[:, None] / RATE * np.arange(response.size))
    found = 20 * np.log10(np.abs(turn @ response))
    np.testing.assert_allclose(found[2:7], talker_gains(np.array(degrees))[2:7], atol=0.6)
    assert (response[:24] ** 2).sum() > 0.98 * (response**2).sum()


@given(st.integers(0, 2**32 - 1))
def test_an_image_radiates_along_the_reflected_path(seed: int) -> None:
    """Compared with mirroring the head instead of the talker."""
    generator = np.random.default_rng(seed)
    images = ImageSources(ROOM, 2)
    orientation = Rotation.random(rng=generator).as_quat()
    trajectory = Trajectory(np.zeros(1), POSITION[None], orientation[None])
    positions = images.positions(POSITION)
    found = towards_head(trajectory, np.zeros(len(positions)), positions, images.signs)
    heads = -images.offsets * images.signs  # where signs·s + offsets is 0
    paths = heads - POSITION
    axis = Rotation.from_quat(orientation).apply([1, 0, 0])
    np.testing.assert_allclose(found, paths @ axis / np.linalg.norm(paths, axis=1), atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"nearest": True}])
@pytest.mark.parametrize("hertz", [500.0, 4000.0])
def test_a_talker_who_faces_away_is_duller(options, hertz: float) -> None:
    renderer = HrtfRenderer(HRTF, talker=True, **options)
    ahead, behind = (render(SOUND, static(degrees), RATE, renderer) for degrees in (0, 180))
    expected = talker_gains(np.array(180))[np.searchsorted(OCTAVE_BANDS, hertz)]
    assert level(behind, hertz) - level(ahead, hertz) == pytest.approx(expected, abs=0.7)


@pytest.mark.parametrize("room", [None, ROOM])
@pytest.mark.parametrize("options", [{}, {"nearest": True}])
def test_an_omnidirectional_source_ignores_orientation(room, options) -> None:
    renderer = HrtfRenderer(HRTF, room=room, **options)
    assert np.array_equal(
        render(SOUND, static(0), RATE, renderer), render(SOUND, rotating(0, 180), RATE, renderer)
    )


def test_a_talker_who_faces_the_head_equals_an_omnidirectional_source() -> None:
    plain, talker = (
        render(SOUND, static(0), RATE, HrtfRenderer(HRTF, talker=talker))
        for talker in (False, True)
    )
    assert decibels(talker[:, : plain.shape[1]] - plain, plain) < -60


@pytest.mark.parametrize("room", [None, ROOM])
@pytest.mark.parametrize("options", [{"air": True}, {"nearest": True}])
def test_a_rotating_talker_changes_from_one_orientation_to_the_other(room, options) -> None:
    renderer = HrtfRenderer(HRTF, room=room, talker=True, **options)
    trajectory = rotating(0, 180, seconds=0.2)
    low = fftconvolve(SOUND, firwin(301, 0.8), "same")  # the delay line is accurate up to 0.9
    found = render(low, trajectory, RATE, renderer)
    start, end = (render(low, static(degrees), RATE, renderer) for degrees in (0, 180))
    last = slice(20_000, 28_000)
    first = slice(0, 1500)  # a rotation by 15 degrees
    assert decibels(found[:, first] - start[:, first], start[:, first]) < -20
    assert decibels(found[:, last] - end[:, last], end[:, last]) < -45
    assert decibels(found[:, last] - start[:, last], start[:, last]) > -10


@pytest.mark.parametrize("trajectory", [rotating(0, 180), orbit(2, 3, radius=1.2)])
@settings(max_examples=4)
@given(cuts=st.lists(st.integers(0, SOUND.size), max_size=5))
def test_block_sizes_do_not_matter(trajectory, cuts) -> None:
    renderer = HrtfRenderer(HRTF, room=ROOM, talker=True, reflections=1)
    stream = renderer.stream(trajectory, RATE)
    parts = [stream.push(block) for block in cut(SOUND, cuts)]
    found = np.concatenate([*parts, stream.finish()], axis=-1)
    assert np.array_equal(found, render(SOUND, trajectory, RATE, renderer))


def test_late_reverberation_has_the_mean_power_over_directions() -> None:
    click = np.eye(1, 64)[0]
    late = slice(round(0.08 * RATE), round(0.2 * RATE))
    plain = render(click, static(0), RATE, HrtfRenderer(HRTF, room=ROOM))[:, late]
    renderer = HrtfRenderer(HRTF, room=ROOM, talker=True)
    one, other = (render(click, static(degrees), RATE, renderer)[:, late] for degrees in (0, 180))
    np.testing.assert_allclose(one, other, atol=1e-7)
    angles = np.arange(0.0, 180.5, 0.5)
    shares = np.sin(np.deg2rad(angles))
    power = 10 ** (talker_gains(angles) / 10)
    for band in (2, 4, 6):
        expected = 10 * np.log10(shares @ power[:, band] / shares.sum())
        hertz = OCTAVE_BANDS[band]
        assert level(one, hertz) - level(plain, hertz) == pytest.approx(expected, abs=0.7)


@pytest.mark.parametrize("hertz", [500.0, 2000.0])
def test_rotation_adds_no_clicks(hertz: float) -> None:
    """A tone has no energy above its frequency, unlike any discontinuity of a filter."""
    sound = tone(RATE, hz=hertz).numpy() * np.hanning(RATE)
    high = firwin(801, 4000, fs=RATE, pass_zero=False, window=("kaiser", 10.0))
    renderer = render(sound, rotating(0, 360, 1.0), RATE, HrtfRenderer(HRTF, talker=True))
    above = fftconvolve(renderer, high[None], "same", axes=-1)[:, 6000:-6000]
    assert 20 * np.log10(np.abs(above).max() / np.abs(renderer).max()) < -80
