"""Trains the networks of `masked` (PS-MTM) and `autoregressive` (PS-AR) on prepared features.

Cross-entropy of the tokens that are hidden, heavier for wide examples (Serrà et al. 2023, Eq. 3).
The best epoch is the one with the highest likelihood of held-out music, unweighted, without a
style, with the true past as memory.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.errors import OptionError
from soundstage.networks.models.stereo_autoregression import BandByBand, StereoAutoregression
from soundstage.networks.models.stereo_tokens import LocalHead, StereoTokens
from soundstage.stereo import BANDS, TOKENS
from soundstage.stereo.quantization import IC_STEPS
from soundstage.training.data.feature_batches import open_caches
from soundstage.training.data.masking import (
    last_frame_mask,
    patterned_mask,
    uniform_mask,
    whole_mask,
)
from soundstage.training.data.stereo_examples import AS_IT_IS, examples_of
from soundstage.training.data.token_batches import DrawMask, TokenBatch, TokenBatches
from soundstage.training.data.tracks import Progress
from soundstage.training.loop import Say, choose_device
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    MaskedRecipe,
    StereoAugmentation,
)
from soundstage.training.tasks.features import facts, run_on_features
from soundstage.training.tasks.style_prior import style_prior
from soundstage.upmixing.generative_weights import TokenModelConfig, network_tensors
from soundstage.weights import Card

GenerativeRecipe = MaskedRecipe | AutoregressiveRecipe
HELD_OUT_PASSES = 2  # over the held-out music in one validation, each with masks of its own
HELD_OUT_BATCH = 8


class GenerativeTask:
    """A network before the loop.

    Args:
        model: to be trained.
        batches: what it learns from.
        held_out: what chooses the best epoch; None where nothing is held out.
        epoch_steps: of an epoch; 0 for all records once.
    """

    def __init__(
        self,
        model: StereoTokens | StereoAutoregression,
        batches: TokenBatches,
        held_out: TokenBatches | None,
        epoch_steps: int,
    ) -> None:
        self.model: nn.Module = model
        self.steps_per_epoch = epoch_steps or batches.per_epoch
        self.tokens_per_example = batches.tokens_per_example
        self._batches, self._held_out = batches, held_out

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The tensors of a `TokenBatch`."""
        return tuple(self._batches.draw(step))

    def loss(self, *batch: Tensor) -> Tensor:
        """Weighted cross-entropy of the hidden tokens, in nats."""
        told = TokenBatch(*batch)
        losses = token_losses(self.model, told)
        weights = told.weights[:, None, None].expand(told.mask.shape)[told.mask]
        return (weights * losses).mean()

    def terms(self, *batch: Tensor) -> int:
        """How many tokens the loss of a batch is the mean over."""
        return int(TokenBatch(*batch).mask.sum())

    def validate(self, model: nn.Module) -> float | None:
        """Mean log-likelihood of hidden tokens, in nats: 0 is certainty, −5.5 a blind guess."""
        if self._held_out is None:
            return None
        device = next(model.parameters()).device
        total, count = 0.0, 0
        for step in range(HELD_OUT_PASSES * self._held_out.per_epoch):
            told = TokenBatch(*(part.to(device) for part in self._held_out.draw(step)))
            losses = token_losses(model, told)
            total += losses.double().sum().item()
            count += len(losses)
        return -total / count


def token_losses(model: nn.Module, told: TokenBatch) -> Float[Tensor, " hidden"]:
    """Cross-entropy of every hidden token."""
    memory = told.memory if told.memory.numel() else None
    style = told.style if hasattr(model.transformer, "style") else None
    if isinstance(model, StereoTokens):
        heard = torch.where(told.mask, TOKENS, told.tokens.int())
        scores = model(told.levels, heard, told.deaf, style=style, memory=memory, tiles=told.mask)
    else:
        scores = model(told.levels, told.tokens, told.deaf, style=style, memory=memory)[told.mask]
    return F.cross_entropy(scores.float(), told.tokens[told.mask].long(), reduction="none")


def token_frequencies(caches: list[FeatureCache]) -> Float[Tensor, "bands classes"]:
    """Logarithms of how often each token occurs in each band, left and right switched or not."""
    steps = len(IC_STEPS)
    counts = torch.ones(BANDS, TOKENS)  # what never occurs may yet
    for cache in caches:
        for band in range(BANDS):
            counts[band] += torch.bincount(cache.tokens[:, band].long(), minlength=TOKENS)
    mirrored = counts.unflatten(1, (-1, steps)).flip(1).flatten(1)
    both = counts + mirrored
    return (both / both.sum(dim=1, keepdim=True)).log()


def shape_of(recipe: GenerativeRecipe) -> TokenModelConfig:
    """The network that a recipe asks for."""
    fast = isinstance(recipe, AutoregressiveRecipe) and recipe.form == "fast"
    head = recipe.rank if isinstance(recipe, MaskedRecipe) else recipe.head if fast else 0
    return TokenModelConfig(
        **recipe.size.model_dump(),
        head=head,
        patch=recipe.patch,
        stride=recipe.stride,
        split=int(recipe.groups == (31, 8)),
        styled=int(recipe.augmentation.styled > 0),
        remembers=int(recipe.memory),
        fast=int(fast),
        hearing=recipe.hearing,
    )


def train_generative(
    recipe: GenerativeRecipe,
    data: Path,
    output: Path,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    say: Say | None = None,
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors of the weights (half precision), nothing left out, facts for the card.

    Raises:
        InputError: the folder holds no features, or no record is as long as an example.
        OptionError: the recipe makes no network, the checkpoint beside the output is another
            run's, or there is no such device.
        WeightsError: the features or the checkpoint are damaged.
    """
    learned, held_out = open_caches(data)
    shape = shape_of(recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.loop.seed)
        try:
            model = shape.network(dropout=recipe.dropout)
        except ValueError as error:
            raise OptionError(f"The recipe makes no network: {error}.") from error
    if recipe.frequencies:
        if not isinstance(model.head, LocalHead | BandByBand):
            raise OptionError("frequencies: the head of the paper has nowhere to put them.")
        with torch.no_grad():
            model.head.offsets.copy_(token_frequencies(learned))
    batches = _batches(recipe, learned, recipe.augmentation, recipe.loop.batch, recipe.deaf)
    chooser = _batches(recipe, held_out, AS_IT_IS, HELD_OUT_BATCH, 0.0) if held_out else None
    task = GenerativeTask(model, batches, chooser, recipe.epoch_steps)
    chosen = choose_device(device)
    state, best = run_on_features(
        task,
        recipe,
        learned,
        held_out,
        output,
        example=f"{recipe.patch} × {recipe.stride} frames",
        device=chosen,
        progress=progress,
        say=say,
    )
    measured = {"nats_per_token": round(-state.score, 5)}
    told = facts(learned, held_out, state.step, state.seconds, measured, chosen)
    prior = style_prior(learned, recipe.patch, recipe.stride) if shape.styled else None
    return network_tensors(shape, best, prior), [], told


def _batches(
    recipe: GenerativeRecipe,
    caches: list[FeatureCache],
    augmentation: StereoAugmentation,
    size: int,
    deaf: float,
) -> TokenBatches:
    return TokenBatches(
        examples_of(recipe, caches, augmentation),
        size=size,
        deaf=deaf,
        mask=_mask_of(recipe),
        seed=recipe.loop.seed,
    )


def _mask_of(recipe: GenerativeRecipe) -> DrawMask:
    if isinstance(recipe, MaskedRecipe):
        return patterned_mask if recipe.patterned else uniform_mask
    return whole_mask if recipe.form == "fast" else last_frame_mask
