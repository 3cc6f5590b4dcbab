"""Trains the networks of `ambisonic` on mixes of stems in simulated rooms.

The loss is the published one (Zang et al. 2024; `train.py` of their code), a negative ELBO whose
likelihood has two terms,

    L = L_STFT + 10·‖(X̂, Ŷ) − (X, Y)‖² + β·KL(N(μ, σ²) ‖ N(0, 1))

with the multi-resolution STFT loss of Yamamoto et al. (2020, §2.2): in every resolution, the
spectral convergence ‖|S| − |Ŝ|‖/‖S‖ plus the mean |log|S| − log|Ŝ||. As published β is 1, which
leaves nothing in c; the recipe of the small network lowers it, and its prior and the gain of its
room are fitted at the end. That network sees a mix up to some decibels softer than the loss does,
so that it serves music of any level.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from soundstage.corpora.feature_cache import files_fingerprint
from soundstage.corpora.stem_cache import StemRow, stem_rows
from soundstage.errors import InputError
from soundstage.networks.models.ambisonic_vae import (
    AmbisonicVAE,
    AmbisonicVAEConfig,
    Completed,
)
from soundstage.training.data.ambisonic_mixes import RATE, FieldMixes, open_songs
from soundstage.training.data.tracks import TRAIN, VALID
from soundstage.training.field_recipes import AmbisonicRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network, mean_error
from soundstage.weights import Card
from soundstage.weights.model import save_model

VALID_BATCHES, VALID_BATCH_SIZE = 8, 4
FITTING_BATCHES = 32  # of the training, to which prior and room are fitted
ROOM = "ends.room"
MAX_ROOM_GAIN = 3.0  # beyond it the room is heard as an echo
QUIETEST = 1e-4  # magnitude of a bin, below which an error does not count; a sine has 0.25·window


@dataclass(frozen=True)
class FieldDataset:
    """Stems in a training and a validation part."""

    rows: list[StemRow]
    """Of the training."""
    train: FieldMixes
    valid: FieldMixes | None
    n_valid: int
    fingerprint: bytes
    skipped: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The amount of training data, for the log."""
        return f"{self.train.hours:.1f} hours of {len(self.train)} songs"

    def digest(self) -> bytes:
        """SHA-256 of the data."""
        return self.fingerprint

    def facts(self) -> Card:
        """Card entries."""
        sources: Counter[tuple[str, str]] = Counter(
            (row.credit.get("license", "not stated"), row.credit.get("source", "not stated"))
            for row in self.rows
        )
        licenses: Counter[str] = Counter()
        for (name, _), count in sources.items():
            licenses[name] += count
        return {
            "data": f"{self.description} as stems, mixed in simulated rooms; see credits",
            "recordings": len(self.rows),
            "licenses": dict(licenses),
            "credits": [
                {"license": name, "source": source, "stems": count}
                for (name, source), count in sources.items()
            ],
        }


def open_fields(recipe: AmbisonicRecipe, folder: Path) -> FieldDataset:
    """Open the collections of stems in a folder.

    Raises:
        InputError: the folder does not exist, or has no song for training.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    rows = stem_rows(folder)
    train, valid = ([row for row in rows if row.split == split] for split in (TRAIN, VALID))
    if not train:
        raise InputError(f"{folder}: has no stems for training.")

    def mixes(part: list[StemRow], batch_size: int) -> FieldMixes:
        return FieldMixes(
            open_songs(part),
            batch_size=batch_size,
            samples=recipe.samples,
            mixing=recipe.mixing,
            seed=recipe.loop.seed,
        )

    return FieldDataset(
        train,
        mixes(train, recipe.loop.batch_size),
        mixes(valid, VALID_BATCH_SIZE) if valid else None,
        len({row.song for row in valid}),
        hashlib.sha256(files_fingerprint([row.path for row in (*train, *valid)])).digest(),
    )


class AmbisonicTask(NetworkTask):
    """X and Y from W and a latent."""

    metric = "loss"
    recipe: AmbisonicRecipe
    dataset: FieldDataset

    @classmethod
    def open(cls, recipe: AmbisonicRecipe, folder: Path, jobs: int = 1) -> "AmbisonicTask":
        """The task of a recipe on a folder of stems.

        Raises:
            InputError: the folder has no stems, or none as long as an example.
            OptionError: the recipe has an unsupported configuration.
        """
        model = build_network(lambda: config_of(recipe).build(), recipe.loop.seed)
        dataset = open_fields(recipe, folder)
        example = f"{recipe.samples / RATE:.1f} s"
        return cls(recipe, dataset, model, dataset.train, example=example)

    def loss(self, *batch: Tensor) -> Tensor:
        """The negative ELBO."""
        mid, field = batch
        assert isinstance(self.model, AmbisonicVAE)
        softer = torch.rand(len(mid), 1, device=mid.device) * self.recipe.softer_db
        gain = 10 ** (-softer / 20)
        mean, log_variance = self.model.encode(gain * mid, gain[..., None] * self._seen(field))
        latent = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        completed = self.model.decode(gain * mid, latent) / gain[..., None]
        return negative_elbo(self.recipe, Completed(completed, mean, log_variance), field).mean()

    def _seen(self, field: Float[Tensor, "batch 2 samples"]) -> Float[Tensor, "batch 2 samples"]:
        """The fields for the posterior, some of which are those of a stereo signal."""
        is_stereo = torch.rand(len(field), device=field.device) < self.recipe.stereo_prob
        return torch.stack([field[:, 0] * ~is_stereo[:, None], field[:, 1]], dim=1)

    def validate(self, model: nn.Module) -> float | None:
        """Negative loss on the validation songs, with the mean of the posterior."""
        if self.dataset.valid is None:
            return None
        assert isinstance(model, AmbisonicVAE)

        def errors(mid: Tensor, field: Tensor) -> Tensor:
            mean, log_variance = model.encode(mid, field)
            output = Completed(model.decode(mid, mean), mean, log_variance)
            return negative_elbo(self.recipe, output, field)

        return -mean_error(errors, self.dataset.valid, VALID_BATCHES, model)

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision; prior and room of a network of bands are fitted."""
        config = config_of(self.recipe)
        if config.is_constant:
            model = config.build().eval()
            model.load_state_dict(state)
            batches = [self.batch(step) for step in range(FITTING_BATCHES)]
            model.prior_mean, model.prior_factor = fitted_prior(model, batches)
            with torch.no_grad():
                model.get_parameter(ROOM).mul_(fitted_room_gain(model, batches))
            state = model.state_dict()
        return save_model(path, config, state)


@torch.inference_mode()
def fitted_prior(
    model: AmbisonicVAE, batches: Iterable[Sequence[Tensor]]
) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim dim"]]:
    """Mean and Cholesky factor of the covariance of the constant latents of some mixes."""
    posteriors = [model.encode(mid, field) for mid, field in batches]
    means, log_variances = (
        torch.cat(parts).double()[..., 0] for parts in zip(*posteriors, strict=True)
    )
    covariance = torch.cov(means.T) + log_variances.exp().mean(dim=0).diag()
    return means.mean(dim=0).float(), torch.linalg.cholesky(covariance).float()


@torch.inference_mode()
def fitted_room_gain(model: AmbisonicVAE, batches: Iterable[Sequence[Tensor]]) -> float:
    """Gain of the room with which drawn fields have the energy of those of some mixes.

    A diffuse sound cannot be predicted, so that the loss leaves too little of it. The energy of X
    and Y over that of W is a quadratic polynomial of the gain.

    Returns:
        From 1 to `MAX_ROOM_GAIN`.
    """
    generator = torch.Generator().manual_seed(0)
    parameter = model.get_parameter(ROOM)
    room = parameter.clone()
    sums = torch.zeros(4, dtype=torch.float64)  # of the gains 0, 1 and 2, and of the mixes
    for mid, field in batches:
        shape = len(mid), model.config.latent_dim, 1
        latent = model.draw(torch.randn(shape, generator=generator))
        fields = []
        for gain in range(3):
            parameter.copy_(gain * room)
            fields.append(model.decode(mid, latent))
        parameter.copy_(room)
        power = mid.square().mean(dim=-1)
        ratios = [each.square().sum(dim=1).mean(dim=-1) / power for each in (*fields, field)]
        sums += torch.stack(ratios).double().sum(dim=1)
    none, one, two, wanted = sums.tolist()
    square = (two - 2 * one + none) / 2
    linear = one - none - square
    root = math.sqrt(max(linear**2 + 4 * square * (wanted - none), 0))
    return min(max((root - linear) / (2 * max(square, 1e-9)), 1.0), MAX_ROOM_GAIN)


def config_of(recipe: AmbisonicRecipe) -> AmbisonicVAEConfig:
    """Configuration of the network.

    Raises:
        ValueError: the configuration is not supported.
    """
    names = [field.name for field in fields(AmbisonicVAEConfig)]
    return AmbisonicVAEConfig(**{name: getattr(recipe, name) for name in names})


def negative_elbo(
    recipe: AmbisonicRecipe, output: Completed, field: Float[Tensor, "batch 2 samples"]
) -> Float[Tensor, " batch"]:
    """Loss of each example."""
    squared = (output.field - field).square().flatten(1).mean(dim=1)
    spectral = torch.stack(
        [spectral_loss(output.field, field, window) for window in recipe.windows]
    ).mean(dim=0)
    divergence = kl_divergence(output.mean, output.log_variance)
    return spectral + recipe.mse_weight * squared + recipe.kl_weight * divergence


def kl_divergence(
    mean: Float[Tensor, "batch dim frames"], log_variance: Float[Tensor, "batch dim frames"]
) -> Float[Tensor, " batch"]:
    """From N(μ, σ²) to N(0, 1) in nats: summed over dimensions, averaged over frames."""
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * terms.sum(dim=1).mean(dim=1)


def spectral_loss(
    output: Float[Tensor, "batch 2 samples"], target: Float[Tensor, "batch 2 samples"], window: int
) -> Float[Tensor, " batch"]:
    """Spectral convergence and log error of magnitudes, in one resolution."""
    fake, real = (_magnitudes(each, window) for each in (output, target))
    error = (fake - real).square().flatten(1).sum(dim=1).sqrt()
    convergence = error / (real.square().flatten(1).sum(dim=1).sqrt() + QUIETEST)
    logs = (fake.log() - real.log()).abs().flatten(1).mean(dim=1)
    return convergence + logs


def _magnitudes(sound: Float[Tensor, "batch 2 samples"], window: int) -> Tensor:
    with torch.autocast(sound.device.type, enabled=False):
        spectrum = torch.stft(
            sound.float().flatten(0, 1),
            window,
            window // 2,
            window=torch.hann_window(window, device=sound.device) / window,
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return (power + QUIETEST**2).sqrt().unflatten(0, (-1, 2))
