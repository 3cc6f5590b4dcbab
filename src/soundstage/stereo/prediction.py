"""Decoder gains: the side signal with a given level difference and coherence for a known mid.

Given the mid M = (L+R)/2 and a decorrelated copy D of it with equal energy in every band, the side

    S = α·M + β·D,    α = (c² − 1)/(c² + 1 + 2ρc),    β = 2c·√(1 − ρ²)/(c² + 1 + 2ρc)

has exactly the inter-channel intensity difference c = 10^(IID/20) (left over right, amplitude) and
the coherence ρ. Derivation: write LL = c², RR = 1, LR = ρc, so that MM = (c² + 1 + 2ρc)/4 and
SM = (c² − 1)/4; α is SM/MM, and β² the rest of SS/MM = (c² + 1 − 2ρc)/(c² + 1 + 2ρc). The fold-down
is the mid.

The mixing matrices of Breebaart et al. (2005, §5; MPEG-4 with two parameters) are kept for
comparison; their fold-down is not exact (about −37 dB on music):

    c_L = √2·c/√(1 + c²)    c_R = √2/√(1 + c²)    a = ½·arccos ρ    b = a·(c_R − c_L)/√2
    L = c_L·(cos(a + b)·M + sin(a + b)·D)         R = c_R·(cos(b − a)·M + sin(b − a)·D)

They keep the power of a mono signal with the mean power of the two channels. Here the mono signal
is their mean, (L+R)/2, which is weaker the less they agree; both are scaled by
√(2(c² + 1)/(c² + 1 + 2ρc)).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.encoding import Parameters

MAX_SIDE_GAIN = 4.0  # +12 dB: near ρ = −1 the mid vanishes and any finite side would be a guess
MAX_POWER_CORRECTION = 4.0  # +12 dB, of the mixing matrices, for the same reason


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


def parameters_from_gains(
    alpha: Float[Tensor, "*batch bands frames"], beta: Float[Tensor, "*batch bands frames"]
) -> Parameters:
    """Parameters of given gains, the inverse of `prediction_gains`.

    From LL = (1 + α)² + β², RR = (1 − α)² + β² and LR = 1 − α² − β², in units of the mid. Gains are
    limited together to `MAX_SIDE_GAIN` first.

    >>> iid, coherence = parameters_from_gains(torch.tensor([[0.332]]), torch.tensor([[0.0]]))
    >>> round(iid.item(), 1), round(coherence.item(), 3)
    (6.0, 1.0)
    """
    limit = (MAX_SIDE_GAIN / (alpha.square() + beta.square()).sqrt().clamp(min=1e-6)).clamp(max=1)
    alpha, beta = limit * alpha, limit * beta
    left = (1 + alpha).square() + beta.square() + 1e-6
    right = (1 - alpha).square() + beta.square() + 1e-6
    cross = 1 - alpha.square() - beta.square() + 1e-6
    return Parameters(10 * (left / right).log10(), (cross / (left * right).sqrt()).clamp(-1, 1))


def scale_side(
    parameters: Parameters,
    *,
    direct: Float[Tensor, "*batch bands 1"],
    diffuse: Float[Tensor, "*batch bands 1"],
    shift: Float[Tensor, "*batch bands 1"],
) -> Parameters:
    """Parameters of the same mid with the gains α' = `direct`·α + `shift` and β' = `diffuse`·β.

    >>> one = torch.ones(1, 1)
    >>> scale_side(Parameters(6 * one, one), direct=0 * one, diffuse=one, shift=0 * one)[0].tolist()
    [[0.0]]
    """
    alpha, beta = prediction_gains(*parameters)
    alpha, beta = direct * alpha + shift, diffuse * beta
    return parameters_from_gains(alpha, beta)


def mix_parameters(
    first: Parameters, second: Parameters, share: Float[Tensor, "*batch bands frames"]
) -> Parameters:
    """Parameters of the sum of two uncorrelated stereo recordings.

    Side energies and their part in phase with the mid add up: with e the energy of a mid,

        α = (e₁·α₁ + e₂·α₂)/(e₁ + e₂),   α² + β² = (e₁·(α₁² + β₁²) + e₂·(α₂² + β₂²))/(e₁ + e₂)

    Args:
        first: of one recording.
        second: of the other.
        share: e₂/(e₁ + e₂), from 0 to 1.
    """
    (alpha, beta), (other_alpha, other_beta) = prediction_gains(*first), prediction_gains(*second)
    side = torch.lerp(
        alpha.square() + beta.square(), other_alpha.square() + other_beta.square(), share
    )
    in_phase = torch.lerp(alpha, other_alpha, share)
    return parameters_from_gains(in_phase, (side - in_phase.square()).clamp(min=0).sqrt())


def mixing_matrix(
    iid: Float[Tensor, "*batch bands frames"],
    coherence: Float[Tensor, "*batch bands frames"],
) -> Float[Tensor, "2 2 *batch bands frames"]:
    """Gains [[L from M, L from D], [R from M, R from D]] of the 2005 decoder.

    Args:
        iid: level of left over right, in dB.
        coherence: real part of the normalized cross-spectrum, from −1 to 1.
    """
    c = 10 ** (iid / 20)
    left, right = math.sqrt(2) * c / (1 + c**2).sqrt(), math.sqrt(2) / (1 + c**2).sqrt()
    opening = torch.arccos(coherence.clamp(-1, 1)) / 2
    turn = opening * (right - left) / math.sqrt(2)
    mid_energy = (c**2 + 1 + 2 * coherence * c).clamp(min=1e-6)
    power = (2 * (c**2 + 1) / mid_energy).sqrt().clamp(max=MAX_POWER_CORRECTION)
    return power * torch.stack(
        [
            torch.stack([left * (turn + opening).cos(), left * (turn + opening).sin()]),
            torch.stack([right * (turn - opening).cos(), right * (turn - opening).sin()]),
        ]
    )
