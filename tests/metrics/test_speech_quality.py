import math
import sys

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from sounds import noise
from soundstage.errors import OptionError
from soundstage.metrics.speech_quality import SpeechQuality, pesq

RATE = 48_000


def speech(seconds: float, *, rate: int = RATE, hz: float = 120.0) -> Tensor:
    """Two syllables a second of a buzz with a pitch that moves, (frames,)."""
    time = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    phase = 2 * math.pi * (hz * time + 5 * torch.sin(2 * math.pi * 0.7 * time))
    buzz = sum((torch.sin(k * phase) / k for k in range(1, 30)), torch.zeros_like(time))
    return (0.1 * buzz * torch.sin(4 * math.pi * time).clamp(min=0)).float()


def ears(seconds: float, *, rate: int = RATE) -> Tensor:
    return torch.stack([speech(seconds, rate=rate), 0.5 * speech(seconds, rate=rate, hz=170)])


def test_a_missing_package_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(OptionError, match="extra speech"):
        pesq(ears(1), ears(1), RATE)


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def package(self):
        return pytest.importorskip("pesq")

    def test_the_truth_has_the_best_score(self) -> None:
        quality = pesq(ears(2), ears(2), RATE)
        assert quality == SpeechQuality(pytest.approx(4.64, abs=0.01), 2, 0)

    def test_noise_makes_it_worse(self) -> None:
        true = ears(2)
        scores = [
            pesq(true + noise(true.numel(), level=level).reshape(2, -1), true, RATE).score
            for level in (0.0, 1e-4, 1e-3, 1e-2)
        ]
        assert scores == sorted(scores, reverse=True)
        assert scores[-1] < 1.5 < 2 < scores[1]

    def test_it_is_the_mean_of_the_package_over_windows_and_ears(self, package) -> None:
        true = ears(11, rate=16_000)  # the last second is no window
        made = true + noise(true.numel(), level=3e-4).reshape(2, -1)
        made[1, 80_000:] += 0.01 * noise(96_000, seed=2)
        wanted = [
            package.pesq(16_000, true[ear, s:e].numpy(), made[ear, s:e].numpy(), "wb")
            for ear in range(2)
            for s, e in ((0, 80_000), (80_000, 160_000))
        ]
        assert np.ptp(wanted) > 0.05
        quality = pesq(made, true, 16_000)
        assert quality == SpeechQuality(pytest.approx(np.mean(wanted), abs=1e-6), 4, 0)
        swapped = pesq(made.flip(0), true.flip(0), 16_000)
        assert swapped.score == pytest.approx(quality.score, abs=1e-6)

    def test_other_rates_are_resampled_to_16_khz(self, package) -> None:
        true = ears(5)
        made = true + noise(true.numel(), level=3e-4).reshape(2, -1)
        one, other = (
            scipy.signal.resample_poly(x.numpy(), 1, 3, axis=1, window=("kaiser", 12.0))
            for x in (made, true)
        )
        wanted = np.mean([package.pesq(16_000, other[ear], one[ear], "wb") for ear in range(2)])
        assert pesq(made, true, RATE).score == pytest.approx(wanted, abs=0.02)

    def test_windows_without_speech_are_skipped_and_counted(self) -> None:
        true = ears(10, rate=16_000)
        made = true + noise(true.numel(), level=1e-3).reshape(2, -1)
        true[:, 80_000:] = 0
        head = pesq(made[:, :80_000], true[:, :80_000], 16_000)
        assert pesq(made, true, 16_000) == head._replace(skipped=2)
        true[1] = 0
        assert pesq(made, true, 16_000)[1:] == (1, 3)

    @pytest.mark.parametrize("seconds", [0.2, 3])
    def test_silence_has_no_score(self, seconds: float) -> None:
        silent = torch.zeros(2, round(seconds * RATE))
        windows = 2 if seconds > 1 else 0
        for made in (silent, ears(seconds)):
            assert math.isnan(pesq(made, silent, RATE).score)
            assert pesq(made, silent, RATE)[1:] == (0, windows)

    def test_the_residue_of_resampled_silence_is_silence(self) -> None:
        true = ears(2, rate=16_000)
        assert pesq(true, 1e-12 * true, 16_000)[1:] == (0, 2)
        assert pesq(1e-12 * true, true, 16_000).score == 1

    def test_silence_in_place_of_speech_has_the_worst_score(self) -> None:
        true = ears(2)
        assert pesq(torch.zeros_like(true), true, RATE) == SpeechQuality(1.0, 2, 0)
        half = true * torch.tensor([[1.0], [0.0]])
        assert pesq(half, true, RATE).score == pytest.approx((4.64 + 1) / 2, abs=0.01)
