"""Trains the network of `diffstereo` on stereo tracks, as published.

The compressed spectra of left and right (`stereo/compressed_stft.py`) are mixed with noise at a
step t of a linear schedule, and the network predicts the noise from the mixture and the spectrum c
of the mid (Zhang et al. 2025, eq. 4):

    L = E ‖ε − ε_θ(x_t, t, c)‖²

Not stated in the paper: clips are taken at random positions without augmentation, and the steps of
a batch are spread evenly over the schedule. The best epoch has the smallest error on the validation
tracks, with fixed clips, noise and steps.
"""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from soundstage.corpora.feature_cache import files_fingerprint
from soundstage.diffusion import Noised, Objective, Parametrization
from soundstage.networks.models.stereo_diffusion import StereoDiffusionConfig
from soundstage.seeding import seeded_generator
from soundstage.stereo.compressed_stft import (
    COMPRESSED_RATE,
    COMPRESSED_TRANSFORM,
    to_compressed,
)
from soundstage.training.data.stereo_clips import StereoClips
from soundstage.training.data.tracks import TRAIN, TrackSplit, split_tracks, track_facts
from soundstage.training.recipes import DiffStereoRecipe
from soundstage.training.tasks.network_task import NetworkTask, build_network, mean_error
from soundstage.weights import Card
from soundstage.weights.model import save_model

VALID_CLIPS = 32
VALID_BATCH_SIZE = 4
MARGIN = 2  # frames on either side of a clip, so that its own frames see no edge


class SpectrumBatches:
    """Compressed spectra of clips with noise.

    Args:
        tracks: source of the clips.
        objective: adds the noise.
        frames: of an example.
        batch_size: examples per batch.
        seed: of all random choices.

    Raises:
        InputError: all tracks are too short.
    """

    def __init__(
        self, tracks: list[Path], objective: Objective, *, frames: int, batch_size: int, seed: int
    ) -> None:
        self.objective, self._seed = objective, seed
        self.clips = StereoClips(
            tracks,
            length=(frames - 1) * COMPRESSED_TRANSFORM.hop,
            margin=MARGIN * COMPRESSED_TRANSFORM.hop,
            rate=COMPRESSED_RATE,
            batch_size=batch_size,
            seed=seed,
        )
        self.per_epoch = self.clips.per_epoch

    def draw(self, step: int) -> tuple[Tensor, ...]:
        """Spectra of the mid, and the fields of a `Noised`, the same for every call."""
        mid, stereo = clip_spectra(self.clips.draw(step))
        generator = seeded_generator(self._seed + 1, step)  # not the generator of the clips
        return mid, *self.objective.noised(stereo, generator)


def clip_spectra(
    clips: Float[Tensor, "batch 2 length_and_margins"],
) -> tuple[Float[Tensor, "batch 2 bins frames"], Float[Tensor, "batch 4 bins frames"]]:
    """Compressed spectra of the mid, and of left and right, without the margins."""
    spectrogram = COMPRESSED_TRANSFORM.analyze(clips)[..., MARGIN:-MARGIN]
    mid = spectrogram.mean(dim=1, keepdim=True)  # the transform is linear
    return to_compressed(mid), to_compressed(spectrogram)


@dataclass(frozen=True)
class TrackDataset:
    """Stereo tracks in a training and a validation part."""

    folder: Path
    tracks: TrackSplit
    train: SpectrumBatches
    valid: SpectrumBatches | None

    @property
    def description(self) -> str:
        """The amount of training data, for the log."""
        return f"{self.train.clips.hours:.1f} hours of {len(self.train.clips)} tracks"

    @property
    def n_valid(self) -> int:
        """Number of validation tracks."""
        return len(self.valid.clips) if self.valid else 0

    @property
    def skipped(self) -> list[str]:
        """A message for every file that cannot be used."""
        return self.tracks.skipped

    def digest(self) -> bytes:
        """SHA-256 of the data."""
        return files_fingerprint([*self.tracks.train, *self.tracks.valid])

    def facts(self) -> Card:
        """Card entries."""
        is_split = (self.folder / TRAIN).is_dir()
        folder = self.folder / TRAIN if is_split else self.folder
        return track_facts(folder, self.tracks.train, used=len(self.train.clips))


class DiffStereoTask(NetworkTask):
    """Noise in the spectra of left and right, from the spectrum of the mid."""

    metric = "noise_mse"
    recipe: DiffStereoRecipe
    dataset: TrackDataset

    @classmethod
    def open(cls, recipe: DiffStereoRecipe, folder: Path, jobs: int = 1) -> "DiffStereoTask":
        """The task of a recipe on a folder of stereo tracks.

        Raises:
            InputError: the folder has no stereo track that is as long as an example.
            OptionError: the recipe has an unsupported configuration.
        """
        tracks = split_tracks(folder)
        model = build_network(lambda: config_of(recipe).build(), recipe.loop.seed)

        def batches(part: list[Path], batch_size: int) -> SpectrumBatches:
            return SpectrumBatches(
                part,
                Objective(config_of(recipe).schedule(), Parametrization.NOISE),
                frames=recipe.context_frames,
                batch_size=batch_size,
                seed=recipe.loop.seed,
            )

        train = batches(tracks.train, recipe.loop.batch_size)
        valid = batches(tracks.valid, VALID_BATCH_SIZE) if tracks.valid else None
        dataset = TrackDataset(folder, tracks, train, valid)
        return cls(recipe, dataset, model, train, example=f"{recipe.context_frames} frames")

    def loss(self, *batch: Tensor) -> Tensor:
        """Mean squared error of the noise."""
        return self._errors(self.model, *batch).mean()

    def validate(self, model: nn.Module) -> float | None:
        """Negative mean squared error on the validation tracks."""
        if self.dataset.valid is None:
            return None

        def errors(*batch: Tensor) -> Tensor:
            return self._errors(model, *batch)

        return -mean_error(errors, self.dataset.valid, VALID_CLIPS // VALID_BATCH_SIZE, model)

    def _errors(self, model: nn.Module, mid: Tensor, *noised: Tensor) -> Float[Tensor, " batch"]:
        noisy = Noised(*noised)
        objective = self.dataset.train.objective
        return objective.loss(model(noisy.state, noisy.times, mid), noisy)

    def save(self, path: Path, state: dict[str, Tensor]) -> str:
        """Write the weights in half precision."""
        return save_model(path, config_of(self.recipe), state)


def config_of(recipe: DiffStereoRecipe) -> StereoDiffusionConfig:
    """Configuration of the network.

    Raises:
        ValueError: the configuration is not supported.
    """
    return StereoDiffusionConfig(
        **recipe.size.model_dump(),
        patch_size=recipe.patch_size,
        attention=recipe.attention,
        context_frames=recipe.context_frames,
        diffusion_steps=recipe.diffusion_steps,
    )
