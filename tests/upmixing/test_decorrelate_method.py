from pathlib import Path

import pytest
import torch

from sounds import decibels, drums, noise
from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, encode_signal, to_left_right
from soundstage.upmixing import make_side
from soundstage.upmixing.methods.decorrelate import Decorrelate, side_response
from soundstage.weights.model import save_weights
from tiny import coherences

LENGTH = 200_000


def analyzed(table: torch.Tensor, seed: int = 0):
    """Parameters of upmixed noise, without the frames at its ends."""
    mid = noise(LENGTH)
    side = make_side(Decorrelate(table), mid, seed=seed)[0]
    iid, coherence = encode_signal(torch.stack(to_left_right(mid, side)))
    return iid[:, 8:-8], coherence[:, 8:-8]


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_gets_the_coherence_of_the_table_in_every_band(seed: int) -> None:
    """On average over time; the lowest bands hold a few bins, so 0.04."""
    _, coherence = analyzed(coherences(), seed)
    assert (coherence.mean(dim=1) - coherences()).abs().max() < 0.04
    assert (coherence.mean(dim=1) - coherences())[20:].abs().max() < 0.01


def test_nothing_is_placed_anywhere() -> None:
    """The direct path of the all-pass cascade, a sixteenth of the mid, would lean by 0.4 dB."""
    iid, _ = analyzed(coherences())
    assert iid.mean().abs() < 0.1


def test_full_coherence_leaves_mono() -> None:
    assert make_side(Decorrelate(torch.ones(BANDS)), noise(5_000)).abs().max() < 1e-6


def test_a_coherence_of_minus_one_stays_finite() -> None:
    side = make_side(Decorrelate(-torch.ones(BANDS)), noise(20_000))
    assert torch.isfinite(side).all()
    assert side.norm() <= 15 * noise(20_000).norm()


def test_attacks_are_left_dry() -> None:
    mid = drums(44_100) + noise(44_100, seed=2, level=0.001)
    side = make_side(Decorrelate(coherences()), mid)[0]
    assert side[22_050:22_150].norm() < 0.01 * mid[22_050:22_150].norm()


def test_a_seed_repeats_and_another_differs() -> None:
    method, mid = Decorrelate(coherences()), noise(20_000)
    first = make_side(method, mid, seed=3)
    assert torch.equal(first, make_side(method, mid, seed=3))
    assert decibels(first - make_side(method, mid, seed=4), first) > -10


def test_the_response_is_not_cut_off() -> None:
    response = side_response(coherences(), seed=0)
    energy = response.square().sum()
    assert response[:100].square().sum() < 1e-6 * energy
    assert response[-100:].square().sum() < 1e-6 * energy


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("coherence", torch.zeros(BANDS - 1)),
        ("coherence", torch.full((BANDS,), float("nan"))),
        ("coherence", torch.zeros(BANDS, dtype=torch.float64)),
        ("other", torch.zeros(BANDS)),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, name: str, table: torch.Tensor
) -> None:
    path = tmp_path / "table.safetensors"
    save_weights(path, "decorrelate", {name: table})
    with pytest.raises(WeightsError, match="coherence"):
        Decorrelate.load(str(path))


def test_a_saved_table_is_the_one_that_is_used(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    save_weights(path, "decorrelate", {"coherence": coherences()})
    loaded, mid = Decorrelate.load(str(path)), noise(10_000)
    assert torch.equal(make_side(loaded, mid), make_side(Decorrelate(coherences()), mid))
