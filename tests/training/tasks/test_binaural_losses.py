import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.training.tasks.binaural_losses import (
    PREEMPHASIS,
    BinauralLoss,
    phase_difference,
)

RATE = 48_000
FRAMES = 8192
GAINS = st.floats(0.01, 100)


def noise(seed: int = 0, frames: int = FRAMES) -> torch.Tensor:
    """Two examples of two ears."""
    return torch.randn(2, 2, frames, generator=torch.Generator().manual_seed(seed))


def tone(hertz: float, phase: float = 0.0) -> torch.Tensor:
    angle = 2 * torch.pi * hertz / RATE * torch.arange(FRAMES, dtype=torch.float64) + phase
    return angle.sin().float().expand(2, 2, -1)


def test_by_default_the_loss_is_the_squared_error_of_each_example() -> None:
    output, target = noise(0), noise(1)
    loss = BinauralLoss()
    expected = [((output[each] - target[each]) ** 2).mean() for each in range(2)]
    torch.testing.assert_close(loss.error_terms(output - target), torch.stack(expected))
    assert loss.phase_term(output, target).tolist() == [0, 0]


@pytest.mark.parametrize("hertz", [50, 500, 4000, 20_000])
def test_the_preemphasis_term_of_a_tone_follows_the_response_of_its_filter(hertz: int) -> None:
    gain = abs(1 - PREEMPHASIS * np.exp(-2j * np.pi * hertz / RATE)) ** 2
    found = BinauralLoss(wave=0, preemphasis=3.0).error_terms(tone(hertz))
    np.testing.assert_allclose(found.numpy(), 3 * gain / 2, rtol=0.02)


def test_preemphasis_weights_treble_more_than_bass() -> None:
    preemphasis = BinauralLoss(0.0, 1.0)
    bass, treble = (preemphasis.error_terms(tone(hertz)) for hertz in (100, 8000))
    assert bool((treble > 500 * bass).all())
    bass, treble = (BinauralLoss().error_terms(tone(hertz)) for hertz in (100, 8000))
    torch.testing.assert_close(treble, bass, rtol=0.01, atol=0)


@given(GAINS)
def test_the_error_terms_are_proportional_to_the_energy(gain: float) -> None:
    loss = BinauralLoss(wave=2.0, preemphasis=0.5)
    one, other = loss.error_terms(noise()), loss.error_terms(gain * noise())
    torch.testing.assert_close(other, gain**2 * one, rtol=1e-4, atol=0)


def test_the_terms_are_weighted() -> None:
    output, target = noise(0), noise(1)
    whole = BinauralLoss(2.0, 3.0, 5.0)
    wave, bright = BinauralLoss(), BinauralLoss(0.0, 1.0)
    expected = 2 * wave.error_terms(output - target) + 3 * bright.error_terms(output - target)
    torch.testing.assert_close(whole.error_terms(output - target), expected)
    torch.testing.assert_close(
        whole.phase_term(output, target), 5 * phase_difference(output, target)
    )


@given(GAINS)
def test_equal_signals_have_no_phase_difference_at_any_gain(gain: float) -> None:
    found = phase_difference(gain * noise(), noise())
    torch.testing.assert_close(found, torch.zeros(2), rtol=0, atol=1e-4)


@given(GAINS)
def test_an_inverted_signal_has_a_phase_difference_of_pi_at_any_gain(gain: float) -> None:
    found = phase_difference(-gain * noise(), noise())
    torch.testing.assert_close(found, torch.full((2,), math.pi), rtol=0, atol=1e-4)


@given(GAINS)
def test_the_phase_difference_does_not_depend_on_gain(gain: float) -> None:
    output, target = noise(0), noise(1)
    torch.testing.assert_close(
        phase_difference(gain * output, target), phase_difference(output, target)
    )
    torch.testing.assert_close(
        phase_difference(output, gain * target), phase_difference(output, target)
    )


@given(st.floats(-3.1, 3.1))
def test_the_phase_difference_of_a_shifted_tone_is_its_shift(turn: float) -> None:
    window = torch.hann_window(FRAMES)  # the transform mirrors the signal at its ends
    found = phase_difference(window * tone(1000, turn), window * tone(1000))
    torch.testing.assert_close(found, torch.full((2,), abs(turn)), rtol=0, atol=0.05)


def test_the_phase_difference_of_independent_signals_is_half_of_pi_on_average() -> None:
    found = phase_difference(noise(0), noise(1))
    torch.testing.assert_close(found, torch.full((2,), math.pi / 2), rtol=0, atol=0.08)


def test_examples_are_independent() -> None:
    output, target = noise(0), noise(1)
    both = phase_difference(output, target)
    for each in range(2):
        alone = phase_difference(output[each : each + 1], target[each : each + 1])
        torch.testing.assert_close(alone[0], both[each])


def test_only_audible_bins_of_the_target_count() -> None:
    target = tone(1000) + 1e-3 * noise(1)
    torch.testing.assert_close(
        phase_difference(tone(1000) + 1e-3 * noise(2), target), torch.zeros(2), rtol=0, atol=0.02
    )
    assert phase_difference(noise(), torch.zeros_like(noise())).tolist() == [0, 0]


@pytest.mark.parametrize("output", [torch.zeros(2, 2, FRAMES), 1e-30 * noise(2), noise(2)])
@pytest.mark.parametrize("target", [torch.zeros(2, 2, FRAMES), 1e-12 * noise(1), noise(1)])
def test_gradients_are_finite_for_silent_signals(
    output: torch.Tensor, target: torch.Tensor
) -> None:
    output = output.clone().requires_grad_()
    loss = BinauralLoss(1.0, 1.0, 0.01)
    (loss.error_terms(output - target) + loss.phase_term(output, target)).sum().backward()
    assert output.grad is not None
    assert bool(output.grad.isfinite().all())


def test_gradients_are_finite_where_both_signals_fade_out() -> None:
    fading = torch.logspace(0, -14, FRAMES)
    output = (fading * noise(0)).requires_grad_()
    phase_difference(output, fading * noise(1)).sum().backward()
    assert output.grad is not None
    assert bool(output.grad.isfinite().all())
    assert bool(output.grad.any())


def test_gradient_steps_decrease_the_phase_difference() -> None:
    target, output = noise(1), noise(0).requires_grad_()
    optimizer = torch.optim.Adam([output], lr=0.05)
    found = []
    for _ in range(10):
        loss = phase_difference(output, target).mean()
        found.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert found[-1] < 0.8 * found[0]
