import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import convolve, cut, drums, noise, song
from soundstage.stereo import TransientStream
from soundstage.upmixing.filtering import FilterStream


def filtered(mid: torch.Tensor, places: list[int], *, keep_transients: bool) -> torch.Tensor:
    response = noise(301, seed=7, level=0.05)
    stream = FilterStream(response, advance=150, keep_transients=keep_transients)
    return torch.cat([*map(stream.push, cut(mid, places)), stream.finish()], dim=-1)


def test_without_transients_the_side_is_the_filtered_mid() -> None:
    mid = song(20_000)
    wanted = convolve(mid, noise(301, seed=7, level=0.05), advance=150)
    assert torch.equal(filtered(mid, [], keep_transients=False)[0], wanted)


def test_at_attacks_the_side_is_faded_out() -> None:
    mid = drums(40_000) + noise(40_000, seed=1, level=0.001)
    stream = TransientStream()
    gain = torch.cat([stream.push(mid), stream.finish()])
    faded = filtered(mid, [], keep_transients=True)
    torch.testing.assert_close(faded, gain * filtered(mid, [], keep_transients=False))
    assert torch.all(faded[0, 22_050:22_150] == 0)


@pytest.mark.parametrize("keep_transients", [False, True])
@given(length=st.integers(1, 30_000), places=st.lists(st.integers(0, 30_000), max_size=5))
def test_streamed_equals_whole(keep_transients: bool, length: int, places: list[int]) -> None:
    mid = song(length)
    whole = filtered(mid, [], keep_transients=keep_transients)
    streamed = filtered(mid, places, keep_transients=keep_transients)
    assert streamed.shape == (1, length)
    torch.testing.assert_close(streamed, whole, rtol=0, atol=1e-6)
