"""Measured heads that simulated recordings are heard with.

A walk comes past a head on all sides, so that heads measured in one plane, in rooms, or at low
rates cannot be used, nor can those with a bass that no head makes. All are equalized for the
diffuse field: what a loudspeaker or an ear canal does to every direction alike is no head that a
network could tell from a pose, and levels come out alike.
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
from soundstage.corpora.manifest import read_manifest
from soundstage.errors import InputError

LOWEST_RATE = 44_100  # Hz: whole speech
WIDEST_GAP = 20.0  # degrees from any direction to a measured one
HEIGHTS = (-25.0, 50.0)  # degrees between which there must be no gap
BASS = (300.0, 600.0)  # Hz: sinusoidal_embedding longer than a head, which go around it
BASS_APART = 10.0  # dB between the ears there, at most; all around real heads it is up to 6
_DIRECTIONS = 2000  # 5 degrees apart


@dataclass(frozen=True)
class HeadFile:
    """A head that can be used.

    Attributes:
        path: of the SOFA file.
        listener: who it is; files of one listener, such as a dummy with two pinnae, go together.
        license: as the file words it.
    """

    path: Path
    listener: str
    license: str


class PreparedHead(NamedTuple):
    """A head for rendering, whose delay is that from its middle."""

    head: HrtfSet
    no_delay: float
    """In meters: the distance from which a `HrtfRenderer` must let sound take no time, so that it
    takes r/c from r meters."""


def usable_heads(folder: Path) -> tuple[list[HeadFile], list[str]]:
    """The heads in the SOFA files of a folder, and a sentence for each that cannot be used.

    A `manifest.csv` beside them may name the `database` and the `listener` of a `file`. What stands
    after a comma there, such as a pinna, does not make another listener.

    Raises:
        InputError: there is no such folder, or no head in it that can be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    manifest = folder / "manifest.csv"
    rows = read_manifest(manifest) if manifest.is_file() else {}
    heads, left_out = [], []
    for path in sorted(folder.rglob("*.sofa")):
        try:
            head = read_hrtf(path)
            _check(path, head)
        except InputError as error:
            left_out.append(str(error))
            continue
        row = rows.get(path.resolve(), {})
        name = f"{row.get('database', '')} {row.get('listener', '')}".strip() or head.name
        heads.append(HeadFile(path, name.split(",")[0] or path.stem, head.license))
    if not heads:
        reason = left_out[0] if left_out else "there is no SOFA file."
        raise InputError(f"{folder}: holds no head that can be used; {reason}")
    return heads, left_out


def prepared_head(path: Path, rate: int) -> PreparedHead:
    """A head at a rate in Hz, equalized, with what all its delays have in common told apart.

    The delay from the middle of the head is the mean onset over the sphere and both ears: a rigid
    sphere's is 0.035·a/c, 9 μs, there. It is taken in whole samples.

    Raises:
        InputError: the file cannot be read.
    """
    return centered(equalized(read_hrtf(path)).resampled(rate))


def centered(head: HrtfSet) -> PreparedHead:
    """A head, with what all its delays have in common told apart; as `prepared_head`."""
    head = replace(head, delays=head.delays - np.floor(head.delays.min()))
    onsets = onset_delays(head.responses, head.rate) + head.delays
    common = round(float(sphere_shares(head) @ onsets.mean(axis=1)))
    return PreparedHead(head, common * SPEED_OF_SOUND / head.rate)


def _check(path: Path, head: HrtfSet) -> None:
    if head.rate < LOWEST_RATE:
        raise InputError(
            f"{path}: was measured at {head.rate:,} Hz, and speech at 48,000 Hz needs "
            f"{LOWEST_RATE:,} Hz at least."
        )
    wanted = even_directions(_DIRECTIONS)
    low, high = np.sin(np.radians(HEIGHTS))
    wanted = wanted[(wanted[:, 2] >= low) & (wanted[:, 2] <= high)]
    apart, _ = KDTree(head.directions).query(wanted)
    gap = float(np.degrees(2 * np.arcsin(apart.max() / 2)))
    if gap > WIDEST_GAP:
        raise InputError(
            f"{path}: was measured in {len(head.directions)} directions that leave gaps of "
            f"{gap:.0f} degrees between {HEIGHTS[0]:g} and {HEIGHTS[1]:g} degrees of elevation; a "
            f"walk around the head needs {WIDEST_GAP:g} at most."
        )
    bass = _bass_apart(equalized(head))
    if bass > BASS_APART:
        raise InputError(
            f"{path}: has up to {bass:.0f} dB between its ears from {BASS[0]:g} to {BASS[1]:g} Hz, "
            f"where a head makes 6; directional transfer functions, without what directions share, "
            "do so: choose the head-related ones."
        )


def _bass_apart(head: HrtfSet) -> float:
    """The largest level difference of the ears in the bass, in dB, of any direction."""
    size = max(head.taps, head.rate // 50)
    frequencies = np.fft.rfftfreq(size, 1 / head.rate)
    spectra = np.fft.rfft(head.responses, size, axis=-1)
    bass = (frequencies >= BASS[0]) & (frequencies <= BASS[1])
    levels = 10 * np.log10((np.abs(spectra[..., bass]) ** 2).mean(axis=-1).clip(1e-12))
    return float(np.abs(levels[:, 0] - levels[:, 1]).max())
