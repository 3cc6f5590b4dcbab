"""How far sound at two ears is off, in training.

    wave      mean of e²
    emphasis  mean of (e_n − 0.97·e_(n−1))²
    phase     mean of the wrapped difference of phases where the truth is heard, in radians

Nearly all of the energy of speech is below 1 kHz, so the squared error alone, though it is what
tables print, leaves what a head does to the treble as it is. The emphasis of speech coders (as in
Markel and Gray 1976, §6) weighs all of speech about alike. The phase term is that of Richard et al.
(2021), whose weight in BinauralGrad's second stage is 0.01.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

EMPHASIS = 0.97  # of the sample before; a zero near 0 Hz, flat from some 4 kHz on at 48 kHz
TRANSFORM, HOP = 1024, 512  # samples, of the phases
AUDIBLE = 0.2  # of the mean size of the true bins, as in `metrics/waveform_errors.py`

Sound = Float[Tensor, "batch channels samples"]


@dataclass(frozen=True)
class BinauralLoss:
    """A weighted sum of errors."""

    wave: float = 1.0
    emphasis: float = 0.0
    phase: float = 0.0

    def of_error(self, error: Sound) -> Float[Tensor, " batch"]:
        """The terms that need the error alone."""
        loss = self.wave * error.square().mean(dim=(1, 2))
        if self.emphasis:
            bright = error[..., 1:] - EMPHASIS * error[..., :-1]
            loss = loss + self.emphasis * bright.square().mean(dim=(1, 2))
        return loss

    def of_sound(self, made: Sound, true: Sound) -> Float[Tensor, " batch"]:
        """The terms that need both; 0 where none is asked for."""
        if not self.phase:
            return made.new_zeros(len(made))
        return self.phase * phase_difference(made, true)


def phase_difference(made: Sound, true: Sound) -> Float[Tensor, " batch"]:
    """Mean difference of phases in radians, 0 to π, over the bins that are heard in the truth."""
    window = torch.hann_window(TRANSFORM, device=true.device)
    found, wanted = (
        torch.stft(
            each.flatten(0, 1), TRANSFORM, HOP, window=window, return_complex=True
        ).unflatten(0, each.shape[:2])
        for each in (made.float(), true.float())
    )
    size = wanted.real.abs() + wanted.imag.abs()
    audible = size > AUDIBLE * size.mean(dim=(1, 2, 3), keepdim=True)
    # An angle has no gradient at 0, where networks that begin silent stand, and none that single
    # precision can hold where both are next to silent
    between = torch.where(audible, found * wanted.conj(), torch.zeros_like(found))
    turned = torch.atan2(between.imag, between.real + 1e-8 * (between.abs().detach() == 0))
    kept = (turned.abs() * audible).sum(dim=(1, 2, 3))
    return kept / audible.sum(dim=(1, 2, 3)).clamp(min=1)


def mean_square(error: Sound) -> float:
    """Over all of it; infinite where it is no number, which can be no best epoch."""
    found = error.double().square().mean().item()
    return found if math.isfinite(found) else math.inf
