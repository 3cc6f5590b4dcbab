"""Phases for given magnitudes: the fast Griffin-Lim algorithm.

With P the projection onto the spectrograms of sounds (inverse transform, then transform) and A the
magnitudes, from random phases and t₀ = c₀ (Perraudin, Balazs and Søndergaard 2013, algorithm 2),

    t_n = P(A · e^(j∠c_{n−1})),    c_n = t_n + α·(t_n − t_{n−1})

The first iterations of α = 0 are those of Griffin and Lim (1984); α = 0.99 converges faster and to
a more consistent spectrogram.
"""

import torch
from jaxtyping import Float
from torch import Tensor

ITERATIONS = 32
ALPHA = 0.99
TINY = 1e-12


def griffin_lim(
    magnitudes: Float[Tensor, "batch bins frames"],
    hop: int,
    samples: int,
    *,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> Float[Tensor, "batch samples"]:
    """A sound with nearly these magnitudes in centered Hann windows of 2 · (bins − 1) samples.

    Args:
        magnitudes: of `torch.stft`, without normalization.
        hop: samples from frame to frame.
        samples: length of the sound, at most (frames − 1) · hop.
        iterations: of the algorithm.
        seed: of the first phases.
    """
    size = 2 * (magnitudes.shape[1] - 1)
    window = torch.hann_window(size, device=magnitudes.device)
    generator = torch.Generator().manual_seed(seed)
    phases = 2 * torch.pi * torch.rand(magnitudes.shape[1:], generator=generator)
    angles = torch.polar(torch.ones_like(phases), phases).to(magnitudes.device)
    previous = torch.zeros_like(magnitudes, dtype=torch.complex64)
    for _ in range(iterations):
        sound = torch.istft(magnitudes * angles, size, hop, window=window, length=samples)
        consistent = torch.stft(
            sound, size, hop, window=window, pad_mode="constant", return_complex=True
        )
        momentum = consistent + ALPHA * (consistent - previous)
        angles, previous = momentum / momentum.abs().clamp(min=TINY), consistent
    return torch.istft(magnitudes * angles, size, hop, window=window, length=samples)
