"""Differences between the takes of one signal, measured while they are made.

All measures follow from three energies in each band and frame, as in `stereo/descriptors.py`:

    e = ⟨M, M⟩        e·α = ⟨S, M⟩        e·β² = ⟨S, S⟩ − e·α²

The mid and every side are analyzed once, and only sums are kept, whatever the length. The
difference of two takes is the mean parameter error between them (`metrics/parametric_stereo.py`): 0
for equal takes, at most 4.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.spectra import AnalysisStream
from soundstage.stereo import BANDS, RATE, TRANSFORM, Parameters, band_sums
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors_of_sums
from soundstage.stereo.encoding import SILENCE
from soundstage.stereo.features import FEATURES, IID_LIMIT_DB, parameter_features
from soundstage.upmixing.engine import Block, reproducible

PLACES = 41  # columns of a stage, one for each decibel from right to left
_EPSILON = 1e-9
_HEADINGS = ("width", "low", "mid", "high", "balance", "diffuse", "offset")


@dataclass(frozen=True)
class Stage:
    """Distribution of the energy of one take."""

    seed: int
    descriptors: dict[str, float]
    """By name, as in `DESCRIPTORS`."""
    places: Float[np.ndarray, "bands places"]
    """Energy by level of left over right, from −20 dB or less (right) to 20 dB or more."""
    widths: Float[np.ndarray, " bands"]
    """2·rms(S)/rms(M) of every band; NaN without mid."""


@dataclass(frozen=True)
class TakesComparison:
    """The stages of several takes and their pairwise differences."""

    stages: list[Stage]
    differences: Float[np.ndarray, "takes takes"]
    """Mean parameter error of two takes, 0 to 4."""

    def most_similar(self) -> tuple[int, int]:
        """The two takes with the smallest difference, counted from 0."""
        return min(self._pairs(), key=lambda pair: self.differences[pair])

    def most_different(self) -> tuple[int, int]:
        """The two takes with the largest difference."""
        return max(self._pairs(), key=lambda pair: self.differences[pair])

    def sentence(self) -> str:
        """The smallest and the largest difference; takes are counted from 1."""
        if len(self.stages) == 2:
            return f"Takes 1 and 2 differ by {self.differences[0, 1]:.2f}."
        similar, different = (
            f"{pair[0] + 1} and {pair[1] + 1} ({self.differences[pair]:.2f})"
            for pair in (self.most_similar(), self.most_different())
        )
        return f"Most similar: takes {similar}; most different: {different}."

    def table(self) -> str:
        """A row for every take, aligned, and the sentence."""
        rows: list[tuple[str, ...]] = [("take", "seed", *_HEADINGS, "nearest take")]
        apart = self.differences + np.diag(np.full(len(self.stages), np.inf))
        for number, stage in enumerate(self.stages):
            nearest = int(apart[number].argmin())
            values = [f"{stage.descriptors[name]:.2f}" for name in DESCRIPTORS]
            level = round(stage.descriptors["balance"], 1) + 0.0  # + 0 turns −0 into 0
            values[DESCRIPTORS.index("balance")] = f"{level:.1f} dB"
            nearest_take = f"{nearest + 1} ({apart[number, nearest]:.2f})"
            rows.append((str(number + 1), str(stage.seed), *values, nearest_take))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(size) for cell, size in zip(row, widths, strict=True))
            for row in rows
        ]
        return "\n".join([*lines, self.sentence()])

    def as_dict(self) -> dict[str, object]:
        """For JSON, without the distributions; takes are counted from 1."""
        return {
            "takes": [
                {"take": number, "seed": stage.seed, "descriptors": stage.descriptors}
                for number, stage in enumerate(self.stages, start=1)
            ],
            "differences": self.differences.tolist(),
            "most_similar": [take + 1 for take in self.most_similar()],
            "most_different": [take + 1 for take in self.most_different()],
        }

    def _pairs(self) -> list[tuple[int, int]]:
        return list(combinations(range(len(self.stages)), 2))


class TakesMeter:
    """Measures the takes of one signal block by block, in constant memory.

    Args:
        rate: of the blocks, in Hz.
        seeds: one a take.
        shared_mid: whether all takes have the same mid.
    """

    def __init__(self, rate: int, seeds: Sequence[int], *, shared_mid: bool) -> None:
        self._seeds = list(seeds)
        takes = len(self._seeds)
        self._mids = [_Spectrum(rate) for _ in range(1 if shared_mid else takes)]
        self._sides = [_Spectrum(rate) for _ in self._seeds]
        self._sums = torch.zeros(takes, 4, BANDS, dtype=torch.float64)
        self._places = torch.zeros(takes, BANDS * PLACES, dtype=torch.float64)
        self._apart = torch.zeros(takes, takes, dtype=torch.float64)
        self._frames = 0

    def push(self, blocks: Sequence[Block]) -> None:
        """Add the next block of every take."""
        with reproducible():
            mids = [
                spectrum.push(block.mid)
                for spectrum, block in zip(self._mids, blocks, strict=False)
            ]
            self._count(
                mids,
                (s.push(block.side) for s, block in zip(self._sides, blocks, strict=True)),
            )

    def finish(self) -> None:
        """Add the frames that were held back."""
        with reproducible():
            self._count([s.finish() for s in self._mids], (s.finish() for s in self._sides))

    def comparison(self) -> TakesComparison:
        """The result."""
        mid, cross, direct, diffuse = self._sums.unbind(dim=1)
        descriptors = descriptors_of_sums(mid, cross, direct, diffuse)
        widths = 2 * ((direct + diffuse) / torch.where(mid > 0, mid, torch.nan)).sqrt()
        stages = [
            Stage(
                seed,
                dict(zip(DESCRIPTORS, descriptors[take].tolist(), strict=True)),
                self._places[take].view(BANDS, PLACES).numpy(),
                widths[take].numpy(),
            )
            for take, seed in enumerate(self._seeds)
        ]
        return TakesComparison(stages, (self._apart / max(self._frames, 1)).numpy())

    def _count(
        self,
        mids: list[Complex[Tensor, "bins frames"]],
        sides: Iterable[Complex[Tensor, "bins frames"]],
    ) -> None:
        features = []
        for take, side in enumerate(sides):
            if not side.shape[1]:
                continue
            mid = mids[take % len(mids)]
            mid_energy, side_energy, cross = _energies(mid, side)
            direct = cross.square() / (mid_energy + _EPSILON)
            sums = torch.stack([mid_energy, cross, direct, (side_energy - direct).clamp(min=0)])
            self._sums[take] += sums.double().sum(dim=-1)
            parameters = _parameters(mid_energy, side_energy, cross)
            self._places[take] += _placed(parameters.iid, 2 * (mid_energy + side_energy))
            features.append(parameter_features(parameters))
        if features:
            frames = features[0].shape[1]
            flat = torch.stack(features).flatten(start_dim=1)
            self._apart += torch.cdist(flat, flat, p=1).double() / FEATURES
            self._frames += frames


class _Spectrum:
    """Spectrogram frames of one channel, at the rate of the encoder."""

    def __init__(self, rate: int) -> None:
        self._resampler = StreamResampler(rate, RATE, 1)
        self._analysis = AnalysisStream(TRANSFORM)

    def push(self, samples: Float[np.ndarray, " length"]) -> Complex[Tensor, "bins frames"]:
        block = self._resampler.push(samples[None].astype(np.float32, copy=False))
        return self._analysis.push(torch.tensor(block[0]))

    def finish(self) -> Complex[Tensor, "bins frames"]:
        rest = self._analysis.push(torch.tensor(self._resampler.finish()[0]))
        return torch.cat([rest, self._analysis.finish()], dim=-1)


def _energies(
    mid: Complex[Tensor, "bins frames"], side: Complex[Tensor, "bins frames"]
) -> Float[Tensor, "3 bands frames"]:
    """⟨M, M⟩, ⟨S, S⟩ and Re⟨S, M⟩."""
    return band_sums(
        torch.stack(
            [
                mid.real.square() + mid.imag.square(),
                side.real.square() + side.imag.square(),
                side.real * mid.real + side.imag * mid.imag,
            ]
        )
    )


def _parameters(
    mid: Float[Tensor, "bands frames"],
    side: Float[Tensor, "bands frames"],
    cross: Float[Tensor, "bands frames"],
) -> Parameters:
    """As of `encode`, from LL = MM + SS + 2·SM, RR = MM + SS − 2·SM, LR = MM − SS."""
    left = (mid + side + 2 * cross).clamp(min=0) + SILENCE
    right = (mid + side - 2 * cross).clamp(min=0) + SILENCE
    coherence = (mid - side + SILENCE) / (left * right).sqrt()
    return Parameters(10 * (left / right).log10(), coherence.clamp(-1, 1))


def _placed(
    iid: Float[Tensor, "bands frames"], energy: Float[Tensor, "bands frames"]
) -> Float[Tensor, " bands_places"]:
    """Energy by band and by level difference in steps of 1 dB."""
    place = (iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB) + IID_LIMIT_DB).round().long()
    index = PLACES * torch.arange(BANDS)[:, None] + place
    return torch.bincount(index.flatten(), energy.flatten().double(), BANDS * PLACES)
