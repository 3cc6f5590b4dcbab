import numpy as np
import torch

from soundstage.stereo.encoding import RATE, TRANSFORM
from soundstage.stereo.fine_bands import (
    FINE_BANDS,
    FINE_EDGES,
    SINGLE_BINS,
    WIDTHS,
    fine_levels,
    fine_powers,
    to_bins,
)


def test_bands_cover_all_bins_and_widen():
    assert FINE_EDGES[0] == 0
    assert FINE_EDGES[-1] == TRANSFORM.bins
    assert len(FINE_EDGES) == FINE_BANDS + 1
    widths = np.diff(FINE_EDGES)
    assert (widths[:SINGLE_BINS] == 1).all()
    assert (widths >= 1).all()
    upper = FINE_EDGES[-30:]
    assert np.allclose(np.log2(upper[1:] / upper[:-1]), 1 / 21.2, atol=0.006)


def test_powers_of_the_bands_add_up_to_the_power_of_the_bins():
    spectrogram = TRANSFORM.analyze(torch.randn(8_000, generator=torch.Generator().manual_seed(1)))
    powers = fine_powers(spectrogram)
    assert powers.shape == (FINE_BANDS, spectrogram.shape[1])
    assert torch.allclose(powers.sum(0), spectrogram.abs().square().sum(0), rtol=1e-4)


def test_a_sine_is_loudest_in_its_band_with_60_db():
    frequency = 1_000
    sine = torch.sin(2 * torch.pi * frequency * torch.arange(RATE) / RATE)
    levels = fine_levels(fine_powers(TRANSFORM.analyze(sine)))[:, 20]
    band = int(np.searchsorted(FINE_EDGES, round(frequency * TRANSFORM.frame / RATE), "right")) - 1
    assert abs(int(levels.argmax()) - band) <= 1
    assert abs(float(levels.max()) - 60) < 3


def test_values_at_the_bins_keep_constants_and_order():
    constant = to_bins(torch.full((FINE_BANDS, 2), 0.3))
    assert torch.allclose(constant, torch.tensor(0.3))
    rising = to_bins(torch.arange(FINE_BANDS).float()[:, None])[:, 0]
    assert (rising.diff() >= 0).all()
    assert rising[:SINGLE_BINS].tolist() == list(range(SINGLE_BINS))
    assert int(WIDTHS.sum()) == len(rising)
