"""Trains the networks of `masked` (PS-MTM) and `autoregressive` (PS-AR) on prepared features.

Cross-entropy of the masked tokens, weighted more for wide examples (Serrà et al. 2023, Eq. 3). The
best epoch has the highest likelihood of the validation tracks, unweighted, without style, and with
the true past as memory.
"""

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.errors import OptionError
from soundstage.networks.models.stereo_autoregression import BandByBand
from soundstage.networks.models.stereo_tokens import LocalHead, StereoTokens
from soundstage.stereo import BANDS, TOKENS
from soundstage.stereo.encoding import IC_STEPS
from soundstage.training.data.feature_batches import FeatureDataset, open_features
from soundstage.training.data.stereo_examples import (
    NO_AUGMENTATION,
    examples_of,
    fit_style_prior,
)
from soundstage.training.data.token_batches import (
    DrawMask,
    TokenBatch,
    TokenBatches,
    full_mask,
    last_frame_mask,
    structured_mask,
    uniform_mask,
)
from soundstage.training.recipes import AutoregressiveRecipe, MaskedRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network
from soundstage.upmixing.generative_weights import TokenModelConfig, network_tensors
from soundstage.weights import save_weights

TokenRecipe = MaskedRecipe | AutoregressiveRecipe
VALID_PASSES = 2  # over the validation tracks, each with other masks
VALID_BATCH_SIZE = 8


class StereoTokensTask(NetworkTask):
    """Masked stereo tokens from the levels of the mid and the other tokens."""

    metric = "nats_per_token"
    recipe: TokenRecipe
    dataset: FeatureDataset
    valid_batches: TokenBatches | None = None

    @classmethod
    def open(cls, recipe: TokenRecipe, folder: Path, jobs: int = 1) -> "StereoTokensTask":
        """The task of a recipe on a folder of features.

        Raises:
            InputError: the folder has no features, or all tracks are too short.
            OptionError: the recipe has an unsupported configuration.
            WeightsError: the features are damaged.
        """
        dataset = open_features(folder)
        network = partial(config_of(recipe).network, dropout=recipe.dropout)
        model = build_network(network, recipe.loop.seed)
        if recipe.init_output_bias:
            if not isinstance(model.head, LocalHead | BandByBand):
                raise OptionError("init_output_bias: the output head of the paper has no bias.")
            with torch.no_grad():
                model.head.offsets.copy_(token_log_frequencies(dataset.train))
        batches = TokenBatches(
            examples_of(recipe, dataset.train, recipe.augmentation),
            batch_size=recipe.loop.batch_size,
            cond_dropout=recipe.cond_dropout,
            mask=mask_of(recipe),
            seed=recipe.loop.seed,
        )
        example = f"{recipe.context_frames} × {recipe.stride} frames"
        task = cls(recipe, dataset, model, batches, example=example)
        task.tokens_per_example = batches.tokens_per_example
        if dataset.valid:
            task.valid_batches = TokenBatches(
                examples_of(recipe, dataset.valid, NO_AUGMENTATION),
                batch_size=VALID_BATCH_SIZE,
                cond_dropout=0.0,
                mask=mask_of(recipe),
                seed=recipe.loop.seed,
            )
        return task

    def loss(self, *batch: Tensor) -> Tensor:
        """Weighted cross-entropy of the masked tokens, in nats."""
        examples = TokenBatch(*batch)
        losses = token_losses(self.model, examples)
        weights = examples.weights[:, None, None].expand(examples.mask.shape)[examples.mask]
        return (weights * losses).mean()

    def n_terms(self, *batch: Tensor) -> int:
        """Number of masked tokens."""
        return int(TokenBatch(*batch).mask.sum())

    def validate(self, model: nn.Module) -> float | None:
        """Mean log-likelihood of masked tokens, in nats; chance is −5.5."""
        if self.valid_batches is None:
            return None
        device = next(model.parameters()).device
        total, count = 0.0, 0
        for step in range(VALID_PASSES * self.valid_batches.per_epoch):
            batch = TokenBatch(*(part.to(device) for part in self.valid_batches.draw(step)))
            losses = token_losses(model, batch)
            total += losses.double().sum().item()
            count += len(losses)
        return -total / count

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision, and the style prior if there is a style input."""
        recipe, config, prior = self.recipe, config_of(self.recipe), None
        if config.styled:
            prior = fit_style_prior(self.dataset.train, recipe.context_frames, recipe.stride)
        return save_weights(path, recipe.family, network_tensors(config, state, prior))


def token_losses(model: nn.Module, batch: TokenBatch) -> Float[Tensor, " masked"]:
    """Cross-entropy of every masked token."""
    memory = batch.memory if batch.memory.numel() else None
    style = batch.style if hasattr(model.transformer, "style") else None
    levels, tokens, mask, uncond = batch.levels, batch.tokens, batch.mask, batch.uncond
    if isinstance(model, StereoTokens):
        inputs = torch.where(mask, TOKENS, tokens.int())
        logits = model(levels, inputs, uncond, style=style, memory=memory, tiles=mask)
    else:
        logits = model(levels, tokens, uncond, style=style, memory=memory)[mask]
    return F.cross_entropy(logits.float(), tokens[mask].long(), reduction="none")


def token_log_frequencies(caches: list[FeatureCache]) -> Float[Tensor, "bands classes"]:
    """Log frequency of each token in each band, the same for swapped channels."""
    steps = len(IC_STEPS)
    counts = torch.ones(BANDS, TOKENS)  # no token is impossible
    for cache in caches:
        for band in range(BANDS):
            counts[band] += torch.bincount(cache.tokens[:, band].long(), minlength=TOKENS)
    swapped = counts.unflatten(1, (-1, steps)).flip(1).flatten(1)
    both = counts + swapped
    return (both / both.sum(dim=1, keepdim=True)).log()


def mask_of(recipe: TokenRecipe) -> DrawMask:
    """The masks of a recipe."""
    if isinstance(recipe, MaskedRecipe):
        return structured_mask if recipe.structured_masks else uniform_mask
    return full_mask if recipe.form == "fast" else last_frame_mask


def config_of(recipe: TokenRecipe) -> TokenModelConfig:
    """Configuration of the network."""
    fast = isinstance(recipe, AutoregressiveRecipe) and recipe.form == "fast"
    head = recipe.rank if isinstance(recipe, MaskedRecipe) else recipe.head_dim if fast else 0
    size = recipe.size
    return TokenModelConfig(
        blocks=size.depth,
        width=size.dim,
        heads=size.heads,
        expansion=size.mlp_ratio,
        head=head,
        patch=recipe.context_frames,
        stride=recipe.stride,
        split=int(recipe.codebook_sizes == (31, 8)),
        styled=int(recipe.augmentation.style_prob > 0),
        remembers=int(recipe.memory),
        fast=int(fast),
        hearing=recipe.cond_channels,
    )
