"""Analysis of an ambisonic file: convention, level, and where its sound comes from.

Everything follows from mean products of the channels, ⟨B_i·B_j⟩, over the file and over columns of
time, and from those of W, X, Y and Z in octave bands (`ambisonics/intensity.py`). One pass in
blocks after the one that guesses a convention; memory does not grow with length.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from soundstage.ambisonics.conventions import to_ambix
from soundstage.ambisonics.field_formats import FieldFormat, field_format
from soundstage.ambisonics.harmonics import degrees, to_direction
from soundstage.ambisonics.intensity import (
    FieldMoments,
    direction_of_moments,
    energy_by_direction,
)
from soundstage.audio import Source, TruePeakMeter, decibels, open_sound
from soundstage.audio.file_report import finite
from soundstage.audio.loudness import LoudnessMeter
from soundstage.errors import InputError
from soundstage.precision import in_single_precision
from soundstage.spectra import STFT, AnalysisStream

BLOCK_SECONDS = 1.0
GRID = 5.0  # degrees between points of the map
AZIMUTHS = np.arange(180.0, -180.0, -GRID)
ELEVATIONS = np.arange(90.0, -91.0, -GRID)
PEAK_DB = 1.0  # over the mean, from which on a maximum of the map is a main direction
MOST_PEAKS = 4
MAX_COLUMNS = 400
OCTAVES = (125, 250, 500, 1000, 2000, 4000, 8000)  # Hz
EMPTY_DB = -60.0  # of a degree re W, under which it counts as empty
_TRANSFORM = STFT(2048, 512)
_SILENCE = 1e-20


@dataclass(frozen=True)
class Peak:
    """A maximum of the energy by direction."""

    azimuth: float
    """In degrees counter-clockwise: 90 is left."""
    elevation: float
    """In degrees up."""
    level_db: float
    """Over the mean of all directions."""


@dataclass(frozen=True)
class BandDirection:
    """Where an octave band comes from."""

    center_hz: float
    azimuth: float
    elevation: float
    diffuseness: float
    """0 (a plane wave) to 1 (a diffuse field)."""
    energy_share: float
    """Of all octave bands, 0 to 1."""


@dataclass(frozen=True)
class FieldAnalysis:
    """Measurements of an ambisonic file. Angles are in degrees, levels in dB re full scale."""

    rate: int
    """Sample rate in Hz."""
    channels: int
    order: int
    convention: str
    """ "ambix", "n3d" or "fuma"."""
    convention_reason: str
    convention_guessed: bool
    frames: int
    duration: float
    """Seconds."""
    format: str
    """Container and encoding."""
    true_peak_db: float
    """Of all channels, in dBTP."""
    loudness: float
    """Of W, in LUFS."""
    azimuth: float
    """Of the mean intensity."""
    elevation: float
    diffuseness: float
    """0 (one plane wave) to 1 (as much from everywhere)."""
    degree_levels_db: tuple[float, ...]
    """Power of all channels of a degree over that of W, in SN3D: 0 for sources that do not
    interfere, wherever they are, and for a diffuse field."""
    peaks: tuple[Peak, ...]
    """The loudest directions, the loudest first."""
    bands: tuple[BandDirection, ...]
    map: Float[np.ndarray, "elevations azimuths"]
    """Energy at `ELEVATIONS` and `AZIMUTHS`, 1 on the mean of all directions."""
    horizon: Float[np.ndarray, "azimuths columns"]
    """Energy on the horizon in equal columns of time, 1 on the mean of the whole."""

    @property
    def used_order(self) -> int:
        """The highest degree that is not empty."""
        used = [n for n, level in enumerate(self.degree_levels_db) if level > EMPTY_DB]
        return max(used, default=0)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without map and horizon; values that are not finite become None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        del values["map"], values["horizon"]
        values["kind"] = "ambisonics"
        values["degree_levels_db"] = [
            level if math.isfinite(level) else None for level in self.degree_levels_db
        ]
        values["used_order"] = self.used_order
        values["peaks"] = [asdict(peak) for peak in self.peaks]
        values["bands"] = [finite(asdict(band)) for band in self.bands]
        return finite(values)


@in_single_precision
def analyze_field(
    source: Source,
    *,
    convention: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> FieldAnalysis:
    """Measure an ambisonic sound of order 1, 2 or 3.

    Args:
        source: a path, a binary file object, an `Audio`, or (samples, rate).
        convention: "ambix", "n3d" or "fuma"; None is what the file says, or a guess.
        progress: called with the fraction done, 0 to 1.

    Raises:
        InputError: the sound cannot be read, is empty, or has not 4, 9 or 16 channels.
        OptionError: there is no such convention.
    """
    with open_sound(source) as sound, torch.inference_mode():
        found = field_format(sound, convention)
        meter = _FieldMeter(found, sound.rate, sound.seconds)
        for block in sound.blocks(round(BLOCK_SECONDS * sound.rate)):
            meter.push(to_ambix(block, found.convention), block)
            if progress and sound.frames:
                progress(min(meter.whole.frames / sound.frames, 1.0))
        if not meter.whole.frames:
            raise InputError(f"{sound.name} is empty.")
        return meter.result(sound.channels, str(sound.format))


class _FieldMeter:
    """Running sums over one file."""

    def __init__(self, found: FieldFormat, rate: int, seconds: float | None) -> None:
        self._found, self._rate = found, rate
        self.whole = FieldMoments(found.order)
        self._column_seconds = max((seconds or 0.0) / MAX_COLUMNS, BLOCK_SECONDS)
        self._columns = [FieldMoments(found.order)]
        self._peak = TruePeakMeter(rate, (found.order + 1) ** 2)
        self._loudness = LoudnessMeter(rate, 1)
        self._stream = AnalysisStream(_TRANSFORM, (4,))
        frequencies = np.fft.rfftfreq(_TRANSFORM.frame, 1 / rate)
        self._bands = [np.abs(np.log2(np.maximum(frequencies, 1) / hz)) <= 0.5 for hz in OCTAVES]
        self._sums = np.zeros((len(OCTAVES), 4, 4))

    def push(
        self, field: Float[np.ndarray, "channels frames"], raw: Float[np.ndarray, "channels frames"]
    ) -> None:
        self.whole.push(field)
        if self._columns[-1].frames >= self._column_seconds * self._rate:
            self._columns.append(FieldMoments(self._found.order))
        self._columns[-1].push(field)
        self._peak.push(raw)
        self._loudness.push(field[:1])
        self._add_spectra(self._stream.push(torch.tensor(field[:4], dtype=torch.float32)))

    def result(self, channels: int, form: str) -> FieldAnalysis:
        self._peak.finish()
        self._add_spectra(self._stream.finish())
        moments, order = self.whole.mean(), self._found.order
        powers = np.bincount(degrees(order), np.diag(moments))
        levels = tuple(_decibels(power, powers[0]) for power in powers)
        main = direction_of_moments(moments)
        directions = to_direction(AZIMUTHS, ELEVATIONS[:, None])
        energies = energy_by_direction(moments, directions)
        columns = [column.mean() for column in self._columns]
        flat = [_horizon(column, moments) for column in columns]
        return FieldAnalysis(
            rate=self._rate,
            channels=channels,
            order=order,
            convention=self._found.convention,
            convention_reason=self._found.reason,
            convention_guessed=self._found.is_guess,
            frames=self.whole.frames,
            duration=self.whole.frames / self._rate,
            format=form,
            true_peak_db=decibels(self._peak.true_peak),
            loudness=self._loudness.integrated(),
            azimuth=main.azimuth,
            elevation=main.elevation,
            diffuseness=main.diffuseness,
            degree_levels_db=levels,
            peaks=_peaks(energies),
            bands=self._band_directions(),
            map=energies,
            horizon=np.stack(flat, axis=1),
        )

    def _add_spectra(self, spectra: torch.Tensor) -> None:
        values = spectra.numpy()
        for number, band in enumerate(self._bands):
            part = values[:, band].reshape(4, -1).astype(np.complex128)
            self._sums[number] += (part @ part.conj().T).real

    def _band_directions(self) -> tuple[BandDirection, ...]:
        total = max(sum(float(sums[0, 0]) for sums in self._sums), _SILENCE)
        return tuple(
            BandDirection(hz, *direction_of_moments(sums), float(sums[0, 0]) / total)
            for hz, sums in zip(OCTAVES, self._sums, strict=True)
            if hz < self._rate / 2
        )


def _horizon(
    column: Float[np.ndarray, "channels channels"], whole: Float[np.ndarray, "channels channels"]
) -> Float[np.ndarray, " azimuths"]:
    level = column[0, 0] / max(whole[0, 0], _SILENCE)
    return level * energy_by_direction(column, to_direction(AZIMUTHS, 0.0))


def _decibels(power: float, reference: float) -> float:
    if reference < _SILENCE:
        return math.nan
    return 10 * math.log10(power / reference) if power else -math.inf


def _peaks(energies: Float[np.ndarray, "elevations azimuths"]) -> tuple[Peak, ...]:
    """Maxima of the map: points above all of their eight neighbors."""
    around = np.pad(energies, ((0, 0), (1, 1)), mode="wrap")
    around = np.pad(around, ((1, 1), (0, 0)), constant_values=-1.0)
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    rows, columns = energies.shape
    neighbors = np.stack([around[i : i + rows, j : j + columns] for i, j in shifts])
    is_peak = (energies > neighbors.max(axis=0)) & (energies > 10 ** (PEAK_DB / 10))
    found = sorted(zip(*np.nonzero(is_peak), strict=True), key=lambda at: -energies[at])
    return tuple(
        Peak(float(AZIMUTHS[j]), float(ELEVATIONS[i]), 10 * math.log10(energies[i, j]))
        for i, j in found[:MOST_PEAKS]
    )
