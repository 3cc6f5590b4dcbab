"""Wave L2, Amplitude L2, Phase L2, and all binaural metrics together."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sounds import noise, song
from soundstage.metrics import binaural_metrics
from soundstage.metrics.binaural_metrics import (
    BinauralErrors,
    amplitude_l2,
    binaural_errors,
    mean_errors,
    phase_l2,
    wave_l2,
)
from soundstage.metrics.catalog import BINAURAL_METRICS
from soundstage.metrics.interaural import ild_error, itd_error
from soundstage.metrics.speech_quality import SpeechQuality

RATE = 48_000
MEASURES = BinauralErrors._fields[:-1]


def ears(length: int, *, seed: int = 0) -> Tensor:
    one = 0.3 * song(length, seed=seed, rate=RATE)  # twice that is still under full scale
    return torch.stack([one, 0.5 * one.roll(20) + noise(length, seed=seed + 3, level=0.02)])


def pair(length: int) -> tuple[Tensor, Tensor]:
    true = ears(length)
    return 0.8 * true.roll(3, dims=-1) + noise(2 * length, seed=7, level=0.02).reshape(2, -1), true


def derived(made: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Amplitude L2 and Phase L2 of two spectrograms."""
    size = np.abs(true.real) + np.abs(true.imag)
    threshold = 0.2 * size.mean()
    both = (size > threshold) & (np.abs(made.real) + np.abs(made.imag) > threshold)
    phases = np.abs(np.angle(made[both] * true[both].conj()))
    return float(np.abs(np.abs(made) - np.abs(true)).mean()), float(phases.mean())


def test_the_errors_match_a_derivation_with_the_published_transform() -> None:
    made, true = (x.double() for x in pair(30_000))
    squares = (made.numpy() - true.numpy()) ** 2
    assert wave_l2(made, true) == pytest.approx(squares.mean(), rel=1e-12)
    window = torch.hann_window(1920, dtype=torch.float64)
    found, wanted = (
        torch.stft(x, 2048, 480, 1920, window, return_complex=True).numpy() for x in (made, true)
    )
    amplitude, phase = derived(found, wanted)
    assert amplitude_l2(made, true, RATE) == pytest.approx(amplitude, rel=1e-10)
    assert phase_l2(made, true, RATE) == pytest.approx(phase, rel=1e-10)
    assert amplitude_l2(made.float(), true.float(), RATE) == pytest.approx(amplitude, rel=1e-5)
    assert phase_l2(made.float(), true.float(), RATE) == pytest.approx(phase, rel=1e-4)


def test_equal_ears_have_no_error() -> None:
    true = ears(20_000)
    assert wave_l2(true, true) == 0
    assert amplitude_l2(true, true, RATE) == 0
    assert phase_l2(true, true, RATE) == 0


@given(gain=st.floats(0.5, 2.0))
def test_a_gain_is_an_amplitude_error_only(gain: float) -> None:
    true = ears(8_000)
    assert wave_l2(gain * true, true) == pytest.approx(
        (gain - 1) ** 2 * true.square().mean().item(), rel=1e-4, abs=1e-12
    )
    whole = amplitude_l2(torch.zeros_like(true), true, RATE)
    wanted = pytest.approx(abs(gain - 1) * whole, rel=1e-4, abs=1e-6)
    assert amplitude_l2(gain * true, true, RATE) == wanted
    assert phase_l2(gain * true, true, RATE) == pytest.approx(0, abs=1e-5)


def test_inverted_polarity_is_a_phase_error_of_pi() -> None:
    true = ears(20_000)
    assert wave_l2(-true, true) == pytest.approx(4 * true.square().mean().item(), rel=1e-6)
    assert amplitude_l2(-true, true, RATE) == 0
    assert phase_l2(-true, true, RATE) == pytest.approx(math.pi, abs=1e-5)


def test_unrelated_phases_differ_by_half_pi() -> None:
    one, other = (noise(2 * RATE, seed=seed).reshape(2, -1) for seed in (0, 1))
    assert phase_l2(one, other, RATE) == pytest.approx(math.pi / 2, abs=0.01)


@pytest.mark.parametrize("in_truth", [True, False])
def test_bins_faint_in_either_signal_do_not_count(in_truth: bool) -> None:
    low = torch.fft.rfft(noise(RATE).reshape(2, -1))
    low[:, low.shape[1] // 3 :] = 0
    both = torch.fft.irfft(low)
    full, faint = (both + noise(RATE, seed=3, level=x).reshape(2, -1) for x in (0.1, 3e-4))
    made, true = (full, faint) if in_truth else (faint, full)
    own = noise(RATE, seed=4).reshape(2, -1)
    assert phase_l2(faint, both + 1e-3 * own, RATE) < 0.05
    assert phase_l2(made, true, RATE) < 0.75 * phase_l2(full, both + own, RATE)


def test_both_ears_have_equal_weight() -> None:
    made, true = pair(20_000)
    for error in (wave_l2, lambda x, y: amplitude_l2(x, y, RATE)):
        one = error(torch.stack([made[0], true[1]]), true)
        other = error(torch.stack([true[0], made[1]]), true)
        assert one + other == pytest.approx(error(made, true), rel=1e-6)
    for error in (amplitude_l2, phase_l2):
        swapped = error(made.flip(0), true.flip(0), RATE)
        assert swapped == pytest.approx(error(made, true, RATE), rel=1e-6)


def test_phase_of_silence_and_spectra_of_short_sounds_are_undefined() -> None:
    true = ears(4_000)
    silent = torch.zeros_like(true)
    for made, wanted in ((true, silent), (silent, true), (silent, silent)):
        assert math.isnan(phase_l2(made, wanted, RATE))
    assert wave_l2(silent, silent) == amplitude_l2(silent, silent, RATE) == 0
    for error in (amplitude_l2, phase_l2):
        assert math.isnan(error(true[:, :1024], true[:, :1024], RATE))
        assert error(true[:, :1025], true[:, :1025], RATE) == 0
    assert wave_l2(true[:, :1], 0.5 * true[:, :1]) > 0


def loud_pair(length: int = 12_000) -> tuple[Tensor, Tensor]:
    one = 0.2 * song(length, rate=RATE)
    true = torch.stack([one, 0.5 * one.roll(20)])
    return 20 * true.roll(3, dims=-1) + noise(2 * length, level=0.02).reshape(2, -1), true


def errors(*values: float, seconds: float) -> BinauralErrors:
    return BinauralErrors(*np.resize(values, len(MEASURES)).tolist(), seconds)


def test_binaural_errors_combines_all_metrics_of_the_clipped_result() -> None:
    auraloss = pytest.importorskip("auraloss")
    made, true = loud_pair()
    limited = made.clamp(-1, 1)
    assert not torch.equal(made, limited)
    found = binaural_errors(made, true, RATE)
    mrstft = auraloss.freq.MultiResolutionSTFTLoss()(limited[None], true[None]).item()
    assert found == BinauralErrors(
        wave_l2=wave_l2(limited, true),
        amplitude_l2=amplitude_l2(limited, true, RATE),
        phase_l2=phase_l2(limited, true, RATE),
        mrstft=pytest.approx(mrstft, rel=2e-5),
        pesq=pytest.approx(math.nan, nan_ok=True),
        itd_error=itd_error(limited, true, RATE),
        ild_error=ild_error(limited, true, RATE),
        seconds=0.25,
    )
    assert all(value > 0 for value in found if not math.isnan(value))


def test_pesq_is_computed_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaural_metrics, "pesq", lambda *_: SpeechQuality(2.5, 1, 0))
    assert math.isnan(binaural_errors(*loud_pair(), RATE).pesq)
    assert binaural_errors(*loud_pair(), RATE, with_pesq=True).pesq == 2.5


def test_the_truth_has_no_errors() -> None:
    true = loud_pair()[1]
    found = binaural_errors(true, true, RATE)
    assert [*found[:4], *found[5:]] == [0, 0, 0, 0, 0, 0, 0.25]


def test_undefined_metrics_of_a_silent_truth_are_nan() -> None:
    made = loud_pair()[0]
    found = binaural_errors(made, torch.zeros_like(made), RATE)
    assert [math.isnan(x) for x in found] == [False, False, True, False, True, True, True, False]


def test_the_mean_weights_sequences_by_length() -> None:
    mean = mean_errors([errors(1.0, 4.0, seconds=30), errors(5.0, 0.0, seconds=10)])
    assert mean == errors(2.0, 3.0, seconds=40)


@given(st.data())
def test_the_mean_matches_numpy_in_any_order(data: st.DataObject) -> None:
    value = st.floats(0, 1000)
    one = st.builds(BinauralErrors, *[value] * len(MEASURES), st.floats(0.1, 1000))
    many = data.draw(st.lists(one, min_size=1, max_size=6))
    mean = mean_errors(many)
    table = np.array(many)
    wanted = np.average(table[:, :-1], axis=0, weights=table[:, -1])
    np.testing.assert_allclose(mean[:-1], wanted, rtol=1e-12, atol=1e-12)
    assert mean.seconds == pytest.approx(table[:, -1].sum())
    shuffled = mean_errors(data.draw(st.permutations(many)))
    np.testing.assert_allclose(shuffled, mean, rtol=1e-12, atol=1e-12)


def test_the_mean_skips_nan() -> None:
    one = errors(1.0, seconds=10)._replace(pesq=math.nan, itd_error=math.nan)
    other = errors(3.0, seconds=30)._replace(pesq=math.nan)
    mean = mean_errors([one, other])
    assert math.isnan(mean.pesq)
    assert mean.itd_error == 3.0
    assert mean.ild_error == 2.5
    assert mean.seconds == 40
    with pytest.raises(ValueError, match="at least one sequence"):
        mean_errors([])


def test_every_binaural_metric_is_in_the_catalog() -> None:
    assert {metric.name for metric in BINAURAL_METRICS} | {"mrstft"} == set(MEASURES)
