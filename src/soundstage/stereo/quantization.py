"""The non-uniform steps of parametric stereo, and the fused tokens that models predict.

31 level differences and 8 coherences (Breebaart et al. 2005, Tables 2 and 3), finest where the ear
is: near the center, and near full coherence. A token is 8·q_IID + q_IC, below 248 and so one byte
(Serrà et al. 2023, §2.1).
"""

import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor

from soundstage.stereo.parameters import Parameters

_POSITIVE_IID = [2, 4, 6, 8, 10, 13, 16, 19, 22, 25, 30, 35, 40, 45, 50]  # dB
IID_STEPS = torch.tensor([-s for s in reversed(_POSITIVE_IID)] + [0] + _POSITIVE_IID).float()
IC_STEPS = torch.tensor([1, 0.937, 0.84118, 0.60092, 0.36764, 0, -0.589, -1])
TOKENS = len(IID_STEPS) * len(IC_STEPS)


def nearest_step(
    values: Float[Tensor, "*shape"], steps: Float[Tensor, " count"]
) -> Integer[Tensor, "*shape"]:
    """Index of the step nearest to each value; a tie goes to the lower step."""
    ordered, order = steps.sort()
    return order[torch.bucketize(values.contiguous(), (ordered[1:] + ordered[:-1]) / 2)]


def quantize(parameters: Parameters) -> UInt8[Tensor, "*batch bands frames"]:
    """Fused tokens of the nearest steps."""
    iid = nearest_step(parameters.iid, IID_STEPS)
    coherence = nearest_step(parameters.coherence, IC_STEPS)
    return (len(IC_STEPS) * iid + coherence).to(torch.uint8)


def dequantize(tokens: Integer[Tensor, "*batch bands frames"]) -> Parameters:
    """Parameters that the tokens stand for.

    >>> dequantize(torch.tensor([[8 * 15 + 0, 8 * 16 + 5]]))[0].tolist()    # the center, then 2 dB
    [[0.0, 2.0]]
    """
    whole = tokens.long()
    return Parameters(IID_STEPS[whole // len(IC_STEPS)], IC_STEPS[whole % len(IC_STEPS)])
