"""The 2005 decoder: left and right mixed from the mono signal and its decorrelated copy.

With c = 10^(IID/20) and ρ = IC (Breebaart et al. 2005, §5; the mode of MPEG-4 with two parameters):

    c_L = √2·c/√(1 + c²)    c_R = √2/√(1 + c²)    a = ½·arccos ρ    b = a·(c_R − c_L)/√2
    L = c_L·(cos(a + b)·M + sin(a + b)·D)         R = c_R·(cos(b − a)·M + sin(b − a)·D)

These keep the power of a mono signal that holds the mean power of the two channels. Ours is their
mean, (L+R)/2, which is weaker the less they agree; both are scaled by √(2(c² + 1)/(c² + 1 + 2ρc)).
The fold-down is not exact (about −37 dB on music): the default is `prediction`, and this decoder
stays for comparison with the paper.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MAX_POWER_CORRECTION = 4.0  # +12 dB, as in the prediction decoder: near ρ = −1 it has no bound


def mixing_matrix(
    iid: Float[Tensor, "*batch bands frames"],
    coherence: Float[Tensor, "*batch bands frames"],
) -> Float[Tensor, "2 2 *batch bands frames"]:
    """Gains [[L from M, L from D], [R from M, R from D]].

    Args:
        iid: level of left over right, in dB.
        coherence: real part of the normalized cross-spectrum, from −1 to 1.
    """
    c = 10 ** (iid / 20)
    left, right = math.sqrt(2) * c / (1 + c**2).sqrt(), math.sqrt(2) / (1 + c**2).sqrt()
    spread = torch.arccos(coherence.clamp(-1, 1)) / 2
    turn = spread * (right - left) / math.sqrt(2)
    mid_energy = (c**2 + 1 + 2 * coherence * c).clamp(min=1e-6)
    power = (2 * (c**2 + 1) / mid_energy).sqrt().clamp(max=MAX_POWER_CORRECTION)
    return power * torch.stack(
        [
            torch.stack([left * (turn + spread).cos(), left * (turn + spread).sin()]),
            torch.stack([right * (turn - spread).cos(), right * (turn - spread).sin()]),
        ]
    )
