"""Trains the network of `stems`: kinds of sources by cross-entropy, instruments by an embedding.

The share of every kind in the power of a tile is the target of a cross-entropy, so that the output
is the expected share. For the embedding, the tiles that one stem owns have a mean vector in each
segment of a mix; a tile of one segment is to lie nearest to the mean of its stem in the *other*
segment (prototypical networks, Snell et al. 2017, in place of the affinities of deep clustering),
which is what keeps an instrument together through a song. Tiles are weighted by energy^0.3.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.stem_cache import KINDS, StemCache, load_stems
from soundstage.errors import InputError
from soundstage.networks.models.stem_unet import StemUNetConfig
from soundstage.separation.clustering import spherical_clusters
from soundstage.separation.stems import PROTOTYPES
from soundstage.stereo.encoding import FRAME_RATE
from soundstage.stereo.fine_bands import FINE_BANDS
from soundstage.training.data.feature_batches import HELD_OUT
from soundstage.training.data.stem_mixes import OWNED, StemBatch, StemMixes
from soundstage.training.data.tracks import VALID
from soundstage.training.recipes import StemsRecipe
from soundstage.training.tasks.network_task import Batches, NetworkTask, build_network
from soundstage.weights import Card
from soundstage.weights.model import save_model

SHARPNESS = 12.0  # of the softmax over cosines
MAX_STEMS = 16  # of a mix; its stems are numbered below it
PROTOTYPE_COUNT = 4
PROTOTYPE_BATCHES, PROTOTYPE_STRIDE = 20, 37
VALID_BATCHES = 8
VALID_SEED = 7_919
EVERY = 4  # frames, of which one takes part in the loss of the embedding
MIN_WEIGHT = 5.0  # of a stem in a segment, in tiles of mean weight, to have a mean vector


@dataclass(frozen=True)
class StemDataset:
    """Levels of stems, in a training and a validation part."""

    train: list[StemCache]
    valid: list[StemCache]
    skipped: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The amount of training data, for the log."""
        frames = sum(len(cache.levels) for cache in self.train)
        stems = sum(len(cache.songs) for cache in self.train)
        return f"{frames / FRAME_RATE / 3600:.1f} hours of {stems:,} stems"

    @property
    def n_valid(self) -> int:
        """Number of validation songs."""
        return len({song for cache in self.valid for song in cache.songs})

    def digest(self) -> bytes:
        """SHA-256 of the data."""
        caches = [cache.fingerprint for cache in (*self.train, *self.valid)]
        return hashlib.sha256(b"".join(caches)).digest()

    def facts(self) -> Card:
        """Card entries."""
        kinds: Counter[str] = Counter()
        sources: Counter[tuple[str, str]] = Counter()
        for cache in self.train:
            for kind, length in zip(cache.kinds, (cache.ends - cache.starts).tolist(), strict=True):
                kinds[kind] += length
            sources.update(
                (credit.get("license", "not stated"), credit.get("source", "not stated"))
                for credit in cache.credits
            )
        hours = {kind: round(count / FRAME_RATE / 3600, 2) for kind, count in kinds.items()}
        licenses: Counter[str] = Counter()
        for (name, _), count in sources.items():
            licenses[name] += count
        return {
            "data": f"{self.description}, mixed at random; see hours, licenses and credits",
            "recordings": sum(len(cache.songs) for cache in self.train),
            "hours": hours,
            "licenses": dict(licenses),
            "credits": [
                {"license": name, "source": source, "stems": count}
                for (name, source), count in sources.items()
            ],
        }


def open_stems(folder: Path) -> StemDataset:
    """Open a folder of levels made by `soundstage prepare`.

    Raises:
        InputError: the folder does not exist, or has no levels for training.
        WeightsError: a file is damaged, or holds something else.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    train = [path for path in sorted(folder.glob("*.safetensors")) if path.stem not in HELD_OUT]
    if not train:
        raise InputError(
            f"{folder}: contains no levels of stems; `soundstage prepare` makes them from a "
            "collection whose manifest has the columns song, stem and kind."
        )
    valid = [path for path in (folder / f"{VALID}.safetensors",) if path.exists()]
    return StemDataset([load_stems(path) for path in train], [*map(load_stems, valid)])


class StemsTask(NetworkTask):
    """Kinds and embeddings of tiles from levels of a mix."""

    metric = "accuracy"
    recipe: StemsRecipe
    dataset: StemDataset

    @classmethod
    def open(cls, recipe: StemsRecipe, folder: Path, jobs: int = 1) -> "StemsTask":
        """The task of a recipe on a folder of levels of stems.

        Raises:
            InputError: the folder does not exist, or has no levels for training.
        """
        dataset = open_stems(folder)
        loop = recipe.loop
        batches = StemMixes(
            dataset.train, loop.batch_size, recipe.frames, recipe.mixing, seed=loop.seed
        )
        model = build_network(config_of(recipe).build, loop.seed)
        seconds = recipe.frames / FRAME_RATE
        return cls(recipe, dataset, model, batches, example=f"2 × {seconds:.1f} s")

    def loss(self, *batch: Tensor) -> Tensor:
        """Cross-entropy of kinds plus weighted cross-entropy of voices and objects, in nats."""
        mixes = StemBatch(*batch)
        logits, embedding = _outputs(self.model, mixes)
        loss = kind_loss(logits, mixes)
        weight = self.recipe.embedding_weight
        return loss + weight * embedding_loss(embedding, mixes)[0] if weight else loss

    def validate(self, model: nn.Module) -> float | None:
        """Mean of the accuracies of kinds and of stems on validation mixes, 0 to 1."""
        if not self.dataset.valid:
            return None
        recipe = self.recipe
        mixing = recipe.mixing.model_copy(update={"old_prob": 0.0})
        batches = StemMixes(self.dataset.valid, 4, recipe.frames, mixing, seed=VALID_SEED)
        device = next(model.parameters()).device
        scores = []
        for step in range(VALID_BATCHES):
            mixes = StemBatch(*(part.to(device) for part in batches.draw(step)))
            logits, embedding = _outputs(model, mixes)
            stems = embedding_loss(embedding, mixes)[1]
            scores.append(0.5 * (kind_accuracy(logits, mixes) + stems))
        return float(torch.stack(scores).mean())

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision, with the prototypes of objects."""
        model = self.model
        model.load_state_dict(state)
        prototypes = object_prototypes(model.eval(), self._batches)
        return save_model(path, config_of(self.recipe), state, {PROTOTYPES: prototypes})

    def metric_value(self, score: float) -> float:
        """The accuracy."""
        return round(score, 4)


def config_of(recipe: StemsRecipe) -> StemUNetConfig:
    """Configuration of the network."""
    return StemUNetConfig(
        n_bands=FINE_BANDS,
        kinds=KINDS,
        channels=recipe.channels,
        embedding_dim=recipe.embedding_dim,
        context_dim=recipe.context_dim,
        dilations=recipe.dilations,
    )


@torch.no_grad()
def object_prototypes(model: nn.Module, batches: Batches) -> Float[Tensor, "objects dim"]:
    """Clusters of the vectors of object tiles over training mixes: those of a song not surveyed."""
    device = next(model.parameters()).device
    vectors, weights = [], []
    for step in range(PROTOTYPE_BATCHES):
        mixes = StemBatch(*(part.to(device) for part in batches.draw(step)))
        _, embedding = _outputs(model, mixes)
        is_object = mixes.shares[:, :, KINDS.index("object")] > 0.5
        weight = (mixes.weights * (mixes.owners >= 0) * is_object).flatten()
        chosen = weight.nonzero()[:, 0][::PROTOTYPE_STRIDE]
        vectors.append(embedding.permute(0, 1, 3, 4, 2).flatten(0, 3)[chosen].cpu())
        weights.append(weight[chosen].cpu())
    found = torch.cat(vectors)
    if not len(found):  # a collection without objects
        return F.normalize(torch.ones(1, embedding.shape[2]), dim=1)
    return spherical_clusters(
        found, torch.cat(weights), most=PROTOTYPE_COUNT, min_share=0.05, min_distance=0.3
    )


def _outputs(model: nn.Module, mixes: StemBatch) -> tuple[Tensor, Tensor]:
    """Logits (pairs, segments, kinds, bands, frames) and embeddings (…, dim, bands, frames)."""
    shape = mixes.levels.shape[:2]
    logits, embedding = model(mixes.levels.flatten(0, 1))
    return logits.float().unflatten(0, shape), embedding.unflatten(0, shape)


def kind_loss(
    logits: Float[Tensor, "pairs segments kinds bands frames"], mixes: StemBatch
) -> Float[Tensor, ""]:
    """Cross-entropy with the shares of the kinds; an accompaniment may be any kind but a voice."""
    scores = logits.log_softmax(dim=2)
    unvoiced = scores[:, :, _unvoiced()].logsumexp(dim=2, keepdim=True)
    scores = torch.cat([scores, unvoiced], dim=2)
    return -((mixes.shares * scores).sum(dim=2) * mixes.weights).mean()


def kind_accuracy(
    logits: Float[Tensor, "pairs segments kinds bands frames"], mixes: StemBatch
) -> Float[Tensor, ""]:
    """Weighted share of the tiles of one kind in which it is the most likely one."""
    largest, kinds = mixes.shares[:, :, : len(KINDS)].max(dim=2)
    known = (largest >= OWNED) * mixes.weights
    right = logits.argmax(dim=2) == kinds
    return (right * known).sum() / known.sum().clamp(min=1e-6)


def _unvoiced() -> list[int]:
    return [place for place, kind in enumerate(KINDS) if kind not in ("lead", "voice")]


def embedding_loss(
    embedding: Float[Tensor, "pairs segments dim bands frames"], mixes: StemBatch
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy of stems given their mean vectors in either segment, and the accuracy.

    Of some frames, at random. Both are 0 if no stem owns tiles in both segments.
    """
    some = slice(int(torch.randint(EVERY, ())), None, EVERY)  # frames overlap fourfold
    vectors = embedding[..., some].permute(0, 1, 3, 4, 2).flatten(2, 3)  # (…, tiles, dim)
    owners, weights = mixes.owners[..., some].flatten(2), mixes.weights[..., some].flatten(2)
    owned = F.one_hot(owners.clamp(min=0), MAX_STEMS) * (weights * (owners >= 0))[..., None]
    totals = owned.sum(dim=2)  # (pairs, segments, stems)
    means = F.normalize(torch.einsum("pstk,pstd->pskd", owned, vectors), dim=-1)
    present = (totals > MIN_WEIGHT).all(dim=1)  # in both segments
    usable = torch.gather(present[:, None].expand_as(totals), 2, owners.clamp(min=0))
    counted = weights * (owners >= 0) * usable
    losses, hits = [], []
    for other in (False, True):
        reference = means.flip(1) if other else means
        scores = SHARPNESS * torch.einsum("pstd,pskd->pstk", vectors, reference)
        scores = scores.masked_fill(~present[:, None, None], -1e4)
        log_shares = scores.log_softmax(dim=-1)
        losses.append(-log_shares.gather(-1, owners.clamp(min=0)[..., None])[..., 0])
        hits.append(scores.argmax(dim=-1) == owners)
    total = counted.sum().clamp(min=1e-6)
    loss = (counted * (losses[0] + 2 * losses[1])).sum() / (3 * total)
    return loss, (counted * hits[1]).sum() / total
