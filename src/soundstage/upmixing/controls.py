"""Options of the result that every method has: width, noise, mono bass, focus of the center.

Controls act on the side signal alone, so that the fold-down stays exact. Width is a gain, by
default 1 with a limit that depends on the content. Surface noise stays in the middle unless it is
to be spread. Bass and focus are one linear-phase filter with compensated delay. Its gain is the
product of

    bass mono     f⁴/(f⁴ + f_c⁴)       a crossover of 24 dB an octave, −6 dB at f_c
    center focus  1 − focus·w(f)       w is 1 from 250 Hz to 4 kHz, the range of voices and leads,
                                       and falls to 0 within an octave on either side
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float

from soundstage.errors import OptionError, quoted

FILTER_TAPS = 8_191  # 186 ms at 44.1 kHz: resolves a crossover at 20 Hz; odd, so symmetric
DESIGN_SIZE = 16_384  # FFT size of the filter design
VOICE_BAND = (250.0, 4_000.0)  # Hz
MIXES = ("mean", "best")  # of aligned channels
SEEDS = 1 << 32  # number of seeds
MAX_TAKES = 32  # of one file at once: each has two open files and some 20 MB of buffers


@dataclass(frozen=True)
class Controls:
    """Checked options of the side signal.

    Raises:
        OptionError: a value is not a number, or out of its range.
    """

    width: float | None = None
    """Gain of the side signal, 0 (mono) to 2; 1 leaves the side of the method. None is 1 with a
    limit by content: a voice or a single instrument is narrow, a band as wide as real music."""
    bass_mono: float = 0.0
    """Crossover in Hz below which the side fades out, 20 to 500; 0 is off."""
    center_focus: float = 0.0
    """Attenuation of the side between 250 Hz and 4 kHz, 0 (none) to 1 (mono there)."""

    spread_noise: bool = False
    """Spread clicks and hiss like the music, instead of leaving them in the middle."""

    def __post_init__(self) -> None:
        if not isinstance(self.spread_noise, bool | np.bool_):
            raise OptionError(f"`spread_noise` must be true or false, not {self.spread_noise!r}.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "spread_noise" or (field.name == "width" and value is None):
                continue
            if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
                raise OptionError(f"`{field.name}` must be a number, not {value!r}.")
            object.__setattr__(self, field.name, float(value))
        if self.width is not None and not 0 <= self.width <= 2:
            raise OptionError(f"`width` must be from 0 to 2, not {self.width:g}.")
        if self.bass_mono != 0 and not 20 <= self.bass_mono <= 500:
            raise OptionError(
                f"`bass_mono` must be 0 (off) or from 20 to 500 Hz, not {self.bass_mono:g}."
            )
        if not 0 <= self.center_focus <= 1:
            raise OptionError(f"`center_focus` must be from 0 to 1, not {self.center_focus:g}.")

    @property
    def needs_inspection(self) -> bool:
        """Whether they depend on the content or the noise of the input."""
        return self.width is None or not self.spread_noise

    def for_style(self, style: object | None) -> "Controls":
        """The same; a requested style sets the width, so that no limit by content applies."""
        return replace(self, width=1.0) if style and self.width is None else self

    @property
    def filters(self) -> bool:
        """Whether the side passes through a filter."""
        return self.bass_mono > 0 or self.center_focus > 0


def check_mix(mix: str, *, align: bool) -> None:
    """Check how aligned channels are summed.

    Raises:
        OptionError: there is no such mix, or the channels are not aligned.
    """
    if mix not in MIXES:
        raise OptionError(f"`mix` must be one of {', '.join(MIXES)}, not {quoted(mix)}.")
    if mix != "mean" and not align:
        raise OptionError(f"`mix` {quoted(mix)} needs aligned channels: use `align` too.")


def as_seeds(seed: SupportsIndex | Sequence[SupportsIndex]) -> list[int]:
    """One seed, or a sequence of them with one a take, as a list of different integers.

    Raises:
        OptionError: a seed is not an integer from 0 to 2³² − 1, one comes twice, or there is none
            or more than `MAX_TAKES`.
    """
    single = not hasattr(seed, "__len__") or getattr(seed, "ndim", 1) == 0
    seeds = [_as_seed(each) for each in ([seed] if single else seed)]  # type: ignore[union-attr]
    if not 1 <= len(seeds) <= MAX_TAKES:
        raise OptionError(f"The number of seeds must be from 1 to {MAX_TAKES}, not {len(seeds)}.")
    if len(set(seeds)) < len(seeds):
        raise OptionError("Every take needs a seed of its own: one is given twice.")
    return seeds


def _as_seed(value: object) -> int:
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        seed = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise OptionError(f"`seed` must be an integer, not {value!r}.") from None
    if not 0 <= seed < SEEDS:
        raise OptionError(f"`seed` must be from 0 to {SEEDS - 1}, not {seed}.")
    return seed


def side_gain(
    controls: Controls, frequency: Float[np.ndarray, " frequencies"]
) -> Float[np.ndarray, " frequencies"]:
    """Gain of the side filter at `frequency` (Hz), 0 to 1, without the width."""
    gain = np.ones_like(frequency, dtype=float)
    if controls.bass_mono:
        gain *= frequency**4 / (frequency**4 + controls.bass_mono**4)
    if controls.center_focus:
        octaves = np.log2(np.maximum(frequency, 1.0) / np.array(VOICE_BAND)[:, None])
        outside = np.maximum(np.maximum(-octaves[0], octaves[1]), 0).clip(max=1)
        gain *= 1 - controls.center_focus * (0.5 + 0.5 * np.cos(np.pi * outside))
    return gain


def side_filter(controls: Controls, rate: int) -> Float[np.ndarray, " taps"]:
    """Symmetric impulse response of the side filter, with its center at `FILTER_TAPS` // 2."""
    gain = side_gain(controls, np.fft.rfftfreq(DESIGN_SIZE, 1 / rate))
    response = np.roll(np.fft.irfft(gain, DESIGN_SIZE), FILTER_TAPS // 2)[:FILTER_TAPS]
    return (response * np.hanning(FILTER_TAPS + 2)[1:-1]).astype(np.float32)
