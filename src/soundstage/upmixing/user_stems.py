"""A separator that has the stems of the recording: they are its sources, and need no separation.

    x = Σ s_k + r,   r separated by another separator, or one source where hardly anything is left

As waveforms the stems are themselves. As masks of the spectrogram X of x, for methods that decode
parameters, they have their share of the power, and so do the sources of the rest, R = X − Σ S_k:

    m_k = |S_k|² / (Σ |S_j|² + |R|²),   m_r = |R|² / (Σ |S_j|² + |R|²)

The first pass over the song checks that the stems are of this recording: of its length, in time
and at their level in the mix, since another would be in the result twice.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.errors import InputError
from soundstage.separation.masking import BLOCK
from soundstage.separation.separator import (
    MaskStream,
    Separator,
    SongSeparator,
    SourceInfo,
    SourceStream,
    Survey,
)
from soundstage.spectra import AnalysisStream, SampleQueue
from soundstage.stereo.alignment import AlignmentMeter
from soundstage.stereo.encoding import TRANSFORM
from soundstage.upmixing.stem_files import StemFile
from soundstage.upmixing.stem_signals import StemProfile, StemReader

TOLERANCE = 0.5  # seconds of difference in length: codecs pad, and editors cut silence
NOTHING_LEFT_DB = -20.0  # of the rest under the recording: less is noise, reverberation, rounding
MAX_GAIN_DB = 4.0  # error of level; chance correlation with the rest gives 1 dB or 2
ABSENT_DB = -12.0  # gain of a stem under which it is not in the recording
TRUSTED_DB = -15.0  # of a stem under the recording: the level of a softer one is hardly known
MAX_LAG = 1.0  # samples
ALIGNABLE = 0.2  # correlation of the stems with the recording above which their lag is known


class UserStems:
    """Stems, and a separator of the rest: a `SongSeparator`.

    Args:
        stems: of the recording, from `find_stems`.
        separator: of what the stems leave.
    """

    def __init__(self, stems: Sequence[StemFile], separator: Separator | SongSeparator) -> None:
        self.stems, self.rest, self.rate = tuple(stems), separator, separator.rate

    def survey(self) -> "StemsSurvey":
        """Start a song."""
        return StemsSurvey(self)


class StemsSurvey:
    """The first pass over a song beside its stems."""

    def __init__(self, parent: UserStems) -> None:
        self._parent = parent
        rate = parent.rate
        self._readers = [StemReader(stem, rate) for stem in parent.stems]
        self._profiles = [StemProfile(rate) for _ in parent.stems]
        self._rest_profile = StemProfile(rate)
        self._rest: Survey | None = None
        if hasattr(parent.rest, "survey"):
            self._rest = parent.rest.survey()
        self._alignment = AlignmentMeter(rate)
        self._length = 0
        self._energy = 0.0  # of the recording
        count = len(parent.stems)
        self._products = torch.zeros(count, count, dtype=torch.float64)  # of the stems
        self._errors = torch.zeros(count, dtype=torch.float64)  # products of the stems and the rest

    def push(self, mono: Float[Tensor, " length"], /) -> None:
        """The next samples of the recording."""
        stems = torch.stack([reader.pop(mono.shape[-1]) for reader in self._readers])
        together = stems.sum(dim=0)
        rest = mono - together
        if self._rest:
            self._rest.push(rest)
        for profile, stem in zip(self._profiles, stems, strict=True):
            profile.push(stem)
        self._rest_profile.push(rest)
        self._alignment.push(torch.stack([mono, together]).numpy())
        self._energy += float(mono.double().square().sum())
        self._products += stems.double() @ stems.double().T
        self._errors += stems.double() @ rest.double()
        self._length += mono.shape[-1]

    def finish(self) -> "FittedUserStems":
        """The separator of this song.

        Raises:
            InputError: a stem has another length than the recording, comes early or late, or the
                stems have another level than in the recording.
        """
        parent = self._parent
        if self._length:
            self._check_lengths()
            self._check_agreement()
        total = max(self._energy, 1e-30)
        infos = [
            profile.info(stem.name, stem.kind, total)
            for profile, stem in zip(self._profiles, parent.stems, strict=True)
        ]
        left = self._rest_profile.info("residual", "residual", total)
        rest: Any = self._rest.finish() if self._rest else parent.rest
        if self._length and 10 * np.log10(left.energy + 1e-30) < NOTHING_LEFT_DB:
            rest = None
        bands = [profile.balance_energies() for profile in (*self._profiles, self._rest_profile)]
        return FittedUserStems(parent, infos, left, rest, np.stack(bands))

    def _check_lengths(self) -> None:
        rate, tolerance = self._parent.rate, int(TOLERANCE * self._parent.rate)
        for stem, reader in zip(self._parent.stems, self._readers, strict=True):
            if reader.is_longer_than(tolerance):
                raise InputError(
                    f"{stem.path} is longer than the recording of {self._length / rate:.1f} s: "
                    "give stems of this recording, from its start to its end."
                )
            if reader.length is not None and reader.length < self._length - tolerance:
                raise InputError(
                    f"{stem.path} has {reader.length / rate:.1f} s, but the recording "
                    f"{self._length / rate:.1f} s: give stems of this recording, from its start "
                    "to its end."
                )

    def _check_agreement(self) -> None:
        if not (self._energy and self._products.any()):
            return  # of silence nothing is known
        folder, rate = self._parent.stems[0].path.parent, self._parent.rate
        found = self._alignment.alignment()
        if found and found.correlation > ALIGNABLE and abs(found.lag) >= MAX_LAG:
            late = "late" if found.lag > 0 else "early"
            raise InputError(
                f"{folder}: the stems come {abs(found.lag) / rate * 1000:.2f} ms too {late} "
                f"({abs(found.lag):.0f} samples at {rate:,} Hz): shift them."
            )
        for stem, gain in zip(self._parent.stems, self._gains().tolist(), strict=True):
            if gain <= 10 ** (ABSENT_DB / 20):
                raise InputError(
                    f"{stem.path} is not in the recording, or not at the same time: give stems of "
                    "this recording only."
                )
            error = -20 * np.log10(gain)
            if abs(error) > MAX_GAIN_DB:
                than = "louder than" if error > 0 else "quieter than"
                raise InputError(
                    f"{stem.path} is about {abs(error):.0f} dB {than} in the recording: give stems "
                    "at their level in the mix."
                )

    def _gains(self) -> Float[Tensor, " stems"]:
        """Gains of the stems in the recording by least squares, with a prior at 1.

        The prior keeps it for soft stems, and for stems that hardly differ from one another.
        """
        prior = 10 ** (TRUSTED_DB / 10) * self._energy * torch.eye(len(self._errors)).double()
        return 1 + torch.linalg.solve(self._products + prior, self._errors)


class FittedUserStems:
    """The stems of a song and the sources of the rest: a `MaskSeparator`.

    Args:
        parent: has the files.
        infos: of the stems.
        left: of all that they leave.
        rest: separates it; None makes it one source.
        bands: energies of the stems and of the rest, in the bands in which a stage is balanced.
    """

    def __init__(
        self,
        parent: UserStems,
        infos: Sequence[SourceInfo],
        left: SourceInfo,
        rest: Separator | None,
        bands: Float[np.ndarray, "sources bands"],
    ) -> None:
        self.rate, self._stems, self._rest = parent.rate, parent.stems, rest
        named, taken = list(infos), {info.name.casefold() for info in infos}
        for other in [left] if rest is None else rest.sources:
            name, energy = _free_name(other.name, taken), other.energy
            taken.add(name.casefold())
            named.append(
                replace(other, name=name, energy=energy if rest is None else left.energy * energy)
            )
        self.sources: Sequence[SourceInfo] = tuple(named)
        self.balance_energies: Float[np.ndarray, "sources bands"] | None = bands
        if rest is not None:
            self.balance_energies = _with_rest(bands, getattr(rest, "balance_energies", None))

    def stream(self) -> SourceStream:
        """The stems themselves, and the sources of the rest."""
        readers = [StemReader(stem, self.rate) for stem in self._stems]
        return _StemStream(readers, self._rest.stream() if self._rest else None)

    def mask_stream(self) -> MaskStream:
        """Their masks.

        Raises:
            AttributeError: the separator of the rest makes no masks.
        """
        readers = [StemReader(stem, self.rate) for stem in self._stems]
        rest: Any = self._rest
        return _StemMasks(readers, rest.mask_stream() if rest else None)


class _StemStream:
    def __init__(self, readers: Sequence[StemReader], rest: SourceStream | None) -> None:
        self._readers, self._rest = readers, rest
        self._waiting = SampleQueue((len(readers),))

    def push(self, mono: Float[Tensor, " length"], /) -> Float[Tensor, "sources ready"]:
        stems = torch.stack([reader.pop(mono.shape[-1]) for reader in self._readers])
        self._waiting.push(stems)
        rest = mono - stems.sum(dim=0)
        return self._with(self._rest.push(rest) if self._rest else rest[None])

    def finish(self) -> Float[Tensor, "sources rest"]:
        rest = self._rest.finish() if self._rest else self._waiting.pop(0)[:1]
        return self._with(rest)

    def _with(self, others: Float[Tensor, "others ready"]) -> Float[Tensor, "sources ready"]:
        return torch.cat([self._waiting.pop(others.shape[-1]), others])


class _StemMasks:
    def __init__(self, readers: Sequence[StemReader], rest: MaskStream | None) -> None:
        self._readers, self._rest = readers, rest
        count = len(readers)
        self._analysis = AnalysisStream(TRANSFORM, (count,))
        self._frames = SampleQueue((count, TRANSFORM.bins))
        self._shares = SampleQueue((count + 1, TRANSFORM.bins))  # wait for the masks of the rest

    def push(
        self, spectrogram: Complex[Tensor, "bins frames"], /
    ) -> Float[Tensor, "sources bins ready"]:
        count = spectrogram.shape[-1]
        while len(self._frames) < count:
            samples = torch.stack([reader.pop(BLOCK) for reader in self._readers])
            self._frames.push(self._analysis.push(samples))
        stems = self._frames.pop(count)
        rest = spectrogram - stems.sum(dim=0)
        powers = torch.cat([stems, rest[None]]).abs().square()
        total = powers.sum(dim=0)
        shares = torch.where(total > 0, powers / total.clamp(min=1e-30), 0.0)
        shares[-1] = 1 - shares[:-1].sum(dim=0)
        self._shares.push(shares)
        return self._with(self._rest.push(rest) if self._rest else shares.new_ones(1, *rest.shape))

    def finish(self) -> Float[Tensor, "sources bins rest"]:
        none = torch.ones(1, TRANSFORM.bins, 0)
        return self._with(self._rest.finish() if self._rest else none)

    def _with(
        self, masks: Float[Tensor, "others bins ready"]
    ) -> Float[Tensor, "sources bins ready"]:
        shares = self._shares.pop(masks.shape[-1])
        return torch.cat([shares[:-1], shares[-1] * masks])


def _with_rest(
    bands: Float[np.ndarray, "sources bands"], rest: Float[np.ndarray, "others bands"] | None
) -> Float[np.ndarray, "all bands"] | None:
    """Energies of the stems, then of the sources of the rest; None if these are unknown."""
    if rest is None:
        return None
    scale = bands[-1].sum() / max(float(np.sum(rest)), 1e-30)
    return np.concatenate([bands[:-1], scale * np.asarray(rest)])


def _free_name(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free.casefold() in taken:
        free, number = f"{name}-{number}", number + 1
    return free
