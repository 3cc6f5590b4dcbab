"""What a user can ask of any upmixer: how wide, how much of the bass and of the middle stays.

Controls act on the side signal alone, so none of them touches the fold-down. Width is a gain on it.
The other two are one linear filter without delay: its gain over frequency is the product of

    bass mono     f⁴/(f⁴ + f_c⁴)       a crossover of 24 dB an octave, −6 dB at f_c
    center focus  1 − focus·w(f)       w is 1 from 250 Hz to 4 kHz, where voices and leads lie, and
                                       falls to 0 within an octave on either side
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import OptionError

FILTER_TAPS = 8_191  # 186 ms at 44.1 kHz: resolves a crossover at 20 Hz; odd, so symmetric
DESIGN_SIZE = 16_384  # of the transform in which the filter is designed
VOICE_BAND = (250.0, 4_000.0)  # Hz


@dataclass(frozen=True)
class Controls:
    """Checked once, here; every method can rely on the ranges."""

    width: float = 1.0
    """Gain of the side signal, 0 (mono) to 2; 1 is what the method makes."""
    bass_mono_hz: float = 0.0
    """Below this frequency the side fades out: 0 (nowhere), or 20 to 500 Hz."""
    center_focus: float = 0.0
    """How far voices and leads are drawn to the center, 0 (as they are) to 1 (all the way)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise OptionError(f"{field.name} is a number, not {value!r}.")
        if not 0 <= self.width <= 2:
            raise OptionError(f"width goes from 0 to 2, and is {self.width:g}.")
        if self.bass_mono_hz != 0 and not 20 <= self.bass_mono_hz <= 500:
            raise OptionError(
                f"bass_mono_hz is 0 (off) or goes from 20 to 500 Hz, and is {self.bass_mono_hz:g}."
            )
        if not 0 <= self.center_focus <= 1:
            raise OptionError(f"center_focus goes from 0 to 1, and is {self.center_focus:g}.")

    @property
    def filters(self) -> bool:
        """Whether the side passes a filter at all."""
        return self.bass_mono_hz > 0 or self.center_focus > 0


def side_gain(controls: Controls, frequency: np.ndarray) -> np.ndarray:
    """Gain of the side filter at `frequency` (Hz), 0 to 1, width left out."""
    gain = np.ones_like(frequency, dtype=float)
    if controls.bass_mono_hz:
        gain *= frequency**4 / (frequency**4 + controls.bass_mono_hz**4)
    if controls.center_focus:
        octaves = np.log2(np.maximum(frequency, 1.0) / np.array(VOICE_BAND)[:, None])
        outside = np.maximum(np.maximum(-octaves[0], octaves[1]), 0).clip(max=1)
        gain *= 1 - controls.center_focus * (0.5 + 0.5 * np.cos(np.pi * outside))
    return gain


def side_filter(controls: Controls, rate: int) -> Float[Tensor, " taps"]:
    """Symmetric impulse response of the side filter; its center is at index `FILTER_TAPS` // 2."""
    gain = side_gain(controls, np.fft.rfftfreq(DESIGN_SIZE, 1 / rate))
    response = np.roll(np.fft.irfft(gain, DESIGN_SIZE), FILTER_TAPS // 2)[:FILTER_TAPS]
    return torch.from_numpy(response * np.hanning(FILTER_TAPS + 2)[1:-1]).float()
