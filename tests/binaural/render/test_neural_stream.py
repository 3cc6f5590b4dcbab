"""Sound through a network, held against networks whose results are known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from soundstage.binaural.render.neural_weights import Calibration

from sounds import noise
from soundstage.audio import resample
from soundstage.binaural import Trajectory, constant, ear_positions, orbit
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND
from soundstage.binaural.render import neural_stream as module
from soundstage.binaural.render.neural_stream import NetworkInputs, NeuralStream
from soundstage.binaural.renderers import render
from soundstage.networks.backbones.neural_warp import warped

RATE = 48_000
SECOND = noise(RATE, seed=4).numpy()
SOFT = np.convolve(SECOND, np.hanning(24) / 12, mode="same").astype(np.float32)  # below 4 kHz


class Warping:
    """Stands for a network that knows delays and nothing else."""

    view = "directions"
    leveled = True
    frame = 64

    def __init__(self, scale: float = 3.0, loudness: float = 1.0) -> None:
        self.calibration = Calibration(scale, loudness, 0.5, 2.5)
        self.told: list[NetworkInputs] = []

    @property
    def reach(self) -> tuple[int, int]:
        return 400, 0

    def ears(self, told: NetworkInputs) -> torch.Tensor:
        self.told.append(told)
        times = torch.arange(told.mono.shape[-1], dtype=torch.float64)
        return warped(told.mono, times - told.delays, cubic=True)[0]

    def stream(
        self, trajectory: Trajectory, rate: int, *, no_delay: float | None = None
    ) -> NeuralStream:
        nearest = trajectory.nearest if no_delay is None else no_delay
        return NeuralStream(self, trajectory, rate, no_delay=nearest)


def db(error: np.ndarray, signal: np.ndarray) -> float:
    return 10 * np.log10((error**2).mean() / (signal**2).mean() + 1e-30)


def test_a_source_that_rests_is_heard_at_its_level_and_its_delays() -> None:
    place = constant(60, 10, 0.75)
    made = render(SOFT, place, RATE, Warping())
    ways = np.linalg.norm(place.positions[0] - ear_positions(), axis=-1) - 0.75 + HEAD_RADIUS
    for ear, late in zip(made, ways * RATE / SPEED_OF_SOUND, strict=True):
        spectrum = np.fft.rfft(np.pad(SOFT, (0, RATE)))
        turned = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * RATE) * late)
        wanted = 2 * np.fft.irfft(spectrum * turned)[: made.shape[-1]]  # 1.5 m over 0.75 m
        # The delay that takes no time is rounded to whole samples, and between samples run cubics
        lags = [db(np.roll(wanted, lag) - ear[: len(wanted)], wanted) for lag in (-1, 0, 1)]
        assert min(lags) < -15
        assert abs(10 * np.log10((ear**2).sum() / (wanted**2).sum())) < 0.1


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000])
def test_every_rate_has_its_length_and_sounds_alike(rate: int) -> None:
    sound = resample(SOFT[None], RATE, rate)[0]
    way = orbit(3, 1)
    made = render(sound, way, rate, Warping())
    assert made.shape == (2, len(sound) + Warping().stream(way, rate).tail)
    assert made.dtype == np.float32
    if rate > 8000:
        there = resample(made, rate, RATE)[:, :RATE]
        wanted = render(SOFT, way, RATE, Warping())[:, :RATE]
        assert db(there - wanted, wanted) < -60


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=6), st.sampled_from([RATE, 44_100]))
def test_the_result_does_not_depend_on_the_cuts(cuts: list[int], rate: int) -> None:
    sound = noise(150_000, seed=1).numpy()
    whole = render(sound, orbit(2, 4), rate, Warping())
    stream, parts, start = Warping().stream(orbit(2, 4), rate), [], 0
    for cut in [*cuts, len(sound)]:
        parts.append(stream.push(sound[start : start + cut]))
        start += cut
    made = np.concatenate([*parts, stream.push(sound[start:]), stream.finish()], axis=-1)
    np.testing.assert_array_equal(made, whole)


def test_windows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.tile(SOFT, 5)
    whole = render(sound, orbit(2, 5), RATE, Warping())
    monkeypatch.setattr(module, "CHUNK", 12_000)
    short = render(sound, orbit(2, 5), RATE, Warping())
    assert db(short - whole, whole) < -120


@pytest.mark.parametrize("distance", [0.2, 5.0, 300.0])
def test_beyond_what_is_learned_the_law_of_distance_goes_on(distance: float) -> None:
    network = Warping()
    made = render(SOFT, constant(0, 0, distance), RATE, network)
    known = render(SOFT, constant(0, 0, 1.5), RATE, Warping())
    gain = np.sqrt((made**2).sum() / (known**2).sum())
    assert gain == pytest.approx(1.5 / distance, rel=0.02)
    told = 2 ** network.told[0].view[0, 8, 0].item()
    assert told == pytest.approx(np.clip(distance, 0.5, 2.5), rel=1e-5)


def test_what_comes_from_farther_comes_later() -> None:
    click = np.zeros(4000, np.float32)
    click[100] = 1
    near, far = (
        module.NeuralStream(Warping(), constant(0, 0, distance), RATE, no_delay=1.0)
        for distance in (1.0, 35.3)
    )
    first, second = (
        np.concatenate([each.push(click), each.finish()], axis=-1)[0] for each in (near, far)
    )
    assert np.argmax(np.abs(second)) - np.argmax(np.abs(first)) == pytest.approx(4800, abs=3)
    assert len(second) - len(first) == pytest.approx(4800, abs=3)


def test_a_source_without_an_orientation_points_at_the_head() -> None:
    network = Warping()
    render(SECOND, orbit(2, 1), RATE, network)
    np.testing.assert_allclose(network.told[0].view[0, 9].numpy(), 1, atol=1e-5)


def test_the_noise_of_a_window_has_a_place_of_its_own() -> None:
    network = Warping()
    render(np.tile(SECOND, 5), constant(0), RATE, network)
    places = [told.first for told in network.told]
    assert places == sorted(set(places))
    assert places[0] == 0


def test_the_level_of_the_recordings_can_be_kept() -> None:
    network = Warping(loudness=0.5)
    for as_recorded, gain in ((True, 1 / 1.5), (False, 2.0)):
        stream = NeuralStream(network, constant(0), RATE, no_delay=1.5, as_recorded=as_recorded)
        made = np.concatenate([stream.push(SOFT), stream.finish()], axis=-1)
        assert np.sqrt((made[0] ** 2).sum() / (SOFT**2).sum()) == pytest.approx(gain, rel=0.01)


def test_nothing_of_nothing() -> None:
    stream = Warping().stream(constant(0), RATE)
    assert stream.push(np.zeros(0, np.float32)).shape == (2, 0)
    assert stream.finish().shape == (2, 0)
