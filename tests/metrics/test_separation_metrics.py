"""SDR against the definition of BSS Eval's images and torchmetrics, and the error of a sum."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.audio import signal_noise_ratio

from sounds import RATE, noise, tone
from soundstage.metrics.fidelity import EXACT_DB, si_snr
from soundstage.metrics.separation import median_sdr, sdr, sum_error


def estimates() -> tuple[Tensor, Tensor]:
    reference = torch.stack([noise(5 * RATE, seed=seed) for seed in range(2)])
    errors = torch.stack([noise(5 * RATE, seed=7, level=0.02), noise(5 * RATE, seed=8)])
    return reference + errors, reference


def by_hand(estimate: Tensor, reference: Tensor) -> float:
    """museval's SDR of an image: ‖s‖² over ‖e_spat + e_interf + e_artif‖² = ‖ŝ − s‖²."""
    wanted, made = reference.double().numpy(), estimate.double().numpy()
    return float(10 * np.log10((wanted**2).sum() / ((made - wanted) ** 2).sum()))


def test_it_is_the_ratio_of_torchmetrics() -> None:
    made, wanted = estimates()
    expected = signal_noise_ratio(made.double(), wanted.double())
    torch.testing.assert_close(sdr(made, wanted), expected, atol=1e-9, rtol=0)


def test_an_error_of_known_level_has_its_ratio() -> None:
    wanted = noise(RATE)
    for level in (-30.0, 0.0, 10.0):
        made = wanted + 10 ** (level / 20) * wanted.flip(0)
        assert sdr(made, wanted).item() == pytest.approx(-level, abs=1e-4)


def test_a_gain_is_an_error_that_si_sdr_does_not_see() -> None:
    wanted = noise(RATE)
    assert sdr(0.5 * wanted, wanted).item() == pytest.approx(20 * math.log10(2))
    assert si_snr(0.5 * wanted, wanted) > 100


def test_the_ends_of_the_scale() -> None:
    wanted = noise(RATE)
    assert sdr(wanted, wanted) == EXACT_DB
    assert sdr(torch.zeros(RATE), wanted) == 0
    assert sdr(wanted, torch.zeros(RATE)).isnan()
    assert median_sdr(wanted, torch.zeros(RATE), RATE).isnan()


def test_the_median_is_that_of_the_seconds() -> None:
    made, wanted = estimates()
    made, wanted = made[0], wanted[0]
    made[RATE : 2 * RATE] = 0
    made[2 * RATE : 3 * RATE] = wanted[2 * RATE : 3 * RATE]
    expected = [
        by_hand(made[start : start + RATE], wanted[start : start + RATE])
        for start in range(0, 5 * RATE, RATE)
        if start != 2 * RATE
    ]
    median = float(np.median([*expected, EXACT_DB]))
    assert median_sdr(made, wanted, RATE).item() == pytest.approx(median, abs=1e-9)
    assert sdr(made, wanted) < median - 3  # one second without the source outweighs the others


def test_seconds_in_which_the_source_is_silent_do_not_count() -> None:
    made, wanted = estimates()
    pause = torch.cat([wanted[0], noise(3 * RATE, level=1e-6)])
    spill = torch.cat([made[0], noise(3 * RATE, level=0.01)])
    alone = median_sdr(made[0], wanted[0], RATE)
    assert median_sdr(spill, pause, RATE).item() == pytest.approx(alone.item())


def test_a_batch_is_measured_one_by_one() -> None:
    made, wanted = estimates()
    both = median_sdr(made, wanted, RATE)
    assert both.tolist() == [median_sdr(*pair, RATE) for pair in zip(made, wanted, strict=True)]


def test_a_rest_counts_only_if_it_is_all_there_is() -> None:
    made, wanted = estimates()
    made, wanted = made[0], wanted[0]
    whole = median_sdr(made[: 2 * RATE], wanted[: 2 * RATE], RATE)
    assert median_sdr(made[: 2 * RATE + 999], wanted[: 2 * RATE + 999], RATE) == whole
    short = median_sdr(made[:999], wanted[:999], RATE)
    assert short.item() == pytest.approx(by_hand(made[:999], wanted[:999]))


def test_the_mixture_has_the_level_of_the_source_over_the_others() -> None:
    source, others = noise(RATE, level=0.1), tone(RATE, level=0.1)
    level = 10 * math.log10(float(source.square().sum() / others.square().sum()))
    assert sdr(source + others, source).item() == pytest.approx(level, abs=1e-4)


def test_the_sum_of_sources_is_measured_against_the_mixture() -> None:
    sources = torch.stack([noise(RATE, seed=seed) for seed in range(3)]).double()
    mixture = sources.sum(dim=0)
    assert sum_error(sources, mixture) < -290
    missing = sum_error(sources[:2], mixture)
    assert missing == pytest.approx(-10 * math.log10(3), abs=0.1)
    stereo = torch.stack([sources, sources], dim=1)
    assert sum_error(stereo[:2], torch.stack([mixture, mixture])) == pytest.approx(missing)
    assert sum_error(torch.zeros(2, RATE), torch.zeros(RATE)) == -EXACT_DB
    assert sum_error(torch.full((1, RATE), 0.1), torch.zeros(RATE)) == pytest.approx(-20)
