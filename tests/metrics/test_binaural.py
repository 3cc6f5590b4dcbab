import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sounds import noise, song
from soundstage.metrics import binaural
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


def pair(length: int = 12_000) -> tuple[Tensor, Tensor]:
    one = 0.2 * song(length, rate=RATE)
    true = torch.stack([one, 0.5 * one.roll(20)])
    return 20 * true.roll(3, dims=-1) + noise(2 * length, level=0.02).reshape(2, -1), true


def errors(*values: float, seconds: float) -> BinauralErrors:
    return BinauralErrors(*np.resize(values, len(MEASURES)).tolist(), seconds)


def test_each_error_is_that_of_its_own_measure() -> None:
    auraloss = pytest.importorskip("auraloss")
    made, true = pair()
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


def test_pesq_is_taken_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaural, "pesq", lambda *_: SpeechQuality(2.5, 1, 0))
    assert math.isnan(binaural_errors(*pair(), RATE).pesq)
    assert binaural_errors(*pair(), RATE, with_pesq=True).pesq == 2.5


def test_the_truth_has_no_errors() -> None:
    true = pair()[1]
    found = binaural_errors(true, true, RATE)
    assert [*found[:4], *found[5:]] == [0, 0, 0, 0, 0, 0, 0.25]


def test_a_silent_truth_leaves_what_has_no_meaning_open() -> None:
    made = pair()[0]
    found = binaural_errors(made, torch.zeros_like(made), RATE)
    assert [math.isnan(x) for x in found] == [False, False, True, False, True, True, True, False]


def test_sequences_count_by_their_length() -> None:
    mean = mean_errors([errors(1.0, 4.0, seconds=30), errors(5.0, 0.0, seconds=10)])
    assert mean == errors(2.0, 3.0, seconds=40)


def test_the_wave_errors_of_parts_have_the_mean_of_the_whole() -> None:
    made, true = pair(12_000)
    parts = [(made[:, a:b], true[:, a:b]) for a, b in ((0, 3_000), (3_000, 12_000))]
    mean = mean_errors([binaural_errors(*part, RATE) for part in parts])
    assert mean.wave_l2 == pytest.approx(wave_l2(made, true), rel=1e-6)
    assert mean.seconds == pytest.approx(0.25)


@given(st.data())
def test_the_mean_is_that_of_numpy_in_any_order(data: st.DataObject) -> None:
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


def test_a_measure_that_says_nothing_of_a_sequence_leaves_it_out() -> None:
    one = errors(1.0, seconds=10)._replace(pesq=math.nan, itd_error=math.nan)
    other = errors(3.0, seconds=30)._replace(pesq=math.nan)
    mean = mean_errors([one, other])
    assert math.isnan(mean.pesq)
    assert mean.itd_error == 3.0
    assert mean.ild_error == 2.5
    assert mean.seconds == 40


def test_no_sequences_have_no_mean() -> None:
    with pytest.raises(ValueError, match="one sequence or more"):
        mean_errors([])


def test_every_measure_is_in_the_catalog() -> None:
    assert {metric.name for metric in BINAURAL_METRICS} | {"mrstft"} == set(MEASURES)
