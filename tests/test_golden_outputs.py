"""The sound of the pretrained weights stays the same: levels against those of earlier versions.

`tests/golden/outputs.json` has levels in dB of three seconds of sound, in octave bands from 125 Hz.
After an intended change of a method or its weights, write them anew:

    python tests/test_golden_outputs.py

On one processor outputs are equal to the bit; another rounds differently in the seventh digit, far
below 0.2 dB. In a token model that can flip a token once in some takes, which changes the rest of
the take; its tolerance of 6 dB is about the spread between seeds, and still tells other weights.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import soundstage
from soundstage.binaural.render_options import RENDERERS
from soundstage.upmixing import READY_METHODS

GOLDEN = Path(__file__).with_name("golden") / "outputs.json"
RATE = 44_100
BANDS = [125 * 2**octave for octave in range(8)]  # lower edges in Hz
TOKEN_MODELS = ("masked", "autoregressive", "placed")
TOLERANCE_DB, TOLERANCE_TOKENS_DB = 0.2, 6.0
CASES = [f"upmix {name}" for name in READY_METHODS] + [f"binaural {name}" for name in RENDERERS]


def music():
    """Three decaying chords with a little noise."""
    time = np.arange(RATE) / RATE
    noise = 0.01 * np.random.default_rng(0).standard_normal(3 * RATE)
    chords = [
        sum(np.sin(2 * np.pi * root * ratio * time) for ratio in (1, 1.25, 1.5, 2, 4, 8.1))
        * np.exp(-4 * time)
        for root in (110, 147, 165)
    ]
    return (0.05 * np.concatenate(chords) + noise).astype(np.float32)


def levels(signal):
    power = np.abs(np.fft.rfft(signal.astype(np.float64))) ** 2 / signal.size**2
    frequency = np.fft.rfftfreq(signal.size, 1 / RATE)
    return [
        round(10 * np.log10(power[(frequency >= low) & (frequency < 2 * low)].sum() + 1e-20), 3)
        for low in BANDS
    ]


def measured(case):
    """Levels of the side, or of both ears."""
    task, name = case.split()
    if task == "upmix":
        plain = {"width": 1, "spread_noise": True}  # the side as the method made it
        left, right = soundstage.upmix((music(), RATE), method=name, seed=1, **plain).samples
        return [levels((left - right) / 2)]
    ears = soundstage.binauralize((music(), RATE), method=name, azimuth=50, distance=1.2)
    return [levels(ear) for ear in ears.samples]


@pytest.mark.parametrize("case", CASES)
def test_levels_are_those_of_earlier_versions(case):
    golden = json.loads(GOLDEN.read_text())[case]
    tolerance = TOLERANCE_TOKENS_DB if case.split()[1] in TOKEN_MODELS else TOLERANCE_DB
    np.testing.assert_allclose(measured(case), golden, rtol=0, atol=tolerance)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({case: measured(case) for case in CASES}, indent=1) + "\n")
