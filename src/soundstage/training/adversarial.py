"""Adversarial training in the one loop of all networks.

A generator G and a discriminator D (Goodfellow et al., NIPS 2014), with the hinge losses of Lim and
Ye (Geometric GAN, 2017, §4):

    L_D = E[max(0, 1 − D(x))] + E[max(0, 1 + D(G))]
    L_G = −E[D(G)]

Both networks take their step at the same time: one module holds the two, and one loss holds both
terms, in which G is a constant for L_D, and the parameters of D are constants for L_G. So one
optimizer, one moving average and one checkpoint serve both, and an interrupted training resumes to
the same weights. Adam divides by the size of the gradient; neither network needs a learning rate of
its own.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812

G = TypeVar("G", bound=nn.Module)
D = TypeVar("D", bound=nn.Module)
GENERATOR = "generator."


class AdversarialModel(nn.Module, Generic[G, D]):
    """A generator with its discriminator, as the `model` of a task."""

    def __init__(self, generator: G, discriminator: D) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def judge(self, *inputs: Tensor) -> Sequence[Tensor]:
        """Outputs of the discriminator; its parameters are constants."""
        parameters = {name: each.detach() for name, each in self.discriminator.named_parameters()}
        outputs = functional_call(self.discriminator, parameters, inputs)
        return outputs if isinstance(outputs, Sequence) else [outputs]


def generator_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The `state_dict` of the generator in that of an `AdversarialModel`."""
    return {
        name.removeprefix(GENERATOR): tensor
        for name, tensor in state.items()
        if name.startswith(GENERATOR)
    }


def discriminator_loss(
    real: Sequence[Float[Tensor, "batch ..."]], fake: Sequence[Float[Tensor, "batch ..."]]
) -> Float[Tensor, " batch"]:
    """L_D of each example, averaged over discriminators.

    Args:
        real: logits of real examples, of one discriminator or several.
        fake: logits of detached outputs of the generator.
    """
    terms = [
        _example_mean(F.relu(1 - of_real)) + _example_mean(F.relu(1 + of_fake))
        for of_real, of_fake in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).mean(dim=0)


def generator_loss(fake: Sequence[Float[Tensor, "batch ..."]]) -> Float[Tensor, " batch"]:
    """L_G of each example, averaged over discriminators.

    Args:
        fake: logits from `AdversarialModel.judge`.
    """
    return torch.stack([-_example_mean(logits) for logits in fake]).mean(dim=0)


def adversarial_share(step: int, start: int, examples: int) -> Float[Tensor, " batch"]:
    """Factor of the adversarial terms in the batch of a step: 0 before step `start`, then 1."""
    return torch.full((examples,), float(step >= start))


def _example_mean(values: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
    return values.float().flatten(1).mean(dim=1)
