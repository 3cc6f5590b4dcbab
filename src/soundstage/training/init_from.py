"""Where a training begins that does not begin at random: the weights of an earlier one.

So a network learns on from what is known (other music, other noise) under a recipe of its own. Only
what the network itself holds is taken; the optimizer begins anew.
"""

import hashlib
from pathlib import Path

import torch
from torch import nn

from soundstage.weights import load_weights, weights_path


def begin_at(source: str, model: nn.Module, family: str) -> None:
    """Fill a model with weights.

    Args:
        source: name of a shipped model, or a file that ends in .safetensors.
        model: is changed; its own types stay.
        family: what the file must say it is.

    Raises:
        WeightsError: there are none, they are damaged, or they are of another family or size.
    """
    weights = load_weights(source, family)
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        kept = weights.tensors.get(name, tensor)
        # A file holds half precision as a rule, and no counters of batches
        stored = kept.dtype if kept.is_floating_point() else tensor.dtype
        if name in weights.tensors or tensor.is_floating_point():
            wanted[name] = weights.tensor(name, stored, tuple(tensor.shape)).to(tensor.dtype)
    with torch.no_grad():
        model.load_state_dict(wanted)


def weights_digest(source: str) -> bytes:
    """SHA-256 of the file of weights, as its card has it.

    Raises:
        WeightsError: no model of that name is shipped.
    """
    path = Path(source) if source.endswith(".safetensors") else weights_path(source)
    return hashlib.sha256(path.read_bytes()).digest()
