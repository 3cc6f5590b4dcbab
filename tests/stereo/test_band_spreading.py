import itertools

import torch

from sounds import noise
from soundstage.stereo import BANDS
from soundstage.stereo.encoding import BAND_EDGES, SPREADING, spread


def test_one_value_in_all_bands_is_that_value_in_all_bins() -> None:
    torch.testing.assert_close(spread(torch.full((BANDS, 2), 0.7)), torch.full((2049, 2), 0.7))


def test_every_band_reaches_its_own_value() -> None:
    values = noise(BANDS, level=1.0)[:, None]
    bins = spread(values)
    for band, (low, high) in enumerate(itertools.pairwise(BAND_EDGES)):
        assert (bins[low:high] - values[band]).abs().min() < 1e-6


def test_borders_are_ramps_that_never_overshoot() -> None:
    step = torch.zeros(BANDS, 1)
    step[20:] = 1.0
    bins = spread(step)[:, 0]
    assert torch.all(bins.diff() >= -1e-6)
    assert bins.diff().max() < 0.2  # a step would be 1
    low, border, high = BAND_EDGES[19], BAND_EDGES[20], BAND_EDGES[21]
    assert bins[(low + border) // 2] == 0
    assert bins[(border + high) // 2] == 1
    assert (bins[border - 1] + bins[border] - 1).abs() < 1e-6  # halfway between them is one half


def test_no_bin_is_counted_more_or_less_than_once() -> None:
    assert SPREADING.min() >= 0
    torch.testing.assert_close(SPREADING.sum(dim=1), torch.ones(2049))
