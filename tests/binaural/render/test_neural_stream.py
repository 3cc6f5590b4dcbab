"""Streaming through a network, with a fake network that only delays."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import noise
from soundstage.audio import resample
from soundstage.binaural import Trajectory, constant, ear_positions, orbit
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND
from soundstage.binaural.render import neural_stream as module
from soundstage.binaural.render.neural_stream import NetworkInputs, NeuralStream
from soundstage.binaural.renderers import render
from soundstage.networks.backbones.neural_warp import warp
from soundstage.networks.models.binaural_wavenet import Calibration

RATE = 48_000
SECOND = noise(RATE, seed=4).numpy()
SMOOTH = np.convolve(SECOND, np.hanning(24) / 12, mode="same").astype(np.float32)  # below 4 kHz


class Delays:
    """A fake network: geometric warping."""

    pose_encoding = "directions"
    distance_law = True
    frame = 64
    device = torch.device("cpu")
    receptive_field = (400, 0)

    def __init__(self, scale: float = 3.0, loudness: float = 1.0) -> None:
        self.calibration = Calibration(scale=scale, loudness=loudness, nearest=0.5, farthest=2.5)
        self.inputs: list[NetworkInputs] = []

    def predict(self, inputs: NetworkInputs) -> torch.Tensor:
        self.inputs.append(inputs)
        times = torch.arange(inputs.mono.shape[-1], dtype=torch.float64)
        return warp(inputs.mono, times - inputs.delays, cubic=True)[0]

    def stream(
        self, trajectory: Trajectory, rate: int, *, no_delay: float | None = None
    ) -> NeuralStream:
        nearest = trajectory.min_distance if no_delay is None else no_delay
        return NeuralStream(self, trajectory, rate, no_delay=nearest)


def db(error: np.ndarray, signal: np.ndarray) -> float:
    return 10 * np.log10((error**2).mean() / (signal**2).mean() + 1e-30)


def test_a_static_source_has_its_level_and_delays() -> None:
    position = constant(60, 10, 0.75)
    found = render(SMOOTH, position, RATE, Delays())
    paths = np.linalg.norm(position.positions[0] - ear_positions(), axis=-1) - 0.75 + HEAD_RADIUS
    for ear, delay in zip(found, paths * RATE / SPEED_OF_SOUND, strict=True):
        spectrum = np.fft.rfft(np.pad(SMOOTH, (0, RATE)))
        phase = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * RATE) * delay)
        expected = 2 * np.fft.irfft(spectrum * phase)[: found.shape[-1]]  # 1.5 m over 0.75 m
        # The zero-delay distance is rounded to whole samples; interpolation is cubic
        errors = [db(np.roll(expected, lag) - ear[: len(expected)], expected) for lag in (-1, 0, 1)]
        assert min(errors) < -15
        assert abs(10 * np.log10((ear**2).sum() / (expected**2).sum())) < 0.1


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000])
def test_any_sample_rate_gives_the_same_sound(rate: int) -> None:
    sound = resample(SMOOTH[None], RATE, rate)[0]
    path = orbit(3, 1)
    found = render(sound, path, rate, Delays())
    assert found.shape == (2, len(sound) + Delays().stream(path, rate).tail)
    assert found.dtype == np.float32
    if rate > 8000:
        resampled = resample(found, rate, RATE)[:, :RATE]
        expected = render(SMOOTH, path, RATE, Delays())[:, :RATE]
        assert db(resampled - expected, expected) < -60


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=6), st.sampled_from([RATE, 44_100]))
def test_block_sizes_do_not_matter(sizes: list[int], rate: int) -> None:
    sound = noise(150_000, seed=1).numpy()
    whole = render(sound, orbit(2, 4), rate, Delays())
    stream, parts, start = Delays().stream(orbit(2, 4), rate), [], 0
    for size in [*sizes, len(sound)]:
        parts.append(stream.push(sound[start : start + size]))
        start += size
    found = np.concatenate([*parts, stream.push(sound[start:]), stream.finish()], axis=-1)
    np.testing.assert_array_equal(found, whole)


def test_windows_are_inaudible(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.tile(SMOOTH, 5)
    whole = render(sound, orbit(2, 5), RATE, Delays())
    monkeypatch.setattr(module, "CHUNK", 12_000)
    short = render(sound, orbit(2, 5), RATE, Delays())
    assert db(short - whole, whole) < -120


@pytest.mark.parametrize("distance", [0.2, 5.0, 300.0])
def test_the_distance_law_continues_beyond_the_training_data(distance: float) -> None:
    network = Delays()
    found = render(SMOOTH, constant(0, 0, distance), RATE, network)
    reference = render(SMOOTH, constant(0, 0, 1.5), RATE, Delays())
    gain = np.sqrt((found**2).sum() / (reference**2).sum())
    assert gain == pytest.approx(1.5 / distance, rel=0.02)
    encoded = 2 ** network.inputs[0].pose[0, 8, 0].item()
    assert encoded == pytest.approx(np.clip(distance, 0.5, 2.5), rel=1e-5)


def test_a_farther_source_arrives_later() -> None:
    click = np.zeros(4000, np.float32)
    click[100] = 1
    streams = (
        NeuralStream(Delays(), constant(0, 0, distance), RATE, no_delay=1.0)
        for distance in (1.0, 35.3)
    )
    near, far = (np.concatenate([s.push(click), s.finish()], axis=-1)[0] for s in streams)
    assert np.argmax(np.abs(far)) - np.argmax(np.abs(near)) == pytest.approx(4800, abs=3)
    assert len(far) - len(near) == pytest.approx(4800, abs=3)


def test_a_source_without_orientations_faces_the_head() -> None:
    network = Delays()
    render(SECOND, orbit(2, 1), RATE, network)
    np.testing.assert_allclose(network.inputs[0].pose[0, 9].numpy(), 1, atol=1e-5)


def test_windows_have_distinct_positions_from_zero_up() -> None:
    network = Delays()
    render(np.tile(SECOND, 5), constant(0), RATE, network)
    positions = [inputs.first for inputs in network.inputs]
    assert positions == sorted(set(positions))
    assert positions[0] == 0


def test_the_level_of_the_recordings_can_be_kept() -> None:
    network = Delays(loudness=0.5)
    for as_recorded, gain in ((True, 1 / 1.5), (False, 2.0)):
        stream = NeuralStream(network, constant(0), RATE, no_delay=1.5, as_recorded=as_recorded)
        found = np.concatenate([stream.push(SMOOTH), stream.finish()], axis=-1)
        assert np.sqrt((found[0] ** 2).sum() / (SMOOTH**2).sum()) == pytest.approx(gain, rel=0.01)


def test_no_input_gives_no_output() -> None:
    stream = Delays().stream(constant(0), RATE)
    assert stream.push(np.zeros(0, np.float32)).shape == (2, 0)
    assert stream.finish().shape == (2, 0)
