import json

import numpy as np
import pytest
import torch

from sounds import RATE, cut, song, stereo_scene
from soundstage.metrics import parameter_error
from soundstage.stereo import TRANSFORM, band_sums, encode_signal
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.upmixing import MidSide
from soundstage.upmixing.comparison import TakesMeter


def compare(stereo, *, rate=RATE, places=()):
    """A stereo signal, its mirror image and its mid as three takes."""
    left, right = stereo.numpy()
    mid, side = (left + right) / 2, (left - right) / 2
    meter = TakesMeter(rate, [1, 2, 3], shared_mid=True)
    for m, s in zip(cut(mid, places), cut(side, places), strict=True):
        meter.push([MidSide(m, s), MidSide(m, -s), MidSide(m, 0 * s)])
    meter.finish()
    return meter.comparison()


def test_the_descriptors_are_those_of_the_whole_sound():
    scene = stereo_scene(2 * RATE)
    found = compare(scene, places=[1, 3_000, 50_000])
    mid = band_sums(TRANSFORM.analyze(scene.mean(dim=0)).abs().square())
    expected = descriptors(encode_signal(scene), mid)
    assert [*found.stages[0].descriptors] == list(DESCRIPTORS)
    assert list(found.stages[0].descriptors.values()) == pytest.approx(expected.tolist(), abs=2e-3)
    mirrored = parameter_error(encode_signal(scene), encode_signal(scene.flip(0)))
    assert found.differences[0, 1] == pytest.approx(mirrored, abs=1e-4)
    assert found.differences[0, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_other_sample_rates_are_resampled(rate):
    left = song(2 * rate, rate=rate).numpy()
    found = compare(torch.from_numpy(np.stack([left, 0.5 * left])), rate=rate)
    assert found.stages[0].descriptors["width"] == pytest.approx(2 / 3, abs=0.01)
    assert found.stages[0].descriptors["balance"] == pytest.approx(6.02, abs=0.05)
    assert found.stages[0].places.sum(axis=0).argmax() == 26  # 6 dB to the left of the middle
    assert found.stages[0].widths[3:20] == pytest.approx(2 / 3, abs=0.02)


def test_the_most_similar_and_most_different_takes_are_named():
    found = compare(stereo_scene(RATE))
    assert found.most_different() == (0, 1)
    assert found.sentence().endswith(f"most different: 1 and 2 ({found.differences[0, 1]:.2f}).")
    assert found.table().count("\n") == 4
    assert len({len(line) for line in found.table().splitlines()[:4]}) == 1  # aligned
    assert json.loads(json.dumps(found.as_dict()))["most_different"] == [1, 2]


def test_silence_has_a_comparison():
    found = compare(torch.zeros(2, 5_000))
    assert found.differences.max() == 0
    assert set(found.stages[0].descriptors.values()) == {0.0}
