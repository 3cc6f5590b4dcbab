"""Trains the networks of `masked` (PS-MTM) and `autoregressive` (PS-AR) on prepared features.

Cross-entropy of the masked tokens, weighted more for wide examples (Serrà et al. 2023, Eq. 3). The
best epoch has the highest likelihood of the validation tracks, unweighted, without style, and with
the true past as memory.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.errors import OptionError
from soundstage.networks.backbones.transformer import MemoryConfig, TokenConfig
from soundstage.networks.models.stereo_autoregression import (
    BandwiseHead,
    StereoAutoregression,
    StereoAutoregressionConfig,
)
from soundstage.networks.models.stereo_tokens import (
    LocalHead,
    StereoTokens,
    StereoTokensConfig,
)
from soundstage.stereo import BANDS, TOKENS
from soundstage.stereo.encoding import IC_STEPS
from soundstage.stereo.features import (
    BANDS_OF_LEVELS,
    CONTEXT_FEATURES,
    LEVELS,
    SEGMENT_FRAMES,
    SEGMENTS,
)
from soundstage.stereo.style_prior import STYLE_FEATURES
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
from soundstage.weights.model import save_model

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
        model = build_network(lambda: config_of(recipe).build(), recipe.loop.seed)
        assert isinstance(model, StereoTokens | StereoAutoregression)
        if model.encoder is not None:
            model.encoder.band_weights.copy_(BANDS_OF_LEVELS)
        if recipe.init_output_bias:
            if not isinstance(model.head, LocalHead | BandwiseHead):
                raise OptionError("init_output_bias: the output head of the paper has no bias.")
            with torch.no_grad():
                model.head.out_bias.copy_(token_log_frequencies(dataset.train))
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
        recipe, config, further = self.recipe, config_of(self.recipe), {}
        if config.style_dim:
            prior = fit_style_prior(self.dataset.train, recipe.context_frames, recipe.stride)
            further = prior.tensors()
        return save_model(path, config, state, further)


def token_losses(model: nn.Module, batch: TokenBatch) -> Float[Tensor, " masked"]:
    """Cross-entropy of every masked token."""
    assert isinstance(model, StereoTokens | StereoAutoregression)
    memory = batch.memory if batch.memory.numel() else None
    style = batch.style if model.transformer.style_mlp is not None else None
    levels, tokens, mask, uncond = batch.levels, batch.tokens, batch.mask, batch.uncond
    if isinstance(model, StereoTokens):
        inputs = torch.where(mask, TOKENS, tokens.int())
        logits = model(levels, inputs, uncond, style=style, memory=memory, select=mask)
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


def config_of(recipe: TokenRecipe) -> StereoTokensConfig | StereoAutoregressionConfig:
    """Configuration of the network.

    Raises:
        ValueError: the configuration is not supported.
    """
    memory = None
    if recipe.memory:
        if SEGMENT_FRAMES % recipe.stride:
            raise ValueError(f"a memory needs a stride that divides {SEGMENT_FRAMES}")
        memory = MemoryConfig(
            n_vectors=SEGMENTS, dim=CONTEXT_FEATURES, hop=SEGMENT_FRAMES // recipe.stride
        )
    shared: dict[str, Any] = {
        **recipe.size.model_dump(),
        "n_levels": LEVELS,
        "dropout": recipe.dropout,
        "tokens": TokenConfig(n_bands=BANDS, codebook_sizes=recipe.codebook_sizes),
        "style_dim": len(STYLE_FEATURES) if recipe.augmentation.style_prob > 0 else 0,
        "memory": memory,
        "cond_channels": recipe.cond_channels,
        "context_frames": recipe.context_frames,
        "stride": recipe.stride,
    }
    if isinstance(recipe, MaskedRecipe):
        return StereoTokensConfig(**shared, rank=recipe.rank)
    return StereoAutoregressionConfig(**shared, form=recipe.form, head_dim=recipe.head_dim)
