"""Sampling in the generative methods: generators, tokens, guidance, styles, batches of takes."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

from soundstage.seeding import SEED_STRIDE, seeded_generator
from soundstage.stereo.style_prior import (
    STYLE_FEATURES,
    StylePrior,
    style_descriptors,
    style_features,
)
from soundstage.upmixing.generative.stage_constraints import StageConstraint
from soundstage.upmixing.generative.style import Style

STYLE_STEP = SEED_STRIDE - 1  # in place of the index of a window, for the style offset


def window_generator(seed: int, window: int) -> torch.Generator:
    """The CPU generator of one window of a take, independent of the windows before."""
    return seeded_generator(seed + 1, window)


def gumbel_noise(
    shape: tuple[int, ...] | torch.Size, generator: torch.Generator
) -> Float[Tensor, "*shape"]:
    """Noise n such that argmax(scores + n) is a sample of softmax(scores)."""
    uniform = torch.rand(shape, generator=generator).clamp(min=1e-20)
    return -(-uniform.log()).log()


def sample_tokens(
    scores: Float[Tensor, "*shape classes"], generator: torch.Generator
) -> Integer[Tensor, "*shape"]:
    """A sample of softmax(scores) in every row, by the Gumbel-max trick."""
    return (scores + gumbel_noise(scores.shape, generator).to(scores)).argmax(dim=-1)


class TakeStyle:
    """The style of each take: the requested values, and the rest sampled from real music.

    A take has one random offset for the whole signal; the mean follows the sound, since a chorus is
    mixed wider than a verse. Seed 0 has no offset and takes the most likely style.

    Args:
        style: requested; None for no style.
        prior: of the training music; None leaves unrequested values undefined.
        spread: scale of the sampled offsets; 0 leaves unrequested values undefined.
    """

    def __init__(self, style: Style | None, prior: StylePrior | None, spread: float) -> None:
        undefined = torch.full((len(STYLE_FEATURES),), torch.nan)
        self.is_requested = style is not None
        """Whether guidance towards the style is worth its cost."""
        self._requested = undefined if style is None else style_features(style.to_tensor())
        self.descriptors = style_descriptors(self._requested)
        """The requested descriptors; NaN where there is none."""
        self._prior, self._spread = prior, spread

    def offsets(self, seeds: Sequence[int]) -> Float[Tensor, "takes style"]:
        """The random offset of each take."""
        noise = [
            torch.randn(len(STYLE_FEATURES), generator=window_generator(seed, STYLE_STEP))
            for seed in seeds
        ]
        return torch.stack(noise) * (torch.tensor(seeds) != 0)[:, None]

    def constraints(self, takes: int) -> list[StageConstraint]:
        """Constraints to the requested widths and balance, one a take; empty if there are none."""
        if self.descriptors.isnan().all():
            return []
        return [StageConstraint(self.descriptors) for _ in range(takes)]

    def sample(
        self,
        offsets: Float[Tensor, "takes style"],
        levels: Float[Tensor, "positions levels"],
    ) -> Float[Tensor, "takes style"]:
        """Styles of the takes for a window with these levels; NaN where undefined."""
        if self._prior is None or not self._spread:
            return self._requested.expand(len(offsets), -1)
        return self._prior.sample(self._requested, offsets, levels, spread=self._spread)


class Guidance:
    """Classifier-free guidance for the sound and for the style.

    The network runs in up to three branches: conditioned on all; without the sound and the style,
    for γ (Serrà et al. 2023, Eq. 4); without the style, for γ_s (ours), which enforces unlikely
    styles too:

        U = U_cond + γ·(U_cond − U_uncond) + γ_s·(U_cond − U_unstyled)

    Args:
        sound: γ.
        style: γ_s.
        styles: of every take; NaN where undefined.
    """

    def __init__(self, sound: float, style: float, styles: Float[Tensor, "takes style"]) -> None:
        undefined = torch.full_like(styles, torch.nan)
        branches, uncond, self._scales = [styles], [False], []
        if sound:
            branches, uncond = [*branches, undefined], [*uncond, True]
            self._scales.append(sound)
        if style and not styles.isnan().all():
            branches, uncond = [*branches, undefined], [*uncond, False]
            self._scales.append(style)
        self.styles: Float[Tensor, "branches takes style"] = torch.stack(branches)
        self.uncond: Bool[Tensor, " branches"] = torch.tensor(uncond)
        """Branches without the sound."""
        self.branches = len(branches)

    def combine(self, outputs: Float[Tensor, "branches ..."]) -> Float[Tensor, "..."]:
        """U, from the scores of all branches or from values that they are linear in."""
        guided = outputs[0]
        for scale, other in zip(self._scales, outputs[1:], strict=True):
            guided = guided + scale * (outputs[0] - other)
        return guided


class ProductsPerTake(TorchFunctionMode):
    """Inside, linear layers run take by take, so that a take is the same alone and in a batch.

    A matrix product rounds differently with another number of rows; all other layers of the
    transformers treat every example by itself.

    Args:
        takes: number of takes, which come one after the other along the first axis.
    """

    def __init__(self, takes: int) -> None:
        super().__init__()
        self._takes = takes

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is not F.linear or self._takes == 1:
            return func(*args, **(kwargs or {}))
        inputs, *parameters = args
        return torch.cat([func(take, *parameters) for take in inputs.chunk(self._takes)])
