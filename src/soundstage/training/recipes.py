"""Recipes: everything needed to train a model again, in one YAML file.

A recipe is checked as it is read; a key that its family does not know is refused, so that a
misspelled one cannot pass for a default.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from soundstage.errors import OptionError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardText(_Strict):
    """What the card of the model says in words, whatever records it is trained on."""

    paper: str
    limits: str
    licence_reading: str = ""
    """Where a collection and its recordings carry different licenses: which were followed."""


class NearestRecipe(_Strict):
    """Pairs of key and value out of stereo records, for the method `nearest`."""

    family: Literal["nearest"]
    pairs: Annotated[int, Field(ge=1, le=20_000_000)]
    """How many in all, shared equally among the records."""
    seed: int = 0
    """Draws the frames."""
    card: CardText | None = None


class DecorrelateRecipe(_Strict):
    """The mean coherence of stereo records in each band, for `decorrelate` and `comb`."""

    family: Literal["decorrelate"]
    card: CardText | None = None


class ParameterPoolRecipe(_Strict):
    """Mean and covariance of the stereo parameters of records, for the floor of D_F tables."""

    family: Literal["parameter-pool"]
    card: CardText | None = None


class LoopRecipe(_Strict):
    """How a network is optimized; `soundstage.training.loop` reads it for every family."""

    epochs: Annotated[int, Field(ge=1)]
    """How often all of the data is seen."""
    batch: Annotated[int, Field(ge=1)]
    """Examples a step."""
    learning_rate: Annotated[float, Field(gt=0)]
    """The highest, of AdamW."""
    warmup: Annotated[int, Field(ge=0)] = 100
    """Steps on the way up to it; from there half a cosine down to zero."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    clip: Annotated[float, Field(gt=0)] = 5.0
    """The largest norm of the gradients."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """What the running average of the weights keeps from step to step."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the arithmetic inside a step; weights are always float32."""
    validate_every: Annotated[int, Field(ge=1)] = 5
    """Epochs."""
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How much work a kill may cost."""
    seed: Annotated[int, Field(ge=0)] = 0
    begin: str = ""
    """Weights of the same family and size to begin at: a shipped model's name, or a file."""


class TaggerAugmentation(_Strict):
    """How strongly a clip is changed before it is learned from; see `event_batches.py`."""

    seconds: tuple[Annotated[float, Field(ge=0.5)], Annotated[float, Field(le=10)]] = (1.5, 3.0)
    """Shortest and longest piece."""
    speed: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Octaves up or down, at most; pitch and tempo together."""
    gain: Annotated[float, Field(ge=0, le=40)] = 10.0
    """dB up or down, at most."""
    equalizer: Annotated[float, Field(ge=0, le=20)] = 6.0
    """dB, deviation of a random curve over the bands."""
    mixing: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the examples that are mixed with another clip."""
    mixing_shape: Annotated[float, Field(gt=0)] = 0.4
    """α of the beta distribution of the mixture."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the examples with white noise, 5 to 30 dB below them."""
    hidden_bands: Annotated[int, Field(ge=0, le=64)] = 8
    """Mel bands of the widest stripe that is hidden."""
    hidden_time: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Share of the time, the same."""

    @model_validator(mode="after")
    def _ordered(self) -> "TaggerAugmentation":
        if self.seconds[0] > self.seconds[1]:
            raise ValueError("seconds: the shortest piece is longer than the longest")
        return self


class TaggerRecipe(_Strict):
    """A tagger of sound events, whose embedding the Fréchet audio distance listens with."""

    family: Literal["tagger"]
    folds: list[int]
    """Of the collection, learned from."""
    held_out_folds: list[int] = []
    """The best epoch is chosen on these; with none, the last is taken."""
    test_folds: list[int] = []
    """Measured once, at the end, whatever the licenses."""
    licenses: Annotated[list[str], Field(min_length=1)]
    """A clip under any other is not learned from."""
    channels: Annotated[tuple[int, ...], Field(min_length=2)] = (32, 64, 128, 256)
    depth: Annotated[int, Field(ge=0)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of a label that is spread over all classes."""
    augmentation: TaggerAugmentation = TaggerAugmentation()
    loop: LoopRecipe
    card: CardText | None = None

    @model_validator(mode="after")
    def _apart(self) -> "TaggerRecipe":
        if set(self.folds) & {*self.held_out_folds, *self.test_folds}:
            raise ValueError("a fold that is learned from can measure nothing")
        return self


class NetworkSize(_Strict):
    """Of a transformer over frames; the defaults are those of Serrà et al. (2023, §3.2)."""

    blocks: Annotated[int, Field(ge=1, le=64)] = 7
    width: Annotated[int, Field(ge=2, le=4096)] = 512
    heads: Annotated[int, Field(ge=1, le=256)] = 16
    expansion: Annotated[int, Field(ge=1, le=16)] = 3

    @model_validator(mode="after")
    def _shared(self) -> "NetworkSize":
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width}")
        return self


class RegressionRecipe(_Strict):
    """The network of `regression` (PS-Reg), on features made by `soundstage prepare`."""

    family: Literal["regression"]
    size: NetworkSize = NetworkSize()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patch: Annotated[int, Field(ge=8, le=4096)] = 258
    """Frames of an example; 43.1 are a second, and the paper has 6 seconds."""
    gain: Annotated[float, Field(ge=0, le=40)] = 10.0
    """dB up or down, at most, by which an example is made louder or softer."""
    loop: LoopRecipe
    card: CardText | None = None


class StereoAugmentation(_Strict):
    """How strongly the examples of a generative model are varied; see `token_batches.py`."""

    gain: Annotated[float, Field(ge=0, le=40)] = 10.0
    """dB up or down, at most."""
    equalizer: Annotated[float, Field(ge=0, le=20)] = 0.0
    """dB, deviation of a smooth random curve over frequency."""
    limited: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the examples without their highest and lowest bands, as old recordings are."""
    hissing: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share with noise, 45 to 85 dB under full scale in every band."""
    mixed: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share that is two records at once."""
    styled: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share that is told some numbers of its style; 0 makes a network that hears none."""
    restaged: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Share of those whose stage is changed first."""
    forgotten: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share that has no memory, though the record has a past."""


class _GenerativeRecipe(_Strict):
    """What `masked` and `autoregressive` share."""

    size: NetworkSize = NetworkSize()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patch: Annotated[int, Field(ge=8, le=4096)] = 258
    """Positions of an example."""
    stride: Annotated[int, Field(ge=1, le=8)] = 1
    """Frames from one position to the next; 43.1 frames are a second."""
    groups: tuple[Annotated[int, Field(ge=2)], ...] = (248,)
    """How tokens are embedded: (248,) as one, (31, 8) as level difference and coherence."""
    memory: bool = False
    """Whether the network is told of the minute before an example."""
    hearing: Annotated[int, Field(ge=0, le=4096)] = 0
    """Channels in which each tile hears the sound around it (`networks/backbones/local_conditioning.py`)."""
    deaf: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the examples that go without the sound, for guidance."""
    augmentation: StereoAugmentation = StereoAugmentation()
    frequencies: bool = False
    """Begin from how often each token occurs in each band, in place of learning it by steps."""
    epoch_steps: Annotated[int, Field(ge=0)] = 0
    """Steps after which an epoch is said to end; 0: as many as see all records once."""
    loop: LoopRecipe
    card: CardText | None = None

    @model_validator(mode="after")
    def _all_tokens(self) -> "_GenerativeRecipe":
        if self.groups not in ((248,), (31, 8)):
            raise ValueError("groups: [248] or [31, 8]")
        return self


class MaskedRecipe(_GenerativeRecipe):
    """The network of `masked` (PS-MTM), on features made by `soundstage prepare`."""

    family: Literal["masked"]
    rank: Annotated[int, Field(ge=0, le=4096)] = 0
    """Numbers a band before the scores; 0 for the paper's perceptron."""
    patterned: bool = False
    """Hide whole frames and what follows a known beginning too, and not tiles alone."""


class AutoregressiveRecipe(_GenerativeRecipe):
    """The network of `autoregressive` (PS-AR), likewise."""

    family: Literal["autoregressive"]
    form: Literal["paper", "fast"] = "paper"
    """One pass of the network a band, or one a frame with a small head over the bands."""
    head: Annotated[int, Field(ge=1, le=4096)] = 128
    """Width of that head."""


class DiTNetworkSize(NetworkSize):
    """Of a diffusion transformer; the defaults are those of DiT-S."""

    blocks: Annotated[int, Field(ge=1, le=64)] = 12
    width: Annotated[int, Field(ge=4, le=4096)] = 384
    heads: Annotated[int, Field(ge=1, le=256)] = 6
    expansion: Annotated[int, Field(ge=1, le=16)] = 4

    @model_validator(mode="after")
    def _shared_by_fours(self) -> "DiTNetworkSize":
        if self.width % (4 * self.heads):
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width} by fours")
        return self


class DiffusionRecipe(_Strict):
    """The network of `diffusion`, on features made by `soundstage prepare`."""

    family: Literal["diffusion"]
    size: DiTNetworkSize = DiTNetworkSize()
    vector: tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=34)]] = (4, 2)
    """Positions and bands of one vector of the transformer."""
    patch: Annotated[int, Field(ge=8, le=4096)] = 256
    """Positions of an example."""
    stride: Annotated[int, Field(ge=1, le=8)] = 2
    """Frames from one position to the next; 43.1 frames are a second."""
    hearing: Annotated[int, Field(ge=1, le=4096)] = 96
    """Channels in which each tile hears the sound around it (`networks/backbones/local_conditioning.py`)."""
    deaf: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the examples that go without the sound, for guidance."""
    times: tuple[float, Annotated[float, Field(gt=0)]] = (0.0, 1.0)
    """Mean and deviation of the logit of the times that are trained; 1 is pure noise."""
    augmentation: StereoAugmentation = StereoAugmentation()
    epoch_steps: Annotated[int, Field(ge=0)] = 0
    """Steps after which an epoch is said to end; 0: as many as see all records once."""
    loop: LoopRecipe
    card: CardText | None = None


class DiffStereoRecipe(_Strict):
    """The network of `diffstereo`, on the records themselves; the defaults are the paper's."""

    family: Literal["diffstereo"]
    size: DiTNetworkSize = DiTNetworkSize()
    patch: tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=513)]] = (9, 9)
    """Frames and bins of one vector of the transformer."""
    frames: Annotated[int, Field(ge=8, le=8192)] = 729
    """Of an example; 80 are a second, and the paper has 9.1 seconds."""
    attention: Literal["full", "axial"] = "full"
    """What a vector hears: all others, or in turn its own moment and its own bins."""
    steps: Annotated[int, Field(ge=50, le=10_000)] = 1000
    """Of the diffusion."""
    epoch_steps: Annotated[int, Field(ge=0)] = 0
    """Steps after which an epoch is said to end; 0: as many as see all records once."""
    loop: LoopRecipe
    card: CardText | None = None


class StackRecipe(_Strict):
    """Of a stack of dilated convolutions; the defaults are WarpNet's."""

    blocks: Annotated[int, Field(ge=1, le=16)] = 3
    layers: Annotated[int, Field(ge=1, le=16)] = 10
    """Of a block."""
    channels: Annotated[int, Field(ge=1, le=1024)] = 64
    kernel: Annotated[int, Field(ge=1, le=9)] = 2


class _BinauralRecipe(_Strict):
    """What the neural renderers share; they learn from a folder of binaural speech."""

    view: Literal["published", "directions"] = "published"
    """What is told of a pose (`binaural/render/pose_encoding.py`); directions go with the law of distance."""
    samples: Annotated[int, Field(ge=800, le=4_800_000)] = 32_000
    """Of an example, at 48 kHz; 32,000 are BinauralGrad's."""
    gain: Annotated[float, Field(ge=0, le=40)] = 0.0
    """dB up or down, at most, by which an example is made louder or softer."""
    emphasis: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the error of treble (`binaural_losses.py`)."""
    phase: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the error of phases."""
    epoch_steps: Annotated[int, Field(ge=0)] = 0
    """Steps after which an epoch is said to end; 0: as many as see all records once."""
    loop: LoopRecipe
    card: CardText | None = None


class WaveNetRecipe(_BinauralRecipe):
    """The network of `wavenet`."""

    family: Literal["wavenet"]
    size: StackRecipe = StackRecipe()


class WarpNetRecipe(_BinauralRecipe):
    """The network of `warpnet`; the defaults are the paper's."""

    family: Literal["warpnet"]
    size: StackRecipe = StackRecipe()
    rank: Annotated[int, Field(ge=1, le=1024)] = 32
    """Kernels that poses mix in a hyper-convolution."""
    warp_layers: Annotated[int, Field(ge=1, le=16)] = 4
    warp_channels: Annotated[int, Field(ge=1, le=1024)] = 64


class FramesRecipe(_Strict):
    """Of a network of BinauralGrad that works in frames."""

    frame: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] = 64
    """Samples."""
    taps: Annotated[int, Field(ge=1, le=1025)] = 33
    """Of the filters past the frames; an odd number."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """Filters that frames mix."""
    separable: bool = True

    @model_validator(mode="after")
    def _middle(self) -> "FramesRecipe":
        if self.taps % 2 == 0:
            raise ValueError("taps are an odd number")
        return self


class BinauralGradRecipe(_BinauralRecipe):
    """A network of `binauralgrad`, of one of its stages; the defaults are the paper's."""

    family: Literal["binauralgrad"]
    stage: Literal["common", "specific", "single"]
    size: StackRecipe = StackRecipe(blocks=3, layers=10, channels=128, kernel=3)
    frames: FramesRecipe | None = None
    """None: the paper's network, of samples."""
    condition: Annotated[int, Field(ge=1, le=1024)] = 80
    """Channels of what is heard and told."""
    step: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] = 128
    """Waves of the diffusion step."""
    noise: Literal["paper", "flow"] = "paper"
    """200 steps of which the network tells the noise; or a straight line and the clean sound."""
    pure: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the examples of a flow that are nothing but noise, where sampling begins."""
    silent: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of those that hear silence for noise, as sampling at a temperature of 0 does."""
    common: str = ""
    """Weights of the first stage, for a second one that learns from what they make."""
    golden: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of its examples that are told the true common part all the same."""

    @model_validator(mode="after")
    def _goes_together(self) -> "BinauralGradRecipe":
        if self.common and self.stage != "specific":
            raise ValueError("common: is for the specific stage")
        if (self.pure or self.silent) and self.noise != "flow":
            raise ValueError("pure and silent: are for a flow")
        if self.size.kernel % 2 == 0:
            raise ValueError("size: the kernel of this network is an odd number")
        return self


Recipe = (
    NearestRecipe
    | DecorrelateRecipe
    | ParameterPoolRecipe
    | TaggerRecipe
    | RegressionRecipe
    | MaskedRecipe
    | AutoregressiveRecipe
    | DiffusionRecipe
    | DiffStereoRecipe
    | WaveNetRecipe
    | WarpNetRecipe
    | BinauralGradRecipe
)
_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="family")])


def load_recipe(path: Path, **changes: int) -> Recipe:
    """The recipe in a YAML file.

    Args:
        path: the file.
        changes: values that replace those of the file, such as `pairs=500_000`.

    Raises:
        OptionError: the file is missing, is not YAML, or its keys and values do not fit.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"{path}: the recipe cannot be read ({reason}).") from error
    if not isinstance(content, dict):
        raise OptionError(f"{path}: a recipe is a list of keys and values.")
    try:
        return _ADAPTER.validate_python({**content, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "family"
        raise OptionError(f"{path}: {place}: {first['msg']}.") from error
