import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.training.tasks.binaural_losses import (
    EMPHASIS,
    BinauralLoss,
    mean_square,
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
    made, true = noise(0), noise(1)
    loss = BinauralLoss()
    wanted = [((made[each] - true[each]) ** 2).mean() for each in range(2)]
    torch.testing.assert_close(loss.of_error(made - true), torch.stack(wanted))
    assert loss.of_sound(made, true).tolist() == [0, 0]


@pytest.mark.parametrize("hertz", [50, 500, 4000, 20_000])
def test_emphasis_weighs_a_tone_by_the_response_of_its_filter(hertz: int) -> None:
    gain = abs(1 - EMPHASIS * np.exp(-2j * np.pi * hertz / RATE)) ** 2
    found = BinauralLoss(wave=0, emphasis=3.0).of_error(tone(hertz))
    np.testing.assert_allclose(found.numpy(), 3 * gain / 2, rtol=0.02)


def test_emphasis_weighs_treble_more_than_bass() -> None:
    emphasis = BinauralLoss(0.0, 1.0)
    bass, treble = (emphasis.of_error(tone(hertz)) for hertz in (100, 8000))
    assert bool((treble > 500 * bass).all())
    bass, treble = (BinauralLoss().of_error(tone(hertz)) for hertz in (100, 8000))
    torch.testing.assert_close(treble, bass, rtol=0.01, atol=0)


@given(GAINS)
def test_the_terms_of_the_error_go_with_its_energy(gain: float) -> None:
    loss = BinauralLoss(wave=2.0, emphasis=0.5)
    one, other = loss.of_error(noise()), loss.of_error(gain * noise())
    torch.testing.assert_close(other, gain**2 * one, rtol=1e-4, atol=0)


def test_weights_are_those_that_were_asked_for() -> None:
    made, true = noise(0), noise(1)
    whole = BinauralLoss(2.0, 3.0, 5.0)
    wave, bright = BinauralLoss(), BinauralLoss(0.0, 1.0)
    wanted = 2 * wave.of_error(made - true) + 3 * bright.of_error(made - true)
    torch.testing.assert_close(whole.of_error(made - true), wanted)
    torch.testing.assert_close(whole.of_sound(made, true), 5 * phase_difference(made, true))


@given(GAINS)
def test_phases_of_equal_sounds_do_not_differ_at_any_gain(gain: float) -> None:
    found = phase_difference(gain * noise(), noise())
    torch.testing.assert_close(found, torch.zeros(2), rtol=0, atol=1e-4)


@given(GAINS)
def test_phases_of_an_inverted_sound_differ_by_half_a_turn_at_any_gain(gain: float) -> None:
    found = phase_difference(-gain * noise(), noise())
    torch.testing.assert_close(found, torch.full((2,), math.pi), rtol=0, atol=1e-4)


@given(GAINS)
def test_phases_are_blind_to_gain(gain: float) -> None:
    made, true = noise(0), noise(1)
    torch.testing.assert_close(phase_difference(gain * made, true), phase_difference(made, true))
    torch.testing.assert_close(phase_difference(made, gain * true), phase_difference(made, true))


@given(st.floats(-3.1, 3.1))
def test_a_turned_tone_differs_by_its_turn(turn: float) -> None:
    swell = torch.hann_window(FRAMES)  # beyond whose ends the transform would mirror the sound
    found = phase_difference(swell * tone(1000, turn), swell * tone(1000))
    torch.testing.assert_close(found, torch.full((2,), abs(turn)), rtol=0, atol=0.05)


def test_phases_of_unrelated_sounds_differ_by_a_quarter_turn_on_average() -> None:
    found = phase_difference(noise(0), noise(1))
    torch.testing.assert_close(found, torch.full((2,), math.pi / 2), rtol=0, atol=0.08)


def test_an_example_does_not_hear_the_others() -> None:
    made, true = noise(0), noise(1)
    both = phase_difference(made, true)
    for each in range(2):
        alone = phase_difference(made[each : each + 1], true[each : each + 1])
        torch.testing.assert_close(alone[0], both[each])


def test_phases_count_where_the_truth_is_heard_alone() -> None:
    true = tone(1000) + 1e-3 * noise(1)
    torch.testing.assert_close(
        phase_difference(tone(1000) + 1e-3 * noise(2), true), torch.zeros(2), rtol=0, atol=0.02
    )
    assert phase_difference(noise(), torch.zeros_like(noise())).tolist() == [0, 0]


@pytest.mark.parametrize("made", [torch.zeros(2, 2, FRAMES), 1e-30 * noise(2), noise(2)])
@pytest.mark.parametrize("true", [torch.zeros(2, 2, FRAMES), 1e-12 * noise(1), noise(1)])
def test_gradients_are_finite_however_silent_a_sound_is(
    made: torch.Tensor, true: torch.Tensor
) -> None:
    made = made.clone().requires_grad_()
    loss = BinauralLoss(1.0, 1.0, 0.01)
    (loss.of_error(made - true) + loss.of_sound(made, true)).sum().backward()
    assert made.grad is not None
    assert bool(made.grad.isfinite().all())


def test_gradients_are_finite_where_both_sounds_fade_out() -> None:
    fading = torch.logspace(0, -14, FRAMES)
    made = (fading * noise(0)).requires_grad_()
    phase_difference(made, fading * noise(1)).sum().backward()
    assert made.grad is not None
    assert bool(made.grad.isfinite().all())
    assert bool(made.grad.any())


def test_steps_down_the_phases_bring_them_nearer() -> None:
    true, made = noise(1), noise(0).requires_grad_()
    optimizer = torch.optim.Adam([made], lr=0.05)
    found = []
    for _ in range(10):
        loss = phase_difference(made, true).mean()
        found.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert found[-1] < 0.8 * found[0]


def test_an_error_that_is_no_number_is_worse_than_any() -> None:
    assert mean_square(torch.tensor([3.0, 4.0])) == 12.5
    for wrong in (math.nan, math.inf, -math.inf):
        assert mean_square(torch.tensor([0.0, wrong])) == math.inf
