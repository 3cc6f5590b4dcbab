"""What all recipes share: types of values, the prose of the card, and the training loop."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Decibels = Annotated[float, Field(ge=0, le=40)]
Weight = Annotated[float, Field(ge=0)]
Channels = Annotated[int, Field(ge=1, le=1024)]
Layers = Annotated[int, Field(ge=1, le=16)]
Frames = Annotated[int, Field(ge=8, le=8192)]


class Strict(BaseModel):
    """A section of a recipe; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CardText(Strict):
    """The prose of a model card, independent of the training data."""

    paper: str
    limits: str
    license_reading: str = ""
    """Which license applies where a collection and its recordings carry different ones."""


class BaseRecipe(Strict):
    """A recipe of any family."""

    card: CardText | None = None


class LoopRecipe(Strict):
    """Optimization of a network (`soundstage.training.loop`)."""

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate of AdamW."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    """Steps of linear warm-up; a half cosine down to zero follows."""
    weight_decay: Weight = 0.05
    grad_clip: Annotated[float, Field(gt=0)] = 5.0
    """Maximum norm of the gradients."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """Decay of the exponential moving average of the weights, per step."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the forward pass; weights are always float32."""
    validate_every: Annotated[int, Field(ge=1)] = 5
    """In epochs."""
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0
    seed: Annotated[int, Field(ge=0)] = 0
    init_from: str = ""
    """Initial weights of the same family and size: a pretrained model's name, or a file."""


class StemMixing(Strict):
    """Random mixes of stems (`data/stem_mixes.py`)."""

    song_prob: Probability = 0.5
    """Probability of stems that play together in a song."""
    accompaniment_prob: Probability = 0.2
    """Probability of a mix that is known to hold no voice; the rest comes from anywhere."""
    voice_prob: Probability = 0.65
    """Probability of an added lead voice."""
    backing_prob: Probability = 0.4
    """Probability of other voices beside it."""
    drop_prob: Probability = 0.2
    """Probability that a stem of a song is left out."""
    gain_db: Decibels = 5.0
    """Standard deviation of the gain of a stem from anywhere; half of it in a song."""
    eq_db: Decibels = 3.0
    """Standard deviation of a random curve over the bands of a stem."""
    old_prob: Probability = 0.25
    """Probability of a narrow range of frequencies with noise, as in old recordings."""


class BaseNetworkRecipe(BaseRecipe):
    """A recipe of a network, trained by `soundstage.training.loop`."""

    steps_per_epoch: Annotated[int, Field(ge=0)] = 0
    """0: as many as cover the training data once."""
    loop: LoopRecipe


class EventRecipe(BaseNetworkRecipe):
    """A recipe of a network that is trained on sound events."""

    train_folds: tuple[int, ...]
    valid_folds: tuple[int, ...] = ()
    """Select the best epoch; without validation clips, the last epoch is kept."""
    valid_clips: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Clips of the last training fold that are held out for validation, with all clips of the same
    recordings."""
    test_folds: tuple[int, ...] = ()
    """Evaluated once after training, whatever the licenses."""
    licenses: Annotated[tuple[str, ...], Field(min_length=1)]
    """Only clips under these licenses are used for training."""

    @model_validator(mode="after")
    def _disjoint(self) -> "EventRecipe":
        if set(self.train_folds) & {*self.valid_folds, *self.test_folds}:
            raise ValueError("a training fold cannot be a validation or test fold")
        return self
