"""Hard-panned songs of synthetic sources, and a separator by masks that tells them apart."""

import numpy as np
import torch

import sounds
from placing_method import LowsAndHighs
from soundstage.separation.separator import SourceInfo
from soundstage.stereo import RATE, TRANSFORM

SPLIT = 100  # bin, 1 kHz, of `LowsAndHighs`
LENGTH = 4 * RATE


class SurveyedLowsAndHighs(LowsAndHighs):
    """Drums below 1 kHz, an object above it, with their energies in a song."""

    def __init__(self, kinds=("drums", "object")):
        self._kinds = kinds
        self.balance_energies = np.zeros((2, 7))
        self.sources = self._sources()

    def survey(self):
        """Start a song."""
        return _Survey(self._kinds)

    def _sources(self):
        energies = self.balance_energies.sum(axis=1)
        shares = energies / max(energies.sum(), 1e-20)
        names = ("lows", "highs")
        rows = zip(names, self._kinds, shares, (400.0, 4_000.0), strict=True)
        return tuple(SourceInfo(*row) for row in rows)


class _Survey:
    def __init__(self, kinds):
        self._fitted, self._powers = SurveyedLowsAndHighs(kinds), torch.zeros(2)

    def push(self, mono):
        power = torch.fft.rfft(torch.nn.functional.pad(mono, (0, 1))).abs().square()
        split = round(len(power) * SPLIT / TRANSFORM.bins)
        self._powers += torch.stack([power[:split].sum(), power[split:].sum()]) / max(len(power), 1)

    def finish(self):
        self._fitted.balance_energies = self._powers.double().numpy()[:, None].repeat(7, axis=1) / 7
        self._fitted.sources = self._fitted._sources()
        return self._fitted


def low(length=LENGTH, seed=0):
    """Noise below 700 Hz."""
    spectrum = torch.fft.rfft(sounds.noise(length, seed=seed, level=0.3))
    spectrum[int(700 * length / RATE) :] = 0
    return torch.fft.irfft(spectrum, length)


def high(length=LENGTH, seed=1):
    """Noise from 2 to 6 kHz."""
    spectrum = torch.fft.rfft(sounds.noise(length, seed=seed, level=0.3))
    spectrum[: int(2_000 * length / RATE)] = 0
    spectrum[int(6_000 * length / RATE) :] = 0
    return torch.fft.irfft(spectrum, length)


def two_track(length=LENGTH):
    """Lows and highs left, other highs right: the stereo sound and its sources."""
    sources = low(length), high(length), high(length, seed=2)
    return torch.stack([2 * (sources[0] + sources[1]), 2 * sources[2]]).numpy(), sources


def gain_in_side(stereo, source):
    """The gain a of a source, L = (1 + a)·s and R = (1 − a)·s, by projection."""
    left, right = np.asarray(stereo) @ np.asarray(source) / float(source.square().sum())
    return float((left - right) / (left + right))
