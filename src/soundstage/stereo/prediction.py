"""Stereo prediction: the side signal that gives wanted level and coherence to a known mid.

Given the mid M = (L+R)/2 and a decorrelated copy D of it with equal energy in every band, the side

    S = α·M + β·D,    α = (c² − 1)/(c² + 1 + 2ρc),    β = 2c·√(1 − ρ²)/(c² + 1 + 2ρc)

has exactly the inter-channel intensity difference c = 10^(IID/20) (left over right, amplitude) and
the coherence ρ. Derivation: write LL = c², RR = 1, LR = ρc, so that MM = (c² + 1 + 2ρc)/4 and
SM = (c² − 1)/4; α is SM/MM, and β² what is left of SS/MM = (c² + 1 − 2ρc)/(c² + 1 + 2ρc).
Unlike the mixing matrices of Breebaart et al. (2005, §5), M is returned untouched by L + R.
"""

from jaxtyping import Float
from torch import Tensor

MAX_SIDE_GAIN = 4.0  # +12 dB: near ρ = −1 the mid vanishes and any finite side would be a guess


def prediction_gains(
    iid: Float[Tensor, "*batch bands frames"],
    coherence: Float[Tensor, "*batch bands frames"],
) -> tuple[Float[Tensor, "*batch bands frames"], Float[Tensor, "*batch bands frames"]]:
    """Gains (α, β) of the mid and of its decorrelated copy in the side signal.

    Args:
        iid: level of left over right, in dB.
        coherence: real part of the normalised cross-spectrum, from −1 to 1.

    Returns:
        α and β, limited together to a side gain √(α²+β²) of `MAX_SIDE_GAIN`.

    >>> import torch
    >>> alpha, beta = prediction_gains(torch.tensor([[6.0]]), torch.tensor([[1.0]]))
    >>> round(alpha.item(), 3), beta.item()      # one panned source: no diffuse part
    (0.332, 0.0)
    """
    c = 10 ** (iid / 20)
    mid_energy = (c**2 + 1 + 2 * coherence * c).clamp(min=1e-6)  # in units of RR/4
    alpha = (c**2 - 1) / mid_energy
    beta = 2 * c * (1 - coherence**2).clamp(min=0).sqrt() / mid_energy
    limit = (MAX_SIDE_GAIN / (alpha**2 + beta**2).sqrt().clamp(min=1e-6)).clamp(max=1)
    return alpha * limit, beta * limit
