import math
import sys

import numpy as np
import pytest
import scipy.signal
import torch

from sounds import noise, song, tone
from soundstage.errors import OptionError
from soundstage.metrics.loudness import integrated_loudness, true_peak

RATE = 48_000

# K-weighting as ITU-R BS.1770-4 prints it for 48 kHz (Tables 1 and 2)
SHELF = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285),
    (1.0, -1.69065929318241, 0.73248077421585),
)
HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))


def by_the_standard(sound: torch.Tensor) -> float:
    """The gated loudness, from the text of the standard."""
    weighted = sound.double().numpy()
    for numerator, denominator in (SHELF, HIGH_PASS):
        weighted = scipy.signal.lfilter(numerator, denominator, weighted)
    block, step = round(0.4 * RATE), round(0.1 * RATE)
    starts = range(0, weighted.shape[1] - block + 1, step)
    powers = np.array([np.mean(weighted[:, i : i + block] ** 2, axis=1).sum() for i in starts])
    powers = powers[10 * np.log10(powers) - 0.691 > -70]
    gate = 10 * np.log10(powers.mean()) - 10
    return float(10 * np.log10(powers[10 * np.log10(powers) > gate].mean()) - 0.691)


@pytest.mark.parametrize(("rate", "channels", "loudness"), [(44_100, 1, -3.01), (48_000, 2, 0.0)])
def test_a_full_scale_sine_has_the_loudness_of_the_standard(
    rate: int, channels: int, loudness: float
) -> None:
    sine = tone(5 * rate, hz=997, level=1.0, rate=rate).expand(channels, -1)
    assert integrated_loudness(sine, rate) == pytest.approx(loudness, abs=0.05)


def test_loudness_agrees_with_a_derivation_from_the_standard() -> None:
    pause = 1e-3 * noise(3 * RATE)  # 40 dB down: under the relative gate
    wide = torch.stack([song(6 * RATE, rate=RATE), 0.5 * song(6 * RATE, seed=3, rate=RATE)])
    wide = torch.cat([wide, pause.expand(2, -1)], dim=1)
    assert integrated_loudness(wide, RATE) == pytest.approx(by_the_standard(wide), abs=0.1)


def test_a_gain_changes_loudness_and_peak_by_its_decibels() -> None:
    gain_db = -20.0
    sound = song(3 * RATE, rate=RATE).expand(2, -1)
    louder = 10 ** (gain_db / 20) * sound
    moved = integrated_loudness(louder, RATE) - integrated_loudness(sound, RATE)
    assert moved == pytest.approx(gain_db, abs=1e-3)
    assert true_peak(louder, RATE) - true_peak(sound, RATE) == pytest.approx(gain_db, abs=1e-3)


def test_neither_swapped_nor_inverted_channels_change_the_level() -> None:
    wide = torch.stack([song(RATE, rate=RATE), noise(RATE)])
    for other in (wide.flip(0), -wide):
        assert integrated_loudness(other, RATE) == pytest.approx(integrated_loudness(wide, RATE))
        assert true_peak(other, RATE) == pytest.approx(true_peak(wide, RATE))


def test_silence_has_a_level_of_minus_infinity() -> None:
    assert integrated_loudness(torch.zeros(2, RATE), RATE) == -math.inf
    assert integrated_loudness(noise(RATE, level=1e-5)[None], RATE) == -math.inf  # under −70 LUFS
    assert true_peak(torch.zeros(2, RATE), RATE) == -math.inf


@pytest.mark.parametrize("rate", [44_100, 11_025])
def test_a_sound_shorter_than_a_block_has_no_loudness(rate: int) -> None:
    block = math.ceil(0.4 * rate)
    assert math.isnan(integrated_loudness(noise(block - 1)[None], rate))
    assert math.isfinite(integrated_loudness(noise(block)[None], rate))


def test_the_true_peak_lies_between_the_samples() -> None:
    quarter = torch.tensor([0.5, 0.5, -0.5, -0.5]).repeat(1_000)  # a sine of 0.5·√2, or −3.01 dB
    sound = torch.stack([0.1 * quarter, quarter * torch.hann_window(4_000)])
    fine = np.abs(scipy.signal.resample(sound[1].double().numpy(), 64_000)).max()
    assert true_peak(sound, RATE) == pytest.approx(20 * math.log10(fine), abs=0.1)
    assert true_peak(sound, RATE) == pytest.approx(-3.01, abs=0.1)
    assert 20 * math.log10(sound.abs().max().item()) < -6


def test_a_missing_pyloudnorm_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyloudnorm", None)
    with pytest.raises(OptionError, match="extra eval"):
        integrated_loudness(noise(RATE)[None], RATE)
