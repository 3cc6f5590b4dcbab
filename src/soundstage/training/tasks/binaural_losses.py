"""Training losses of the neural binaural renderers.

    wave         mean of e²
    preemphasis  mean of (e_n − 0.97·e_(n−1))²
    phase        mean wrapped phase difference over the audible bins of the target, in radians

Nearly all of the energy of speech is below 1 kHz, so the squared error alone leaves the effect of
the head on the treble unmodeled. The pre-emphasis of speech coders (Markel and Gray 1976, §6)
weights all of speech about equally. The phase term is that of Richard et al. (2021); its weight in
the second stage of BinauralGrad is 0.01.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

PREEMPHASIS = 0.97  # of the previous sample; a zero near 0 Hz, flat from 4 kHz on at 48 kHz
WINDOW, HOP = 1024, 512  # samples, of the phase term
AUDIBLE = 0.2  # relative to the mean magnitude of the target, as in `metrics/waveform_errors.py`

Sound = Float[Tensor, "batch channels samples"]


@dataclass(frozen=True)
class BinauralLoss:
    """Weights of the three terms."""

    wave: float = 1.0
    preemphasis: float = 0.0
    phase: float = 0.0

    def error_terms(self, error: Sound) -> Float[Tensor, " batch"]:
        """The terms that depend on the error signal."""
        loss = self.wave * error.square().mean(dim=(1, 2))
        if self.preemphasis:
            emphasized = error[..., 1:] - PREEMPHASIS * error[..., :-1]
            loss = loss + self.preemphasis * emphasized.square().mean(dim=(1, 2))
        return loss

    def phase_term(self, output: Sound, target: Sound) -> Float[Tensor, " batch"]:
        """The phase term; zero if its weight is zero."""
        if not self.phase:
            return output.new_zeros(len(output))
        return self.phase * phase_difference(output, target)


def phase_difference(output: Sound, target: Sound) -> Float[Tensor, " batch"]:
    """Mean phase difference in radians, 0 to π, over the audible bins of the target."""
    window = torch.hann_window(WINDOW, device=target.device)
    spectrum, reference = (
        torch.stft(each.flatten(0, 1), WINDOW, HOP, window=window, return_complex=True).unflatten(
            0, each.shape[:2]
        )
        for each in (output.float(), target.float())
    )
    magnitude = reference.real.abs() + reference.imag.abs()
    audible = magnitude > AUDIBLE * magnitude.mean(dim=(1, 2, 3), keepdim=True)
    # An angle has no gradient at 0, where networks with a silent initial output are, and none that
    # fits into single precision where both signals are nearly silent
    cross = torch.where(audible, spectrum * reference.conj(), torch.zeros_like(spectrum))
    angle = torch.atan2(cross.imag, cross.real + 1e-8 * (cross.abs().detach() == 0))
    total = (angle.abs() * audible).sum(dim=(1, 2, 3))
    return total / audible.sum(dim=(1, 2, 3)).clamp(min=1)
