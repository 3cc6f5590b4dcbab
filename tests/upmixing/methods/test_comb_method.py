from pathlib import Path

import numpy as np
import pytest
import torch

from sounds import decibels, noise
from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, encode_signal, to_left_right
from soundstage.upmixing import make_side
from soundstage.upmixing.methods.comb import CENTER, Comb, comb_response, load, phase_amplitude
from soundstage.weights.model import save_weights
from tiny import coherences

LENGTH = 200_000


def test_left_and_right_are_equally_loud_everywhere() -> None:
    mid = noise(LENGTH)
    stereo = torch.stack(to_left_right(mid, make_side(Comb(coherences()), mid)[0]))
    iid = encode_signal(stereo).iid[:, 8:-8]
    assert iid.mean(dim=1).abs().max() < 0.1
    assert iid.abs().mean() < 0.5


def test_left_and_right_have_equal_magnitudes_and_opposite_phases() -> None:
    side = np.fft.rfft(np.roll(comb_response(coherences(), seed=0).double().numpy(), -CENTER))
    left, right = 1 + side, 1 - side
    np.testing.assert_allclose(np.abs(left), np.abs(right), atol=1e-5)
    np.testing.assert_allclose(np.angle(left), -np.angle(right), atol=1e-5)


def test_the_response_is_antisymmetric_and_decays() -> None:
    response = comb_response(coherences(), seed=0)
    torch.testing.assert_close(response, -response.flip(0), rtol=0, atol=1e-7)
    assert response[:1_000].square().sum() < 1e-6 * response.square().sum()


def test_full_coherence_leaves_mono() -> None:
    assert make_side(Comb(torch.ones(BANDS)), noise(5_000)).abs().max() < 1e-6


def test_less_coherence_needs_a_larger_amplitude() -> None:
    amplitudes = phase_amplitude(np.linspace(1, -1, 50))
    assert amplitudes[0] == 0
    assert np.all(np.diff(amplitudes) >= 0)


def test_another_seed_is_another_comb() -> None:
    method, mid = Comb(coherences()), noise(20_000)
    first = make_side(method, mid, seed=3)
    assert decibels(first - make_side(method, mid, seed=4), first) > -10


def test_a_table_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    save_weights(path, "decorrelate", {"coherence": torch.zeros(BANDS + 1)})
    with pytest.raises(WeightsError, match="coherence"):
        load(str(path))


def test_noise_gets_the_coherence_of_the_table_in_every_band() -> None:
    """On average over time and three seeds: a band holds little more than one period."""
    mid, means = noise(LENGTH), []
    for seed in range(3):
        side = make_side(Comb(coherences()), mid, seed=seed)[0]
        coherence = encode_signal(torch.stack(to_left_right(mid, side))).coherence
        means.append(coherence[:, 8:-8].mean(dim=1))
    assert (torch.stack(means).mean(dim=0) - coherences()).abs().max() < 0.03
