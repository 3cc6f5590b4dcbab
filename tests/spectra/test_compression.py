import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo.compressed_stft import compress, expand

GAMMA = 0.15


@given(
    decades=st.floats(-6, 3),
    turn=st.floats(-math.pi, math.pi),
    gamma=st.sampled_from([0.05, GAMMA, 1.0]),
)
def test_what_is_compressed_expands_to_itself(decades: float, turn: float, gamma: float) -> None:
    spectrum = torch.polar(torch.tensor([10.0**decades]), torch.tensor([turn]))
    again = expand(compress(spectrum, gamma), gamma)
    assert float((again - spectrum).abs()) < 1e-5 * 10**decades


@given(decades=st.floats(-6, 3), turn=st.floats(-3, 3))
def test_magnitudes_are_logarithms_and_phases_stay(decades: float, turn: float) -> None:
    spectrum = torch.polar(torch.tensor([10.0**decades]), torch.tensor([turn]))
    compressed = compress(spectrum, GAMMA)
    assert float(compressed.abs()) == pytest.approx(GAMMA * math.log1p(10**decades), rel=1e-5)
    assert float(compressed.angle()) == pytest.approx(turn, abs=1e-5)


def test_silence_stays_silent() -> None:
    nothing = torch.zeros(3, dtype=torch.complex64)
    assert torch.equal(compress(nothing, GAMMA), nothing)
    assert torch.equal(expand(nothing, GAMMA), nothing)
