import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import decibels, noise, stereo_scene
from soundstage.stereo.compressed_stft import (
    COMPRESSED_TRANSFORM,
    compress,
    expand,
    from_compressed,
    limit_magnitude,
    to_compressed,
)


def test_the_compressed_stft_of_9_1_s_has_the_shape_of_the_paper() -> None:
    clip = noise(2 * 218_400).reshape(2, -1)  # 9.1 s at 24 kHz
    assert to_compressed(COMPRESSED_TRANSFORM.analyze(clip)).shape == (4, 513, 729)


def test_channels_are_the_parts_of_left_and_then_of_right() -> None:
    spectrogram = COMPRESSED_TRANSFORM.analyze(stereo_scene(3000))
    channels = to_compressed(spectrogram)
    for row in range(2):
        parts = torch.complex(channels[2 * row], channels[2 * row + 1])
        # One real and positive factor: the phases are unchanged
        turned = parts * spectrogram[row].conj()
        assert float(turned.imag.abs().max()) < 1e-4
        assert float(turned.real.min()) >= 0


def test_sound_is_recovered() -> None:
    sound = stereo_scene(8000)
    channels = to_compressed(COMPRESSED_TRANSFORM.analyze(sound))
    made = COMPRESSED_TRANSFORM.synthesize(from_compressed(channels), 8000)
    assert decibels(made - sound, sound) < -110


def test_full_scale_stays_within_the_range() -> None:
    loudest = torch.ones(1, 6000)
    channels = to_compressed(COMPRESSED_TRANSFORM.analyze(loudest))
    assert 0.9 < float(channels.norm(dim=0).max()) < 1
    assert torch.equal(limit_magnitude(channels), channels)


@given(seed=st.integers(0, 99), scale=st.floats(0.1, 1e4))
def test_impossible_magnitudes_are_limited(seed: int, scale: float) -> None:
    channels = scale * noise(4 * 5 * 3, seed=seed, level=1.0).reshape(4, 5, 3)
    held = limit_magnitude(channels)
    before, after = (each.unflatten(0, (2, 2)).norm(dim=1) for each in (channels, held))
    torch.testing.assert_close(after, before.clamp(max=1))
    shares = channels.unflatten(0, (2, 2)) / before[:, None]
    torch.testing.assert_close(held.unflatten(0, (2, 2)), shares * after[:, None])
    assert bool(from_compressed(channels).abs().max() < 790)


GAMMA = 0.15


@given(
    decades=st.floats(-6, 3),
    turn=st.floats(-math.pi, math.pi),
    gamma=st.sampled_from([0.05, GAMMA, 1.0]),
)
def test_expand_inverts_compress(decades: float, turn: float, gamma: float) -> None:
    spectrum = torch.polar(torch.tensor([10.0**decades]), torch.tensor([turn]))
    again = expand(compress(spectrum, gamma), gamma)
    assert float((again - spectrum).abs()) < 1e-5 * 10**decades


@given(decades=st.floats(-6, 3), turn=st.floats(-3, 3))
def test_magnitudes_are_logarithmic_and_phases_unchanged(decades: float, turn: float) -> None:
    spectrum = torch.polar(torch.tensor([10.0**decades]), torch.tensor([turn]))
    compressed = compress(spectrum, GAMMA)
    assert float(compressed.abs()) == pytest.approx(GAMMA * math.log1p(10**decades), rel=1e-5)
    assert float(compressed.angle()) == pytest.approx(turn, abs=1e-5)


def test_silence_stays_silent() -> None:
    nothing = torch.zeros(3, dtype=torch.complex64)
    assert torch.equal(compress(nothing, GAMMA), nothing)
    assert torch.equal(expand(nothing, GAMMA), nothing)
