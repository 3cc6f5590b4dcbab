"""Recipes of the networks that serve text to spatial sound."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from soundstage.training.recipe_base import (
    Channels,
    Decibels,
    Dropout,
    EventRecipe,
    Frames,
    Layers,
    Probability,
    Strict,
    Weight,
)

Window = Annotated[int, Field(ge=64, le=8192, multiple_of=64)]


class LocalizerAugmentation(Strict):
    """Augmentation of events at two ears (`data/localizer_batches.py`)."""

    segment_seconds: tuple[
        Annotated[float, Field(ge=0.25)], Annotated[float, Field(le=5)]
    ] = (1.0, 3.0)  # fmt: skip
    """Shortest and longest segment."""
    turn_degrees: Annotated[float, Field(ge=0, le=10)] = 4.0
    """Maximum turn of a head; measured heads do not all look exactly ahead."""
    size_ratio: Annotated[float, Field(ge=0, le=0.2)] = 0.06
    """Change of the size of a head, up or down."""
    eq_db: Decibels = 4.0
    """Standard deviation of a random curve over frequency, the same at both ears."""
    ear_eq_db: Decibels = 1.0
    """Standard deviation of a random curve of the difference between the ears."""
    noise_prob: Probability = 0.4
    """Probability of independent noise at both ears."""
    noise_db: tuple[Decibels, Annotated[float, Field(ge=0, le=80)]] = (10.0, 40.0)
    """Lowest and highest signal-to-noise ratio."""
    bin_noise_prob: Probability = 0.3
    """Probability of random phases and levels of single bins, of random strength."""
    bin_phase: Weight = 0.6
    """Maximum standard deviation of the phase between the ears, in radians."""
    bin_level_db: Decibels = 3.0
    """Maximum standard deviation of the levels."""

    @model_validator(mode="after")
    def _ordered(self) -> "LocalizerAugmentation":
        for low, high in (self.segment_seconds, self.noise_db):
            if low > high:
                raise ValueError(f"{low:g} to {high:g} is not a range")
        return self


class LocalizerRecipe(EventRecipe):
    """Localizer of sound events at two ears, for the spatial metrics."""

    family: Literal["localizer"]
    heads: Annotated[tuple[str, ...], Field(min_length=1)]
    """HRTF sets for training: names of bundled ones, or files in the folder `heads` of the data."""
    valid_heads: tuple[str, ...] = ()
    """Select the best epoch on the validation clips, in turn."""
    test_heads: tuple[str, ...] = ()
    """Heads without part in the training, evaluated once after it."""
    first_head_prob: Probability = 0.0
    """Probability of the first of `heads`, as measured; otherwise any head in any variant."""
    median_prob: Probability = 0.0
    """Probability of ahead or behind, which only spectra tell apart; otherwise any azimuth."""
    branch_channels: tuple[Channels, Channels, Channels] = (32, 48, 64)
    joint_channels: Annotated[tuple[Channels, ...], Field(min_length=1)] = (96, 80)
    frame_dim: Channels = 128
    embedding_dim: Channels = 64
    dropout: Dropout = 0.1
    label_smoothing: Dropout = 0.05
    augmentation: LocalizerAugmentation = LocalizerAugmentation()

    @model_validator(mode="after")
    def _unseen(self) -> "LocalizerRecipe":
        if set(self.heads) & {*self.valid_heads, *self.test_heads}:
            raise ValueError("a head of the training cannot be a validation or test head")
        return self


class VocoderRecipe(EventRecipe):
    """The vocoder: sound from log-mel bands."""

    family: Literal["vocoder"]
    depth: Layers = 4
    dim: Channels = 128
    mlp_ratio: Annotated[int, Field(ge=1, le=8)] = 3
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 7
    corrections: Annotated[int, Field(ge=0, le=32)] = 6
    """Of the mel bands of the output."""
    training_corrections: Annotated[int, Field(ge=0, le=32)] = 3
    """Fewer, for the time of a step."""
    frames: Frames = 40
    """Mel frames of a segment, at 62.5 frames a second."""
    gain_db: Decibels = 10.0
    """Maximum random gain, up or down."""
    ear_prob: Probability = 0.5
    """Probability of the head-related response of one ear."""
    windows: Annotated[tuple[Window, ...], Field(min_length=1)] = (256, 512, 1024)
    """Lengths in samples of the spectrograms in the loss and in the discriminator."""
    discriminator_channels: Annotated[tuple[Channels, ...], Field(min_length=1)] = (48, 64, 96)
    adversarial_weight: Weight = 0.1
    adversarial_start: Annotated[int, Field(ge=0)] = 0
    """Step at which the adversarial terms begin."""


class SpectrogramVAERecipe(EventRecipe):
    """An autoencoder of spectra at two ears, whose latents a diffusion model generates."""

    family: Literal["spectrogram-vae"]
    kind: Literal["mel", "mono-mel", "stft", "dual"]
    ears: Literal["channels", "interaural"] = "channels"
    """Form of spectra: real and imaginary parts, or level, phase and transfer from ear to ear."""
    latent_channels: Annotated[int, Field(ge=1, le=64)] = 8
    channels: Annotated[tuple[Channels, ...], Field(min_length=1)] = (128, 256, 512)
    """Of each scale."""
    strides: Annotated[
        tuple[tuple[Annotated[int, Field(ge=1, le=8)], Annotated[int, Field(ge=1, le=8)]], ...],
        Field(min_length=1),
    ] = ((1, 1), (2, 2), (2, 2))
    """Rows and frames that become one on the way into each scale."""
    depth: Annotated[int, Field(ge=0, le=8)] = 2
    """Residual blocks of each scale."""
    frames: Annotated[Frames, Field(multiple_of=8)] = 320
    """Of an example, 62.5 a second; 320 for the 5 s of the paper."""
    hrtf: str = "kemar"
    """A bundled HRTF set or a file that `load_hrtf` reads."""
    gain_db: Decibels = 6.0
    """Maximum random gain, up or down."""
    kl_weight: Weight = 0.001
    """Of the divergence from a unit Gaussian, averaged over latents."""
    interaural_weight: Weight = 1.0
    """Of the relation between the ears, against that of levels."""
    phase_weight: Weight = 1.0
    """Of the absolute phase, with ears: interaural."""
    discriminator_channels: Annotated[tuple[Channels, ...], Field(min_length=1)] = (48, 64, 96)
    adversarial_weight: Weight = 0.1
    adversarial_start: Annotated[int, Field(ge=0)] = 0
    """Step at which the adversarial terms begin."""


class LatentUNetRecipe(Strict):
    """Size of the network of DualSpec; the defaults are about those of Stable Diffusion 1.5."""

    widths: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Field(min_length=1)] = (
        320,
        640,
        1280,
        1280,
    )
    """Channels of each level."""
    depth: Layers = 2
    mid_depth: Layers = 2
    attention: tuple[Literal[0, 1], ...] = (1, 1, 1, 1)
    """1 for levels with attention to positions and text."""
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    mlp_ratio: Annotated[int, Field(ge=1, le=16)] = 4
    time_dim: Annotated[int, Field(ge=8, le=8192)] = 1280
    text_dim: Annotated[int, Field(ge=4, le=8192)] = 1024
    """Of a text token: 1024 for FLAN-T5-Large."""
    pooled_text: bool = False
    """Whether the mean of the text joins the embedding of the time."""
    positions: bool = False
    """Whether rows and columns have learned vectors."""


class DualSpecRecipe(EventRecipe):
    """Latent diffusion of DualSpec, of one of its variants, or of the mono mel."""

    family: Literal["dualspec"]
    variant: Literal["mono-mel", "mel-base", "stft-base", "dualspec", "dualspec-d", "dualspec-p"]
    hrtf: str = "kemar"
    """HRTF set of the training sound: a bundled name, a SOFA file, or a WAV file."""
    takes: Annotated[int, Field(ge=1, le=1000)] = 2
    """Latents of each clip and azimuth, from other starts."""
    vaes: dict[Literal["mono", "mel", "ears", "stft", "dual"], str] = Field(default_factory=dict)
    """Weights of VAEs in place of the pretrained ones, by latent."""
    text_encoder: str = ""
    """Empty: the built-in one. The paper's: a folder of FLAN-T5-Large, or "hub:OWNER/NAME"."""
    max_tokens: Annotated[int, Field(ge=2, le=512)] = 20
    size: LatentUNetRecipe = LatentUNetRecipe()
    start_from: str = ""
    """Weights of another variant of this size; the paper starts from those of TANGO 2."""
    latent_weights: tuple[Weight, ...] = ()
    """Of the error of each latent; by default they are equal."""
    target: Literal["flow", "v", "noise"] = "flow"
    cond_dropout: Dropout = 0.1
    """Probability of an empty prompt, for classifier-free guidance."""
    direction_dropout: Dropout = 0.0
    """Probability of a prompt without its location."""
    logit_mean: float = 0.0
    """Of the times of a flow; above 0 favors noisy times."""
    logit_std: Annotated[float, Field(gt=0)] = 1.0
    snr_gamma: Weight = 5.0
    """Limit γ of the weight of a step on the schedule of Stable Diffusion; 0: equal weights."""
