"""Stereo prediction: the side signal that gives wanted level and coherence to a known mid.

Given the mid M = (L+R)/2 and a decorrelated copy D of it with equal energy in every band, the side

    S = α·M + β·D,    α = (c² − 1)/(c² + 1 + 2ρc),    β = 2c·√(1 − ρ²)/(c² + 1 + 2ρc)

has exactly the inter-channel intensity difference c = 10^(IID/20) (left over right, amplitude) and
the coherence ρ. Derivation: write LL = c², RR = 1, LR = ρc, so that MM = (c² + 1 + 2ρc)/4 and
SM = (c² − 1)/4; α is SM/MM, and β² what is left of SS/MM = (c² + 1 − 2ρc)/(c² + 1 + 2ρc).
Unlike the mixing matrices of Breebaart et al. (2005, §5), M is returned untouched by L + R.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.parameters import Parameters

MAX_SIDE_GAIN = 4.0  # +12 dB: near ρ = −1 the mid vanishes and any finite side would be a guess


def prediction_gains(
    iid: Float[Tensor, "*batch bands frames"],
    coherence: Float[Tensor, "*batch bands frames"],
) -> tuple[Float[Tensor, "*batch bands frames"], Float[Tensor, "*batch bands frames"]]:
    """Gains (α, β) of the mid and of its decorrelated copy in the side signal.

    Args:
        iid: level of left over right, in dB.
        coherence: real part of the normalized cross-spectrum, from −1 to 1.

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


def gains_parameters(
    alpha: Float[Tensor, "*batch bands frames"], beta: Float[Tensor, "*batch bands frames"]
) -> Parameters:
    """The parameters that given gains make, which is the way back from `prediction_gains`.

    From LL = (1 + α)² + β², RR = (1 − α)² + β² and LR = 1 − α² − β², in units of the mid. Gains are
    limited together to `MAX_SIDE_GAIN` first.

    >>> import torch
    >>> iid, coherence = gains_parameters(torch.tensor([[0.332]]), torch.tensor([[0.0]]))
    >>> round(iid.item(), 1), round(coherence.item(), 3)
    (6.0, 1.0)
    """
    limit = (MAX_SIDE_GAIN / (alpha.square() + beta.square()).sqrt().clamp(min=1e-6)).clamp(max=1)
    alpha, beta = limit * alpha, limit * beta
    left = (1 + alpha).square() + beta.square() + 1e-6
    right = (1 - alpha).square() + beta.square() + 1e-6
    cross = 1 - alpha.square() - beta.square() + 1e-6
    return Parameters(10 * (left / right).log10(), (cross / (left * right).sqrt()).clamp(-1, 1))


def mix_parameters(
    first: Parameters, second: Parameters, share: Float[Tensor, "*batch bands frames"]
) -> Parameters:
    """Parameters of two stereo recordings played at once, which have nothing in common.

    Side energies and their part in phase with the mid add up: with e the energy of a mid,

        α = (e₁·α₁ + e₂·α₂)/(e₁ + e₂),   α² + β² = (e₁·(α₁² + β₁²) + e₂·(α₂² + β₂²))/(e₁ + e₂)

    Args:
        first: of one.
        second: of the other.
        share: e₂/(e₁ + e₂), from 0 to 1.
    """
    (alpha, beta), (other_alpha, other_beta) = prediction_gains(*first), prediction_gains(*second)
    side = torch.lerp(
        alpha.square() + beta.square(), other_alpha.square() + other_beta.square(), share
    )
    turned = torch.lerp(alpha, other_alpha, share)
    return gains_parameters(turned, (side - turned.square()).clamp(min=0).sqrt())
