import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve, firwin
from scipy.spatial.transform import Rotation

from sounds import cut, decibels, noise, tone
from soundstage.binaural import HrtfRenderer, ShoeBox, Trajectory, orbit
from soundstage.binaural.renderers import render
from soundstage.binaural.render.directivity import Directivity, talker_gains, towards_head
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.binaural.room.absorption import OCTAVE_BANDS
from spheres import RATE, grid, sphere_head

HEAD = sphere_head(grid(15))
ROOM = ShoeBox((6.0, 4.0, 3.0), 0.25)
PLACE = np.array([1.2, 0.7, 0.1])
SOUND = noise(30_000).numpy()
# Monson, Hunter and Story (2012), normal speech, at 90 and 180 degrees in OCTAVE_BANDS
MEASURED = {
    90: [-1.6, -2.3, -1.6, -1.6, -7.0, -6.3, -8.7, -7.2],
    180: [-3.6, -5.1, -5.9, -6.3, -13.1, -18.9, -26.3, -26.7],
}


def facing(degrees):
    """The orientation of a talker at `PLACE` whose mouth points that far past the head."""
    yaw = np.degrees(np.arctan2(-PLACE[1], -PLACE[0])) + np.asarray(degrees)
    pitch = np.degrees(np.arctan2(PLACE[2], np.hypot(*PLACE[:2])))  # a turn about y looks down
    angles = np.stack([yaw, np.full(yaw.shape, pitch)], axis=-1)
    return Rotation.from_euler("ZY", angles, degrees=True).as_quat()


def standing(degrees):
    return Trajectory(np.zeros(1), PLACE[None], facing([degrees]))


def turning(start, end, seconds=1.0):
    degrees = np.linspace(start, end, 1 + round(abs(end - start) / 90))
    times = np.linspace(0, seconds, degrees.size)
    return Trajectory(times, np.tile(PLACE, (degrees.size, 1)), facing(degrees))


def level(sound, hertz, rate=RATE):
    """Power within a third of an octave, in dB."""
    power = np.abs(np.fft.rfft(sound, axis=-1)) ** 2
    frequency = np.fft.rfftfreq(sound.shape[-1], 1 / rate)
    near = (frequency > hertz / 1.12) & (frequency < hertz * 1.12)
    return 10 * np.log10(power[..., near].sum())


@pytest.mark.parametrize("degrees", MEASURED)
def test_the_model_is_near_what_was_measured(degrees) -> None:
    np.testing.assert_allclose(talker_gains(np.array(degrees)), MEASURED[degrees], atol=2.1)


def test_ahead_is_the_reference_and_treble_falls_most_behind() -> None:
    ahead, behind = talker_gains(np.array([0.0, 180.0]))
    assert not ahead.any()
    assert (np.diff(behind) < 0).all()


@given(st.floats(0, 360))
def test_both_sides_are_alike(degrees: float) -> None:
    np.testing.assert_allclose(
        talker_gains(np.array(degrees)), talker_gains(np.array(-degrees)), atol=1e-12
    )


@pytest.mark.parametrize("degrees", [0, 45, 90, 135, 180])
def test_filters_have_these_gains_and_the_least_phase(degrees: int) -> None:
    directivity = Directivity(RATE)
    response = directivity.filters[directivity.nearest(np.cos(np.deg2rad(degrees)))]
    turn = np.exp(-2j * np.pi * OCTAVE_BANDS[:, None] / RATE * np.arange(response.size))
    found = 20 * np.log10(np.abs(turn @ response))
    np.testing.assert_allclose(found[2:7], talker_gains(np.array(degrees))[2:7], atol=0.6)
    assert (response[:24] ** 2).sum() > 0.98 * (response**2).sum()


@given(st.integers(0, 2**32 - 1))
def test_an_image_is_heard_as_the_way_by_the_wall_leaves_the_mouth(seed: int) -> None:
    """The head mirrored in the walls, seen from the talker, in place of the talker mirrored."""
    generator = np.random.default_rng(seed)
    images = ImageSources(ROOM, 2)
    orientation = Rotation.random(rng=generator).as_quat()
    trajectory = Trajectory(np.zeros(1), PLACE[None], orientation[None])
    places = images.positions(PLACE)
    found = towards_head(trajectory, np.zeros(len(places)), places, images.signs)
    heads = -images.offsets * images.signs  # where signs·s + offsets is 0
    ways = heads - PLACE
    look = Rotation.from_quat(orientation).apply([1, 0, 0])
    np.testing.assert_allclose(found, ways @ look / np.linalg.norm(ways, axis=1), atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"nearest": True}])
@pytest.mark.parametrize("hertz", [500.0, 4000.0])
def test_who_looks_away_is_duller(options, hertz: float) -> None:
    made = HrtfRenderer(HEAD, talker=True, **options)
    ahead, behind = (render(SOUND, standing(degrees), RATE, made) for degrees in (0, 180))
    wanted = talker_gains(np.array(180))[np.searchsorted(OCTAVE_BANDS, hertz)]
    assert level(behind, hertz) - level(ahead, hertz) == pytest.approx(wanted, abs=0.7)


@pytest.mark.parametrize("room", [None, ROOM])
@pytest.mark.parametrize("options", [{}, {"nearest": True}])
def test_without_a_talker_looks_change_nothing(room, options) -> None:
    made = HrtfRenderer(HEAD, room=room, **options)
    assert np.array_equal(
        render(SOUND, standing(0), RATE, made), render(SOUND, turning(0, 180), RATE, made)
    )


def test_who_looks_at_the_head_sounds_as_what_radiates_alike() -> None:
    plain, talker = (
        render(SOUND, standing(0), RATE, HrtfRenderer(HEAD, talker=asked))
        for asked in (False, True)
    )
    assert decibels(talker[:, : plain.shape[1]] - plain, plain) < -60


@pytest.mark.parametrize("room", [None, ROOM])
@pytest.mark.parametrize("options", [{"air": True}, {"nearest": True}])
def test_who_turns_on_the_spot_begins_as_one_look_and_ends_as_the_other(room, options) -> None:
    made = HrtfRenderer(HEAD, room=room, talker=True, **options)
    way = turning(0, 180, seconds=0.2)
    low = fftconvolve(SOUND, firwin(301, 0.8), "same")  # the delay line is good to 0.9
    found = render(low, way, RATE, made)
    begun, ended = (render(low, standing(degrees), RATE, made) for degrees in (0, 180))
    last = slice(20_000, 28_000)
    first = slice(0, 1500)  # the look has turned by 15 degrees
    assert decibels(found[:, first] - begun[:, first], begun[:, first]) < -20
    assert decibels(found[:, last] - ended[:, last], ended[:, last]) < -45
    assert decibels(found[:, last] - begun[:, last], begun[:, last]) > -10


@pytest.mark.parametrize("way", [turning(0, 180), orbit(2, 3, radius=1.2)])
@settings(max_examples=4)
@given(places=st.lists(st.integers(0, SOUND.size), max_size=5))
def test_the_result_does_not_depend_on_the_blocks(way, places) -> None:
    made = HrtfRenderer(HEAD, room=ROOM, talker=True, reflections=1)
    stream = made.stream(way, RATE)
    parts = [stream.push(block) for block in cut(SOUND, places)]
    found = np.concatenate([*parts, stream.finish()], axis=-1)
    assert np.array_equal(found, render(SOUND, way, RATE, made))


def test_reverberation_has_the_mean_power_of_all_directions() -> None:
    """By a look of its own that is the same whichever way the mouth points."""
    click = np.eye(1, 64)[0]
    late = slice(round(0.08 * RATE), round(0.2 * RATE))
    plain = render(click, standing(0), RATE, HrtfRenderer(HEAD, room=ROOM))[:, late]
    made = HrtfRenderer(HEAD, room=ROOM, talker=True)
    one, other = (render(click, standing(degrees), RATE, made)[:, late] for degrees in (0, 180))
    np.testing.assert_allclose(one, other, atol=1e-7)
    angles = np.arange(0.0, 180.5, 0.5)
    shares = np.sin(np.deg2rad(angles))
    power = 10 ** (talker_gains(angles) / 10)
    for band in (2, 4, 6):
        wanted = 10 * np.log10(shares @ power[:, band] / shares.sum())
        hertz = OCTAVE_BANDS[band]
        assert level(one, hertz) - level(plain, hertz) == pytest.approx(wanted, abs=0.7)


@pytest.mark.parametrize("hertz", [500.0, 2000.0])
def test_turning_does_not_click(hertz: float) -> None:
    """A tone has nothing above itself, and every step of what it goes through does."""
    sound = tone(RATE, hz=hertz).numpy() * np.hanning(RATE)
    high = firwin(801, 4000, fs=RATE, pass_zero=False, window=("kaiser", 10.0))
    made = render(sound, turning(0, 360, 1.0), RATE, HrtfRenderer(HEAD, talker=True))
    above = fftconvolve(made, high[None], "same", axes=-1)[:, 6000:-6000]
    assert 20 * np.log10(np.abs(above).max() / np.abs(made).max()) < -80
