"""Recipes: everything needed to train a model again, in one YAML file.

A recipe is validated when it is read. An unknown key is an error, so that a misspelled key is never
silently replaced by a default.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from soundstage.documents import recipe_path
from soundstage.errors import OptionError, quoted, shortened
from soundstage.text_files import TextKind, read_yaml
from soundstage.training.field_recipes import AmbisonicRecipe
from soundstage.training.recipe_base import (
    BaseNetworkRecipe,
    BaseRecipe,
    Channels,
    Decibels,
    Dropout,
    EventRecipe,
    Frames,
    Layers,
    Probability,
    StemMixing,
    Strict,
    Weight,
)
from soundstage.training.scene_recipes import (
    DualSpecRecipe,
    LocalizerRecipe,
    SpectrogramVAERecipe,
    VocoderRecipe,
)


class NearestRecipe(BaseRecipe):
    """Key-value pairs from stereo tracks, for the method `nearest`."""

    family: Literal["nearest"]
    pairs: Annotated[int, Field(ge=1, le=20_000_000)]
    """Total number, shared equally among the tracks."""
    seed: int = 0
    """Selects the frames."""


class DecorrelateRecipe(BaseRecipe):
    """Mean coherence of stereo tracks per band, for `decorrelate` and `comb`."""

    family: Literal["decorrelate"]


class ParameterPoolRecipe(BaseRecipe):
    """Mean and covariance of the stereo parameters of tracks: the reference of D_F tables."""

    family: Literal["parameter-pool"]


class TaggerAugmentation(Strict):
    """Augmentation of sound events (`data/event_batches.py`)."""

    segment_seconds: tuple[
        Annotated[float, Field(ge=0.5)], Annotated[float, Field(le=10)]
    ] = (1.5, 3.0)  # fmt: skip
    """Shortest and longest segment."""
    speed_octaves: Probability = 0.25
    """Maximum change of speed, up or down; pitch and tempo together."""
    gain_db: Decibels = 10.0
    """Maximum gain, up or down."""
    eq_db: Annotated[float, Field(ge=0, le=20)] = 6.0
    """Standard deviation of a random curve over the bands."""
    mixup_prob: Probability = 0.5
    mixup_alpha: Annotated[float, Field(gt=0)] = 0.4
    """α of the beta distribution of the mixing ratio."""
    noise_prob: Probability = 0.2
    """Probability of white noise, 5 to 30 dB below the event."""
    freq_mask_bands: Annotated[int, Field(ge=0, le=64)] = 8
    """Maximum width of a frequency mask, in mel bands (SpecAugment)."""
    time_mask_ratio: Probability = 0.15
    """Maximum width of a time mask, as a share of the segment (SpecAugment)."""

    @model_validator(mode="after")
    def _ordered(self) -> "TaggerAugmentation":
        if self.segment_seconds[0] > self.segment_seconds[1]:
            raise ValueError("the shortest segment is longer than the longest")
        return self


class TaggerRecipe(EventRecipe):
    """Tagger of sound events; its embedding serves the Fréchet audio distance."""

    family: Literal["tagger"]
    channels: Annotated[tuple[int, ...], Field(min_length=2)] = (32, 64, 128, 256)
    depth: Annotated[int, Field(ge=0)] = 1
    dropout: Dropout = 0.3
    label_smoothing: Dropout = 0.1
    augmentation: TaggerAugmentation = TaggerAugmentation()


class TransformerRecipe(Strict):
    """Transformer over frames; the defaults are those of Serrà et al. (2023, §3.2)."""

    depth: Annotated[int, Field(ge=1, le=64)] = 7
    dim: Annotated[int, Field(ge=2, le=4096)] = 512
    heads: Annotated[int, Field(ge=1, le=256)] = 16
    mlp_ratio: Annotated[int, Field(ge=1, le=16)] = 3

    @model_validator(mode="after")
    def _divisible(self) -> "TransformerRecipe":
        if self.dim % self.heads or self.dim % 2:
            raise ValueError(f"dim {self.dim} is not divisible by 2 and by {self.heads} heads")
        return self


class RegressionRecipe(BaseNetworkRecipe):
    """Network of `regression` (PS-Reg), on features made by `soundstage prepare`."""

    family: Literal["regression"]
    size: TransformerRecipe = TransformerRecipe()
    dropout: Dropout = 0.0
    context_frames: Frames = 258
    """Frames of an example, at 43.1 frames a second; the paper uses 6 seconds."""
    gain_db: Decibels = 10.0
    """Maximum random gain, up or down."""


class StereoAugmentation(Strict):
    """Augmentation of stereo examples (`data/stereo_examples.py`)."""

    gain_db: Decibels = 10.0
    """Maximum gain, up or down."""
    eq_db: Annotated[float, Field(ge=0, le=20)] = 0.0
    """Standard deviation of a smooth random curve over frequency."""
    bandlimit_prob: Probability = 0.0
    """Probability of a band limit like that of old recordings."""
    noise_prob: Probability = 0.0
    """Probability of noise, 45 to 85 dB below full scale in every band."""
    mix_prob: Probability = 0.0
    """Probability of a second track mixed in."""
    style_prob: Probability = 0.0
    """Probability of style conditioning; with 0 the network has no style input."""
    pan_prob: Probability = 0.7
    """Probability that a styled example is first panned and widened at random."""
    memory_dropout: Probability = 0.3
    """Probability that the memory is left out."""


class _FeatureRecipe(BaseNetworkRecipe):
    """Shared by the generative networks on features made by `soundstage prepare`."""

    context_frames: Frames = 258
    """Positions of an example, one every `stride` frames."""
    stride: Annotated[int, Field(ge=1, le=8)] = 1
    """Frames from one position to the next, at 43.1 frames a second."""
    cond_channels: Annotated[int, Field(ge=0, le=4096)] = 0
    """Channels of the local conditioning of each tile; 0 for none."""
    cond_dropout: Dropout = 0.1
    """Probability that the conditioning is dropped, for classifier-free guidance."""
    augmentation: StereoAugmentation = StereoAugmentation()


class _TokenRecipe(_FeatureRecipe):
    """Shared by `masked` and `autoregressive`."""

    size: TransformerRecipe = TransformerRecipe()
    dropout: Dropout = 0.0
    codebook_sizes: tuple[Annotated[int, Field(ge=2)], ...] = (248,)
    """Token embedding: [248] jointly, [31, 8] split into level difference and coherence."""
    memory: bool = False
    """Whether the minute before an example is an input."""
    init_output_bias: bool = False
    """Initialize the output bias with the log frequencies of the tokens."""

    @model_validator(mode="after")
    def _known_codebooks(self) -> "_TokenRecipe":
        if self.codebook_sizes not in ((248,), (31, 8)):
            raise ValueError("codebook_sizes must be [248] or [31, 8]")
        return self


class MaskedRecipe(_TokenRecipe):
    """Network of `masked` (PS-MTM)."""

    family: Literal["masked"]
    rank: Annotated[int, Field(ge=0, le=4096)] = 0
    """Rank of the output head per band; 0 for the MLP of the paper."""
    structured_masks: bool = False
    """Mask whole frames and continuations too, not only single tiles."""


class AutoregressiveRecipe(_TokenRecipe):
    """Network of `autoregressive` (PS-AR)."""

    family: Literal["autoregressive"]
    form: Literal["paper", "fast"] = "paper"
    """One forward pass a band, or one a frame with a small head over the bands."""
    head_dim: Annotated[int, Field(ge=1, le=4096)] = 128
    """Width of that head."""


class DiTRecipe(TransformerRecipe):
    """Diffusion transformer; the defaults are those of DiT-S."""

    depth: Annotated[int, Field(ge=1, le=64)] = 12
    dim: Annotated[int, Field(ge=4, le=4096)] = 384
    heads: Annotated[int, Field(ge=1, le=256)] = 6
    mlp_ratio: Annotated[int, Field(ge=1, le=16)] = 4

    @model_validator(mode="after")
    def _divisible_by_four(self) -> "DiTRecipe":
        if self.dim % (4 * self.heads):
            raise ValueError(f"dim {self.dim} is not divisible by 4 × {self.heads} heads")
        return self


class DiffusionRecipe(_FeatureRecipe):
    """Network of `diffusion`."""

    family: Literal["diffusion"]
    size: DiTRecipe = DiTRecipe()
    patch_size: tuple[
        Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=34)]
    ] = (4, 2)  # fmt: skip
    """Positions and bands of a patch."""
    context_frames: Frames = 256
    stride: Annotated[int, Field(ge=1, le=8)] = 2
    cond_channels: Annotated[int, Field(ge=1, le=4096)] = 96
    logit_mean: float = 0.0
    """Mean of the logit of the training time; at time 1 the state is pure noise."""
    logit_std: Annotated[float, Field(gt=0)] = 1.0


class DiffStereoRecipe(BaseNetworkRecipe):
    """Network of `diffstereo`, on the tracks themselves; the defaults are the paper's."""

    family: Literal["diffstereo"]
    size: DiTRecipe = DiTRecipe()
    patch_size: tuple[
        Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=513)]
    ] = (9, 9)  # fmt: skip
    """Frames and bins of a patch."""
    context_frames: Frames = 729
    """Frames of an example, at 80 frames a second; the paper uses 9.1 seconds."""
    attention: Literal["full", "axial"] = "full"
    """Over all patches, or along time and frequency in turn."""
    diffusion_steps: Annotated[int, Field(ge=50, le=10_000)] = 1000


class StackRecipe(Strict):
    """Stack of dilated convolutions; the defaults are WarpNet's."""

    blocks: Layers = 3
    layers: Layers = 10
    """Per block."""
    channels: Channels = 64
    kernel_size: Annotated[int, Field(ge=1, le=9)] = 2


class _BinauralRecipe(BaseNetworkRecipe):
    """Shared by the neural binaural renderers, on a folder of binaural speech."""

    pose_encoding: Literal["published", "directions"] = "published"
    """With "directions", the input level follows the distance."""
    segment_samples: Annotated[int, Field(ge=800, le=4_800_000)] = 32_000
    """Of an example, at 48 kHz; BinauralGrad uses 32,000."""
    gain_db: Decibels = 0.0
    """Maximum random gain, up or down."""
    preemphasis_weight: Weight = 0.0
    """Weight of the pre-emphasized error in the loss (`tasks/binaural_losses.py`)."""
    phase_weight: Weight = 0.0
    """Weight of the phase error in the loss."""


class WaveNetRecipe(_BinauralRecipe):
    """Network of `wavenet`."""

    family: Literal["wavenet"]
    size: StackRecipe = StackRecipe()


class WarpNetRecipe(_BinauralRecipe):
    """Network of `warpnet`; the defaults are the paper's."""

    family: Literal["warpnet"]
    size: StackRecipe = StackRecipe()
    rank: Channels = 32
    """Number of kernels that the pose mixes in a hyper-convolution."""
    warp_layers: Layers = 4
    warp_channels: Channels = 64


class FramesRecipe(Strict):
    """Frame-based variant of the BinauralGrad network."""

    hop: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] = 64
    """In samples."""
    taps: Annotated[int, Field(ge=1, le=1025)] = 33
    """Odd length of the filters across frames."""
    rank: Channels = 16
    """Number of filters that the frames mix."""
    separable: bool = True

    @model_validator(mode="after")
    def _odd(self) -> "FramesRecipe":
        if self.taps % 2 == 0:
            raise ValueError("taps must be odd")
        return self


class BinauralGradRecipe(_BinauralRecipe):
    """One stage of `binauralgrad`; the defaults are the paper's."""

    family: Literal["binauralgrad"]
    stage: Literal["common", "specific", "single"]
    size: StackRecipe = StackRecipe(blocks=3, layers=10, channels=128, kernel_size=3)
    frames: FramesRecipe | None = None
    """None: the sample-based network of the paper."""
    cond_channels: Channels = 80
    time_features: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] = 128
    """Dimension of the sinusoidal embedding of the diffusion time."""
    noise: Literal["ddpm", "flow"] = "ddpm"
    """200 steps with noise prediction, or a linear path with prediction of the clean signal."""
    pure_noise_prob: Probability = 0.0
    """flow: probability of time 1, where the state is pure noise and sampling starts."""
    zero_noise_prob: Probability = 0.0
    """flow: probability of a zero state at time 1, as in sampling at temperature 0."""
    common_weights: str = ""
    """specific: weights of the first stage; its output replaces the true common signal."""
    teacher_forcing: Probability = 0.0
    """specific: probability of the true common signal with `common_weights`."""

    @model_validator(mode="after")
    def _consistent(self) -> "BinauralGradRecipe":
        if self.common_weights and self.stage != "specific":
            raise ValueError("common_weights requires stage: specific")
        if (self.pure_noise_prob or self.zero_noise_prob) and self.noise != "flow":
            raise ValueError("pure_noise_prob and zero_noise_prob require noise: flow")
        if self.size.kernel_size % 2 == 0:
            raise ValueError("kernel_size must be odd for this network")
        return self


class StemsRecipe(BaseNetworkRecipe):
    """The network of `stems` (`tasks/stems.py`), from stems with known kinds."""

    family: Literal["stems"]
    channels: tuple[Channels, ...] = (32, 64, 96, 160, 224)
    """Of every scale of the U-Net."""
    embedding_dim: Annotated[int, Field(ge=2, le=128)] = 16
    context_dim: Channels = 256
    dilations: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 2, 4)
    frames: Annotated[Frames, Field(multiple_of=16)] = 256
    """Of a segment; 43 a second."""
    embedding_weight: Weight = 0.5
    """Of the loss of the embedding, beside that of the kinds."""
    mixing: StemMixing = StemMixing()


NetworkRecipe = (
    TaggerRecipe
    | LocalizerRecipe
    | StemsRecipe
    | RegressionRecipe
    | MaskedRecipe
    | AutoregressiveRecipe
    | DiffusionRecipe
    | DiffStereoRecipe
    | AmbisonicRecipe
    | WaveNetRecipe
    | WarpNetRecipe
    | BinauralGradRecipe
    | VocoderRecipe
    | SpectrogramVAERecipe
    | DualSpecRecipe
)
TableRecipe = NearestRecipe | DecorrelateRecipe | ParameterPoolRecipe
Recipe = NetworkRecipe | TableRecipe
KIND = TextKind("a recipe", 50_000, OptionError)  # bytes
_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="family")])


def load_recipe(source: str | Path, **changes: int) -> Recipe:
    """Read and validate a recipe.

    Args:
        source: a YAML file, or one of `list_recipes()`.
        changes: values that override those of the file, such as `pairs=500_000`.

    Raises:
        OptionError: the file is missing or not YAML, or a key or value is not valid.
    """
    path = Path(source)
    is_name = isinstance(source, str) and path.suffix not in (".yaml", ".yml")
    if is_name and not os.path.isfile(path):
        path = recipe_path(str(source))
    content = read_yaml(path, KIND)
    if not isinstance(content, dict):
        raise OptionError(f"{path}: a recipe is a mapping of keys and values.")
    return parse_recipe({**content, **changes}, source=str(path))


def parse_recipe(content: dict[str, object], *, source: str) -> Recipe:
    """Validate the content of a recipe.

    Raises:
        OptionError: a key or value is not valid; the message begins with `source`.
    """
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        errors = error.errors()
        unknown = [each for each in errors if each["type"] == "extra_forbidden"]
        first = (unknown or errors)[0]  # a misspelled key is also a missing one
        if first["type"] == "union_tag_invalid":
            raise OptionError(
                f"{source}: there is no family {quoted(content['family'])}: choose one of "
                f"{first['ctx']['expected_tags']}."
            ) from error
        place = ".".join(map(str, first["loc"][1:])) or str(content.get("family", "family"))
        if unknown:
            raise OptionError(f"{source}: unknown key {quoted(place)}.") from error
        message = shortened(first["msg"].removeprefix("Value error, "), 400)  # all families
        raise OptionError(f"{source}: {shortened(place)}: {message}.") from error
