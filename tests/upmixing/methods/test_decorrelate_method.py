from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import convolve, cut, decibels, drums, noise, song
from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, TransientStream, encode_signal, to_left_right
from soundstage.upmixing import make_side
from soundstage.upmixing.methods.decorrelate import (
    Decorrelate,
    FilterStream,
    decorrelating_response,
    load,
)
from soundstage.weights.model import save_weights
from tiny import coherences

LENGTH = 200_000


def analyzed(table: torch.Tensor):
    """Parameters of upmixed noise, without the frames at its ends."""
    mid = noise(LENGTH)
    side = make_side(Decorrelate(table), mid)[0]
    iid, coherence = encode_signal(torch.stack(to_left_right(mid, side)))
    return iid[:, 8:-8], coherence[:, 8:-8]


def test_noise_gets_the_coherence_of_the_table_in_every_band() -> None:
    """On average over time; the lowest bands hold a few bins, so 0.04."""
    _, coherence = analyzed(coherences())
    assert (coherence.mean(dim=1) - coherences()).abs().max() < 0.04
    assert (coherence.mean(dim=1) - coherences())[20:].abs().max() < 0.01


def test_there_is_no_panning() -> None:
    """The direct path of the all-pass cascade, a sixteenth of the mid, would pan by 0.4 dB."""
    iid, _ = analyzed(coherences())
    assert iid.mean().abs() < 0.1


def test_full_coherence_leaves_mono() -> None:
    assert make_side(Decorrelate(torch.ones(BANDS)), noise(5_000)).abs().max() < 1e-6


def test_a_coherence_of_minus_one_stays_finite() -> None:
    side = make_side(Decorrelate(-torch.ones(BANDS)), noise(20_000))
    assert torch.isfinite(side).all()
    assert side.norm() <= 15 * noise(20_000).norm()


def test_the_side_is_silent_at_attacks() -> None:
    mid = drums(44_100) + noise(44_100, seed=2, level=0.001)
    side = make_side(Decorrelate(coherences()), mid)[0]
    assert side[22_050:22_150].norm() < 0.01 * mid[22_050:22_150].norm()


def test_another_seed_is_another_side() -> None:
    method, mid = Decorrelate(coherences()), noise(20_000)
    first = make_side(method, mid, seed=3)
    assert decibels(first - make_side(method, mid, seed=4), first) > -10


def test_the_response_is_not_truncated() -> None:
    response = decorrelating_response(coherences(), seed=0)
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
        load(str(path))


def test_a_saved_table_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    save_weights(path, "decorrelate", {"coherence": coherences()})
    loaded, mid = load(str(path)), noise(10_000)
    assert torch.equal(make_side(loaded, mid), make_side(Decorrelate(coherences()), mid))


RESPONSES = [noise(301, seed=seed, level=0.05) for seed in (7, 8)]


def filtered(mid: torch.Tensor, places: list[int], *, keep_transients: bool) -> torch.Tensor:
    stream = FilterStream(RESPONSES, advance=150, keep_transients=keep_transients)
    return torch.cat([*map(stream.push, cut(mid, places)), stream.finish()], dim=-1)[:, 0]


def test_the_side_is_the_filtered_mid_faded_out_at_attacks() -> None:
    mid = drums(40_000) + noise(40_000, seed=1, level=0.001)
    plain = filtered(mid, [], keep_transients=False)
    for take, response in zip(plain, RESPONSES, strict=True):
        assert torch.equal(take, convolve(mid, response, advance=150))
    stream = TransientStream()
    gain = torch.cat([stream.push(mid), stream.finish()])
    torch.testing.assert_close(filtered(mid, [], keep_transients=True), gain * plain)


@given(length=st.integers(1, 30_000), places=st.lists(st.integers(0, 30_000), max_size=5))
def test_blocks_of_any_size_give_the_same_side(length: int, places: list[int]) -> None:
    mid = song(length)
    whole, streamed = (filtered(mid, cuts, keep_transients=True) for cuts in ([], places))
    assert streamed.shape == (2, length)
    torch.testing.assert_close(streamed, whole, rtol=0, atol=1e-6)
