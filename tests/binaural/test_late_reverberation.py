from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.signal import butter, csd, sosfilt, welch

from soundstage.binaural import HrtfInterpolator, HrtfSet
from soundstage.binaural.room.diffuse_field import diffuse_field
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.binaural.room.late_reverberation import late_reverberation
from soundstage.binaural.room.octave_filters import OCTAVE_BANDS
from soundstage.binaural.room.shoebox import ShoeBox, parse_rt60
from soundstage.errors import OptionError
from spheres import grid, sphere_head

RATE, SPEED = 48_000, 343.0


@lru_cache
def free(rate: int) -> HrtfInterpolator:
    """Two ears that hear all directions alike, so that they hear the same."""
    towards = grid(45)
    responses = np.zeros((len(towards), 2, 32))
    responses[..., 8] = 1
    count = len(towards)
    return HrtfInterpolator(HrtfSet(towards, np.ones(count), responses, np.zeros((count, 2)), rate))


FREE = free(RATE)


def impulses(room: ShoeBox, order: int, source: np.ndarray, frames: int) -> np.ndarray:
    """The direct sound and the images up to an order, where all walls absorb alike in all bands."""
    images = ImageSources(room, order)
    distances = np.linalg.norm([source, *images.positions(source)], axis=1)
    gains = np.append(1, images.gains[:, 0]) / distances
    at = (distances / SPEED * RATE).astype(int)
    return np.bincount(at, gains, max(frames, at.max() + 1))[:frames]


def anywhere(room: ShoeBox, seed: int) -> np.ndarray:
    lower, upper = room.walls
    return np.random.default_rng(seed).uniform(lower + 0.1, upper - 0.1)


def decays(responses: list, band: int) -> np.ndarray:
    """The mean Schroeder curve in an octave, in dB, filtered backwards so that it rings before."""
    edges = OCTAVE_BANDS[band] * np.array([2**-0.5, 2**0.5])
    sections = butter(3, edges, "bandpass", fs=RATE, output="sos")
    backwards = sosfilt(sections, np.array(responses)[:, ::-1]).astype(float)
    energy = np.cumsum(backwards**2, axis=1).sum(axis=0)[::-1]
    return 10 * np.log10(energy / energy[0] + 1e-30)


def reverberation(curve: np.ndarray, depth: float) -> float:
    """T20 or T30 (ISO 3382-1): the line from -5 dB on, drawn to -60 dB."""
    within = np.flatnonzero((curve <= -5) & (curve >= -5 - depth))
    return -60 / (RATE * np.polyfit(within, curve[within], 1)[0])


@pytest.mark.parametrize(
    ("size", "rt60", "seeds"),
    [((3, 2.5, 2.4), 0.2, 40), ((6, 4, 3), 0.4, 20), ((12, 9, 5), 1.0, 12)],
)
def test_early_and_late_decay_as_wanted(size: tuple, rt60: float, seeds: int) -> None:
    room = ShoeBox(size, rt60)
    whole = []
    for seed in range(seeds):  # in narrow bands one tail is not yet the mean
        late = late_reverberation(room, FREE, order=2, seed=seed, reference=1)[0]
        whole.append(late + impulses(room, 2, anywhere(room, seed), len(late)))
    for band in range(len(OCTAVE_BANDS)):
        curve = decays(whole, band)
        for depth in (20, 30):
            assert reverberation(curve, depth) == pytest.approx(rt60, rel=0.1), (band, depth)


def test_every_octave_decays_in_its_own_time() -> None:
    rt60 = parse_rt60("125:0.8,1000:0.5,16000:0.2")
    room = ShoeBox((6, 4, 3), rt60)
    late = [late_reverberation(room, FREE, order=0, seed=n, reference=1)[0] for n in range(12)]
    for band, wanted in enumerate(rt60):
        assert reverberation(decays(late, band), 20) == pytest.approx(wanted, rel=0.1), band


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize(("size", "rt60"), [((6, 4, 3), 0.2), ((5, 4, 4), 0.3)])
def test_early_and_late_have_the_energy_of_all_images(size: tuple, rt60: float, order: int) -> None:
    room = ShoeBox(size, rt60)
    late = late_reverberation(room, FREE, order=order, seed=0, reference=1)[0]
    within = min(size) * 25 / SPEED  # seconds, until images above order 25 arrive
    for seed in range(4):
        source = anywhere(room, seed)
        images = ImageSources(room, 25)
        distances = np.linalg.norm(images.positions(source), axis=1)
        energy = (images.gains[:, 0] / distances) ** 2
        early = energy[images.reflections <= order].sum()
        found = early + (late[: int(within * RATE)].astype(float) ** 2).sum()
        wanted = energy[distances < within * SPEED].sum()
        assert 10 * np.log10(found / wanted) == pytest.approx(0, abs=0.5 if order else 1)


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
@pytest.mark.parametrize("reference", [1.0, 0.3])
def test_the_level_is_that_of_a_diffuse_field_at_any_rate(rate: int, reference: float) -> None:
    room = ShoeBox((6, 4, 3), 1.0)
    found = late_reverberation(room, free(rate), order=1, seed=0, reference=reference)
    between = slice(int(0.1 * rate), int(0.5 * rate))  # all images up to order 1 have passed
    decayed = (10**-0.6 - 10**-3.0) / (6 * np.log(10))  # the integral of 10^(-6t) over them
    wanted = reference**2 * 4 * np.pi * SPEED / 72 * decayed
    energy = (found[:, between].astype(float) ** 2).sum(axis=1)
    np.testing.assert_allclose(10 * np.log10(energy / wanted), 0, atol=0.3)


def test_ears_hear_the_spectra_and_the_coherence_of_a_diffuse_field() -> None:
    head = sphere_head(grid(15))
    right = 0.5 * np.roll(head.responses[:, 1], 4, axis=-1)  # so that γ is not real
    uneven = replace(head, responses=np.stack([head.responses[:, 0], right], axis=1))
    made = HrtfInterpolator(uneven)
    tail = late_reverberation(ShoeBox((6, 4, 3), 20.0), made, order=0, seed=0, reference=1)
    flat = tail * 10 ** (3 * np.arange(tail.shape[1]) / (made.rate * 20.0))
    flat = flat[:, made.rate : 16 * made.rate]
    asked = dict(fs=made.rate, nperseg=1024)
    frequencies, powers = welch(flat, **asked)
    cross = csd(flat[1], flat[0], **asked)[1]  # SciPy's is of the first, conjugated
    kept = (frequencies > 100) & (frequencies < 15_000)
    field = diffuse_field(made).at(frequencies[kept])
    coherence = (cross / np.sqrt(powers.prod(axis=0)))[kept]
    assert np.abs(coherence - field.coherence).mean() < 0.04
    assert np.abs(coherence - field.coherence).max() < 0.12
    wanted = 4 * np.pi * SPEED / 72 * 2 * field.powers / made.rate**2  # one-sided
    assert np.abs(10 * np.log10(powers[:, kept] / wanted)).mean() < 0.4
    assert abs(10 * np.log10(powers[:, kept].sum() / wanted.sum())) < 0.1


def test_one_seed_gives_one_tail() -> None:
    room = ShoeBox((6, 4, 3), 0.3)
    one, same, other = (
        late_reverberation(room, FREE, order=2, seed=seed, reference=1) for seed in (7, 7, 8)
    )
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, same)
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.1


def test_it_sets_in_when_the_first_image_may_arrive_and_ends_in_silence() -> None:
    room = ShoeBox((6, 4, 3), 0.4)
    tail = late_reverberation(room, FREE, order=2, seed=0, reference=1).astype(float)
    nearest = np.linalg.norm(np.array(room.size) / 2)  # the corner, where three walls meet
    first = np.abs(tail).max(axis=0).nonzero()[0][0] / RATE
    assert nearest / SPEED - 0.002 < first < nearest / SPEED + 0.003
    energy = np.cumsum(tail[0, ::-1] ** 2)[::-1]
    assert 10 * np.log10(energy[int(0.97 * len(energy))] / energy[0]) < -65
    assert np.abs(tail[:, -10:]).max() < 1e-3 * np.abs(tail[:, -500:]).max()
    assert 0.4 < tail.shape[1] / RATE < 0.5


def test_higher_orders_leave_less_and_none_lasts_beyond_20_seconds() -> None:
    room = ShoeBox((6, 4, 3), 0.2)
    energy = [
        (late_reverberation(room, FREE, order=n, seed=0, reference=1) ** 2).sum() for n in range(5)
    ]
    assert (np.diff(energy) < 0).all()
    slow = late_reverberation(ShoeBox((6, 4, 3), 20), free(8_000), order=0, seed=0, reference=1)
    assert slow.shape == (2, 160_000)


def test_orders_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match="0 to 50"):
        late_reverberation(ShoeBox((6, 4, 3), 0.4), FREE, order=-1, seed=0, reference=1)
