"""Hard-panned stereo mixes as records of the 1960s have them, from stems: every error is known.

Mixers had a switch for each track, left, center or right, and three habits:

- `band-left`: the band in one channel, all voices in the other;
- `left-center-right`: lead and bass in the center, drums and every other instrument in one channel,
  the rest in the other;
- `twin-track`: a recorder with two tracks, the rhythm section on one, voices and soloists on the
  other, and no center.

A source in one channel is doubled there, so that the mid of the mix is the sum of the stems. Then
come the faults of tape and transfer: a return of a plate, decorrelated between the channels; a lag
and a level of right; and hiss, another one in each channel.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

Style = Literal["band-left", "left-center-right", "twin-track"]
STYLES: tuple[Style, ...] = get_args(Style)

LEFT, CENTER, RIGHT = 1.0, 0.0, -1.0  # gain of a source in the side
VOICES = frozenset({"lead", "voice"})
RHYTHM = frozenset({"drums", "bass"})
PLATE_SECONDS = 1.6  # RT60
PLATE_ENERGY = 0.06  # mean energy of one channel of the response, relative to a unit impulse
GAP = 1e-3  # seconds of silence before the plate


class HardPanned(NamedTuple):
    """A mix of which all is known."""

    stereo: Float[np.ndarray, "2 frames"]
    clean: Float[np.ndarray, "2 frames"]
    """The same without lag, level and hiss."""
    stems: Float[np.ndarray, "sources frames"]
    """As they are in the mid of the clean mix."""
    kinds: tuple[str, ...]
    pans: tuple[float, ...]
    """Gain of each stem in the side: 1 left, 0 center, −1 right."""
    lag: float
    """Samples by which right is later."""
    gain_db: float
    """Level of right over left."""


def hard_pan(
    stems: Float[np.ndarray, "sources frames"],
    kinds: Sequence[str],
    style: Style,
    *,
    rate: int,
    mirrored: bool = False,
    plate_db: float | None = None,
    lag: float = 0.0,
    gain_db: float = 0.0,
    hiss_db: float | None = None,
    seed: int = 0,
) -> HardPanned:
    """Mix stems as in the 1960s.

    Args:
        stems: mono signals.
        kinds: of each: "lead", "voice", "drums", "bass" or "object".
        style: one of `STYLES`.
        rate: in Hz.
        mirrored: left and right are exchanged.
        plate_db: level of the plate on all but the rhythm section, over its usual one.
        lag: samples by which right becomes later.
        gain_db: level that right gets over left.
        hiss_db: level of the hiss in dB under the mix.
        seed: of plate and hiss.
    """
    generator = np.random.default_rng(seed)
    pans = _pans(kinds, style, -1.0 if mirrored else 1.0)
    sides = np.array(pans, stems.dtype)[:, None]
    clean = np.stack([((1 + sides) * stems).sum(axis=0), ((1 - sides) * stems).sum(axis=0)])
    if plate_db is not None:
        wet = stems[[kind not in RHYTHM for kind in kinds]].sum(axis=0)
        clean = clean + 10 ** (plate_db / 20) * _plate(wet, rate, generator)
    faulty = np.stack([clean[0], 10 ** (gain_db / 20) * delayed(clean[1], lag)])
    if hiss_db is not None:
        level = 10 ** (hiss_db / 20) * np.sqrt(np.mean(np.square(clean)))
        faulty = faulty + level * generator.standard_normal(faulty.shape)
    single = faulty.astype(np.float32)
    return HardPanned(single, clean.astype(np.float32), stems, tuple(kinds), pans, lag, gain_db)


def delayed(signal: Float[np.ndarray, " frames"], lag: float) -> Float[np.ndarray, " frames"]:
    """A signal later by a lag in samples, with zeros before it."""
    padding = int(np.ceil(abs(lag))) + 64
    size = signal.size + 2 * padding
    spectrum = np.fft.rfft(np.pad(signal.astype(np.float64), padding), size)
    turned = spectrum * np.exp(-2j * np.pi * np.fft.rfftfreq(size) * lag)
    return np.asarray(np.fft.irfft(turned, size)[padding : padding + signal.size])


def _pans(kinds: Sequence[str], style: Style, left: float) -> tuple[float, ...]:
    if style == "band-left":
        return tuple(-left if kind in VOICES else left for kind in kinds)
    pans = []
    others = 0
    for kind in kinds:
        if style == "left-center-right" and kind in ("lead", "bass"):
            pans.append(CENTER)
        elif kind in RHYTHM:
            pans.append(left)
        elif kind in VOICES:
            pans.append(-left)
        else:
            pans.append(-left if others % 2 == 0 else left)
            others += 1
    return tuple(pans)


def _plate(
    wet: Float[np.ndarray, " frames"], rate: int, generator: np.random.Generator
) -> Float[np.ndarray, "2 frames"]:
    """Two returns of noise that decays by 60 dB in `PLATE_SECONDS`."""
    length = round(PLATE_SECONDS * rate)
    decay = 10 ** (-3 * np.arange(length) / length)
    response = generator.standard_normal((2, length)) * decay
    response[:, : round(GAP * rate)] = 0
    response *= np.sqrt(PLATE_ENERGY / np.square(response).sum(axis=1, keepdims=True))
    size = 1 << (wet.size + length).bit_length()
    spectra = np.fft.rfft(response, size) * np.fft.rfft(wet, size)
    return np.asarray(np.fft.irfft(spectra, size)[:, : wet.size])
