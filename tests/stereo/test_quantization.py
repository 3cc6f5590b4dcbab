import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise
from soundstage.stereo import TOKENS, Parameters, dequantize, quantize
from soundstage.stereo.encoding import IC_STEPS, IID_STEPS, nearest_step


def test_steps_are_those_of_the_paper() -> None:
    right = [0, 2, 4, 6, 8, 10, 13, 16, 19, 22, 25, 30, 35, 40, 45, 50]
    assert IID_STEPS.tolist() == [-step for step in right[:0:-1]] + right
    wanted = [1, 0.937, 0.84118, 0.60092, 0.36764, 0, -0.589, -1]
    assert IC_STEPS.tolist() == pytest.approx(wanted)


def test_every_token_comes_back() -> None:
    tokens = torch.arange(TOKENS, dtype=torch.uint8)
    assert TOKENS == 248
    assert torch.equal(quantize(dequantize(tokens)), tokens)


def test_a_token_is_eight_times_the_level_step_plus_the_coherence_step() -> None:
    parameters = dequantize(torch.tensor([8 * 17 + 3]))
    assert parameters.iid.item() == 4
    assert parameters.coherence.item() == pytest.approx(0.60092)


@given(
    iid=st.lists(st.floats(-90, 90), min_size=1, max_size=20),
    coherence=st.lists(st.floats(-1, 1), min_size=1, max_size=20),
)
def test_the_nearest_step_is_the_one_of_a_brute_force_search(
    iid: list[float], coherence: list[float]
) -> None:
    for values, steps in ((iid, IID_STEPS), (coherence, IC_STEPS)):
        asked = torch.tensor(values)
        found = steps[nearest_step(asked, steps)]
        distances = (asked[:, None].double() - steps.double()).abs().amin(dim=1)
        torch.testing.assert_close((asked - found).abs().double(), distances, rtol=1e-5, atol=1e-6)


def test_a_tie_goes_to_the_lower_step() -> None:
    steps = IID_STEPS[nearest_step(torch.tensor([1.0, -1.0, 11.5]), IID_STEPS)]
    assert steps.tolist() == [0.0, -2.0, 10.0]


def test_tokens_are_bytes_below_248_whatever_the_parameters() -> None:
    extreme = torch.tensor([-1e9, -50.0, 0.0, 50.0, 1e9])
    coherence = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    grid = Parameters(*torch.meshgrid(extreme, coherence, indexing="ij"))
    tokens = quantize(grid)
    assert tokens.dtype == torch.uint8
    assert tokens.max() < TOKENS


def test_quantizing_is_off_by_no_more_than_half_a_step() -> None:
    iid, coherence = noise(1_000, level=12.0), noise(1_000, seed=1, level=0.5).clamp(-1, 1)
    again = dequantize(quantize(Parameters(iid, coherence)))
    assert (again.iid - iid.clamp(-50, 50)).abs().max() <= 2.5
    assert (again.coherence - coherence).abs().max() <= 0.589 / 2 + 1e-6


def test_shapes_and_transposed_views_are_kept() -> None:
    values = noise(24, level=5.0).reshape(4, 6).T
    tokens = quantize(Parameters(values, torch.ones(6, 4)))
    assert tokens.shape == (6, 4)
    expected = np.abs(values.numpy()[..., None] - IID_STEPS.numpy()).argmin(axis=-1) * 8
    assert np.array_equal(tokens.numpy(), expected)
