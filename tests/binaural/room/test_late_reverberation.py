from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.signal import butter, csd, sosfilt, welch

from soundstage.binaural import HrtfInterpolator, HrtfSet
from soundstage.binaural.room.absorption import OCTAVE_BANDS
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.binaural.room.late_reverberation import diffuse_field, late_reverberation
from soundstage.binaural.room.shoebox import ShoeBox, parse_rt60
from soundstage.errors import OptionError
from spheres import EARS, RADIUS, TAPS, grid, sphere_head
from spheres import RATE as HRTF_RATE

RATE, SPEED = 48_000, 343.0
BAND = np.arange(100.0, 0.35 * HRTF_RATE, 100)  # Hz; above, the HRTFs of the tests fade out


@lru_cache
def omnidirectional(rate: int = RATE) -> HrtfInterpolator:
    """Two equal, omnidirectional ears."""
    towards = grid(45)
    responses = np.zeros((len(towards), 2, 32))
    responses[..., 8] = 1
    count = len(towards)
    return HrtfInterpolator(HrtfSet(towards, np.ones(count), responses, np.zeros((count, 2)), rate))


def free_microphones(gains: list) -> HrtfSet:
    """Two microphones at the positions of the ears, without a head."""
    towards = grid(15)
    delays = (40 - HRTF_RATE * RADIUS / SPEED * (towards @ EARS.T))[..., None]
    frequencies = np.fft.rfftfreq(TAPS)
    fade = np.cos(np.pi / 2 * ((frequencies - 0.4) / 0.1).clip(0, 1)) ** 2
    responses = np.fft.irfft(fade * np.exp(-2j * np.pi * frequencies * delays), TAPS)
    return replace(sphere_head(towards), responses=np.array(gains)[:, None] * responses)


def image_response(room: ShoeBox, order: int, source: np.ndarray, frames: int) -> np.ndarray:
    """Direct sound and images up to an order, with equal absorption in all bands."""
    images = ImageSources(room, order)
    distances = np.linalg.norm([source, *images.positions(source)], axis=1)
    gains = np.append(1, images.gains[:, 0]) / distances
    at = (distances / SPEED * RATE).astype(int)
    return np.bincount(at, gains, max(frames, at.max() + 1))[:frames]


def random_position(room: ShoeBox, seed: int) -> np.ndarray:
    lower, upper = room.walls
    return np.random.default_rng(seed).uniform(lower + 0.1, upper - 0.1)


def decay_curve(responses: list, band: int) -> np.ndarray:
    """Mean Schroeder curve of an octave in dB; filtered backwards, so that ringing is before."""
    edges = OCTAVE_BANDS[band] * np.array([2**-0.5, 2**0.5])
    sections = butter(3, edges, "bandpass", fs=RATE, output="sos")
    backwards = sosfilt(sections, np.array(responses)[:, ::-1]).astype(float)
    energy = np.cumsum(backwards**2, axis=1).sum(axis=0)[::-1]
    return 10 * np.log10(energy / energy[0] + 1e-30)


def decay_time(curve: np.ndarray, depth: float) -> float:
    """T20 or T30 (ISO 3382-1): the slope from -5 dB on, extrapolated to -60 dB."""
    within = np.flatnonzero((curve <= -5) & (curve >= -5 - depth))
    return -60 / (RATE * np.polyfit(within, curve[within], 1)[0])


@pytest.mark.parametrize(
    ("size", "rt60", "seeds"),
    [
        ((6, 4, 3), 0.4, 12),
        pytest.param((3, 2.5, 2.4), 0.2, 40, marks=pytest.mark.slow),
        pytest.param((12, 9, 5), 1.0, 12, marks=pytest.mark.slow),
    ],
)
def test_images_and_tail_together_decay_in_the_reverberation_time(
    size: tuple, rt60: float, seeds: int
) -> None:
    room = ShoeBox(size, rt60)
    whole = []
    for seed in range(seeds):  # in narrow bands a single tail varies too much
        late = late_reverberation(room, omnidirectional(), order=2, seed=seed, reference=1)[0]
        whole.append(late + image_response(room, 2, random_position(room, seed), len(late)))
    for band in range(len(OCTAVE_BANDS)):
        curve = decay_curve(whole, band)
        for depth in (20, 30):
            assert decay_time(curve, depth) == pytest.approx(rt60, rel=0.13), (band, depth)


def test_each_octave_has_its_own_reverberation_time() -> None:
    rt60 = parse_rt60("125:0.8,1000:0.5,16000:0.2")
    room, ears = ShoeBox((6, 4, 3), rt60), omnidirectional()
    late = [late_reverberation(room, ears, order=0, seed=n, reference=1)[0] for n in range(12)]
    for band, expected in enumerate(rt60):
        assert decay_time(decay_curve(late, band), 20) == pytest.approx(expected, rel=0.1), band


@pytest.mark.parametrize("order", [0, 1, 3])
def test_images_and_tail_have_the_energy_of_all_images(order: int) -> None:
    room = ShoeBox((5, 4, 4), 0.3)
    late = late_reverberation(room, omnidirectional(), order=order, seed=0, reference=1)[0]
    seconds = min(room.size) * 25 / SPEED  # images above order 25 arrive later
    for seed in range(4):
        source = random_position(room, seed)
        images = ImageSources(room, 25)
        distances = np.linalg.norm(images.positions(source), axis=1)
        energy = (images.gains[:, 0] / distances) ** 2
        found = energy[images.reflections <= order].sum()
        found += (late[: int(seconds * RATE)].astype(float) ** 2).sum()
        expected = energy[distances < seconds * SPEED].sum()
        assert 10 * np.log10(found / expected) == pytest.approx(0, abs=0.5 if order else 1)


@pytest.mark.parametrize(("rate", "reference"), [(16_000, 1.0), (96_000, 0.3)])
def test_the_level_is_that_of_a_diffuse_field_at_any_rate(rate: int, reference: float) -> None:
    room = ShoeBox((6, 4, 3), 1.0)
    found = late_reverberation(room, omnidirectional(rate), order=1, seed=0, reference=reference)
    between = slice(int(0.1 * rate), int(0.5 * rate))  # after all images up to order 1
    decayed = (10**-0.6 - 10**-3.0) / (6 * np.log(10))  # integral of 10^(-6t) over that time
    expected = reference**2 * 4 * np.pi * SPEED / 72 * decayed
    energy = (found[:, between].astype(float) ** 2).sum(axis=1)
    np.testing.assert_allclose(10 * np.log10(energy / expected), 0, atol=0.3)


def test_the_tail_has_the_spectra_and_the_coherence_of_the_diffuse_field() -> None:
    hrtf = sphere_head(grid(15))
    right = 0.5 * np.roll(hrtf.responses[:, 1], 4, axis=-1)  # makes the coherence complex
    uneven = replace(hrtf, responses=np.stack([hrtf.responses[:, 0], right], axis=1))
    ears = HrtfInterpolator(uneven)
    tail = late_reverberation(ShoeBox((6, 4, 3), 20.0), ears, order=0, seed=0, reference=1)
    flat = tail * 10 ** (3 * np.arange(tail.shape[1]) / (ears.rate * 20.0))
    flat = flat[:, ears.rate : 16 * ears.rate]
    settings = dict(fs=ears.rate, nperseg=1024)
    frequencies, powers = welch(flat, **settings)
    cross = csd(flat[1], flat[0], **settings)[1]  # SciPy conjugates the first argument
    kept = (frequencies > 100) & (frequencies < 15_000)
    field = diffuse_field(ears).at(frequencies[kept])
    coherence = (cross / np.sqrt(powers.prod(axis=0)))[kept]
    assert np.abs(coherence - field.coherence).mean() < 0.04
    assert np.abs(coherence - field.coherence).max() < 0.12
    expected = 4 * np.pi * SPEED / 72 * 2 * field.powers / ears.rate**2  # one-sided
    assert np.abs(10 * np.log10(powers[:, kept] / expected)).mean() < 0.4
    assert abs(10 * np.log10(powers[:, kept].sum() / expected.sum())) < 0.1


def test_the_tail_is_a_function_of_the_seed() -> None:
    room = ShoeBox((6, 4, 3), 0.3)
    one, same, other = (
        late_reverberation(room, omnidirectional(), order=2, seed=seed, reference=1)
        for seed in (7, 7, 8)
    )
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, same)
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.1


def test_the_tail_starts_with_the_earliest_image_and_ends_faded_out() -> None:
    room = ShoeBox((6, 4, 3), 0.4)
    tail = late_reverberation(room, omnidirectional(), order=2, seed=0, reference=1).astype(float)
    nearest = np.linalg.norm(np.array(room.size) / 2)  # the corner, where three walls meet
    first = np.abs(tail).max(axis=0).nonzero()[0][0] / RATE
    assert nearest / SPEED - 0.002 < first < nearest / SPEED + 0.003
    energy = np.cumsum(tail[0, ::-1] ** 2)[::-1]
    assert 10 * np.log10(energy[int(0.97 * len(energy))] / energy[0]) < -65
    assert np.abs(tail[:, -10:]).max() < 1e-3 * np.abs(tail[:, -500:]).max()
    assert 0.4 < tail.shape[1] / RATE < 0.5


def test_higher_orders_leave_less_energy_and_the_length_is_limited_to_20_seconds() -> None:
    room = ShoeBox((6, 4, 3), 0.2)
    energy = [
        (late_reverberation(room, omnidirectional(), order=n, seed=0, reference=1) ** 2).sum()
        for n in range(5)
    ]
    assert (np.diff(energy) < 0).all()
    slow, ears = ShoeBox((6, 4, 3), 20), omnidirectional(8_000)
    assert late_reverberation(slow, ears, order=0, seed=0, reference=1).shape == (2, 160_000)


def test_a_negative_order_is_refused() -> None:
    with pytest.raises(OptionError, match="0 to 50"):
        late_reverberation(
            ShoeBox((6, 4, 3), 0.4), omnidirectional(), order=-1, seed=0, reference=1
        )


def test_without_a_head_the_powers_are_one_and_the_coherence_is_a_sinc() -> None:
    expected = np.sinc(2 * BAND * 2 * RADIUS / SPEED)  # sin(kd)/(kd)
    field = diffuse_field(HrtfInterpolator(free_microphones([1, 1]))).at(BAND)
    np.testing.assert_allclose(field.powers, 1, rtol=0.02)
    np.testing.assert_allclose(field.coherence, expected, rtol=0, atol=0.02)
    softer = diffuse_field(HrtfInterpolator(free_microphones([1, 0.5]))).at(BAND)
    np.testing.assert_allclose(softer.powers[1] / softer.powers[0], 0.25, rtol=1e-3)
    np.testing.assert_allclose(softer.coherence, expected, rtol=0, atol=0.02)


def test_a_delay_of_one_ear_rotates_the_phase_of_the_coherence() -> None:
    hrtf = free_microphones([1, 1])
    right = np.roll(hrtf.responses[:, 1], 4, axis=-1)
    delayed = replace(hrtf, responses=np.stack([hrtf.responses[:, 0], right], axis=1))
    one, other = (diffuse_field(HrtfInterpolator(each)).at(BAND) for each in (hrtf, delayed))
    phase = np.exp(2j * np.pi * BAND / HRTF_RATE * 4)  # left times the conjugate of right
    np.testing.assert_allclose(other.coherence, phase * one.coherence, rtol=0, atol=0.02)


def test_the_diffuse_field_is_the_mean_power_over_directions_at_any_rate() -> None:
    hrtf = sphere_head(grid(10))
    field = diffuse_field(HrtfInterpolator(hrtf))
    area = np.sqrt(1 - hrtf.directions[:, 2] ** 2)  # of each point of the grid
    expected = np.average(np.abs(np.fft.rfft(hrtf.responses, 4096)) ** 2, axis=0, weights=area)
    bins = np.fft.rfftfreq(4096, 1 / HRTF_RATE)
    for found, ear in zip(field.at(BAND).powers, expected, strict=True):
        np.testing.assert_allclose(found, np.interp(BAND, bins, ear), rtol=0.02)
    frequencies = np.arange(300.0, 5000, 100)
    slow, fast = (
        diffuse_field(HrtfInterpolator(sphere_head(grid(15), rate=rate, taps=taps))).at(frequencies)
        for rate, taps in ((16_000, 128), (48_000, 384))
    )
    np.testing.assert_allclose(fast.powers, slow.powers, rtol=0.03)
    np.testing.assert_allclose(fast.coherence, slow.coherence, rtol=0, atol=0.02)
