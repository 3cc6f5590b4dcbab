"""HRTF sets for simulated recordings.

A talker walks around the listener, so sets that are measured in one plane, in a room or at a low
sample rate are unusable, as are those with an implausible bass. All are equalized for the diffuse
field: a response that is common to all directions is not a function of the pose, and the levels
become comparable.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from soundstage.binaural import HrtfSet, equalized, read_hrtf
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.hrtf.equalization import sphere_shares
from soundstage.binaural.hrtf.onsets import onset_delays
from soundstage.binaural.hrtf.sphere import even_directions
from soundstage.corpora.layouts import read_manifest
from soundstage.errors import InputError

LOWEST_RATE = 44_100  # Hz: full bandwidth of speech
WIDEST_GAP = 20.0  # degrees from any direction to the nearest measured one
HEIGHTS = (-25.0, 50.0)  # degrees of elevation that must have no gap
BASS = (300.0, 600.0)  # Hz: wavelengths longer than the head, which diffract around it
MAX_BASS_ILD = 10.0  # dB between the ears there; up to 6 for real heads
_DIRECTIONS = 2000  # 5 degrees apart


@dataclass(frozen=True)
class HrtfFile:
    """A usable HRTF set.

    Attributes:
        path: of the SOFA file.
        listener: files of one listener, such as a dummy head with two pinnae, share a split.
        license: quoted from the file.
    """

    path: Path
    listener: str
    license: str


class PreparedHrtf(NamedTuple):
    """An HRTF set for rendering with propagation delays from the center of the head."""

    hrtf: HrtfSet
    no_delay: float
    """Argument of `HrtfRenderer.stream`, in meters, with which sound from r meters takes r/c."""


def usable_hrtf_sets(folder: Path) -> tuple[list[HrtfFile], list[str]]:
    """Find the usable SOFA files of a folder; also returns a sentence for each unusable one.

    A `manifest.csv` beside them can give the `database` and the `listener` of a `file`. The part
    after a comma, such as the pinna, does not count for the listener.

    Raises:
        InputError: the folder does not exist, or has no usable HRTF set.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: folder not found.")
    manifest = folder / "manifest.csv"
    rows = read_manifest(manifest) if manifest.is_file() else {}
    usable, skipped = [], []
    for path in sorted(folder.rglob("*.sofa")):
        try:
            hrtf = read_hrtf(path)
            _check(path, hrtf)
        except InputError as error:
            skipped.append(str(error))
            continue
        row = rows.get(path.resolve(), {})
        name = f"{row.get('database', '')} {row.get('listener', '')}".strip() or hrtf.name
        usable.append(HrtfFile(path, name.split(",")[0] or path.stem, hrtf.license))
    if not usable:
        reason = skipped[0] if skipped else "there is no SOFA file."
        raise InputError(f"{folder}: has no usable HRTF set; {reason}")
    return usable, skipped


def prepare_hrtf(path: Path, rate: int) -> PreparedHrtf:
    """Read, equalize and resample an HRTF set, and determine its common delay.

    The delay to the center of the head is the mean onset over the sphere and both ears, which is
    0.035·a/c or 9 μs for a rigid sphere, in whole samples.

    Raises:
        InputError: the file cannot be read.
    """
    return centered(equalized(read_hrtf(path)).resampled(rate))


def centered(hrtf: HrtfSet) -> PreparedHrtf:
    """Determine the common delay of an HRTF set; see `prepare_hrtf`."""
    hrtf = replace(hrtf, delays=hrtf.delays - np.floor(hrtf.delays.min()))
    onsets = onset_delays(hrtf.responses, hrtf.rate) + hrtf.delays
    common = round(float(sphere_shares(hrtf) @ onsets.mean(axis=1)))
    return PreparedHrtf(hrtf, common * SPEED_OF_SOUND / hrtf.rate)


def _check(path: Path, hrtf: HrtfSet) -> None:
    if hrtf.rate < LOWEST_RATE:
        raise InputError(
            f"{path}: has a sample rate of {hrtf.rate:,} Hz; {LOWEST_RATE:,} Hz is the minimum."
        )
    required = even_directions(_DIRECTIONS)
    low, high = np.sin(np.radians(HEIGHTS))
    required = required[(required[:, 2] >= low) & (required[:, 2] <= high)]
    distances, _ = KDTree(hrtf.directions).query(required)
    gap = float(np.degrees(2 * np.arcsin(distances.max() / 2)))
    if gap > WIDEST_GAP:
        raise InputError(
            f"{path}: its {len(hrtf.directions)} directions leave gaps of {gap:.0f} degrees "
            f"between {HEIGHTS[0]:g} and {HEIGHTS[1]:g} degrees of elevation; the limit is "
            f"{WIDEST_GAP:g}."
        )
    bass = _bass_ild(equalized(hrtf))
    if bass > MAX_BASS_ILD:
        raise InputError(
            f"{path}: has an ILD of {bass:.0f} dB from {BASS[0]:g} to {BASS[1]:g} Hz, where a head "
            "has at most 6, as directional transfer functions do: use head-related ones."
        )


def _bass_ild(hrtf: HrtfSet) -> float:
    """Largest interaural level difference in the bass, in dB, of any direction."""
    size = max(hrtf.taps, hrtf.rate // 50)
    frequencies = np.fft.rfftfreq(size, 1 / hrtf.rate)
    spectra = np.fft.rfft(hrtf.responses, size, axis=-1)
    bass = (frequencies >= BASS[0]) & (frequencies <= BASS[1])
    levels = 10 * np.log10((np.abs(spectra[..., bass]) ** 2).mean(axis=-1).clip(1e-12))
    return float(np.abs(levels[:, 0] - levels[:, 1]).max())
