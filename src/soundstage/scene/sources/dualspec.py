"""The binaural sources `dualspec` and its variants: both ears of an event at one of 12 azimuths.

The words of an event are matched with the classes of the model (`event_names`), since its text
encoder has seen no other words; a model with FLAN-T5 takes them as they are. A sound has 5.1 s at
16 kHz, less the silence after a short event.
"""

import numpy as np
from jaxtyping import Float

from soundstage.corpora.spatial_events import AZIMUTHS, RATE
from soundstage.errors import OptionError, quoted
from soundstage.parallel import resolve_device
from soundstage.scene.dualspec.model import DualSpec, load_dualspec
from soundstage.scene.dualspec.sampling import SamplingOptions
from soundstage.scene.sources.clip_analysis import active_segment, cut
from soundstage.scene.sources.event_names import require_event
from soundstage.scene.sources.source import SourceOptions

MAX_SEED = 2**63


def load(name: str, options: SourceOptions) -> "DualSpecSource":
    """A variant by its name, or the weights in `options.weights`.

    Raises:
        WeightsError: the weights are missing or damaged.
        OptionError: they are of the mono model.
    """
    device = resolve_device(options.device)
    model = load_dualspec(options.weights or name, device, vocoder=options.vocoder)
    if model.ears == 1:
        raise OptionError(f"{options.weights}: is a mono model; its source is mono.")
    return DualSpecSource(name, model, sampling_options(options))


def sampling_options(options: SourceOptions) -> SamplingOptions:
    """Steps and guidance of a source.

    Raises:
        OptionError: one is out of range.
    """
    default = SamplingOptions()
    return SamplingOptions(
        steps=default.steps if options.steps is None else options.steps,
        guidance=default.guidance if options.guidance is None else options.guidance,
    )


def label_of(model: DualSpec, text: str, subject: str) -> str:
    """The class of a model for the words of an event.

    Raises:
        OptionError: no class matches.
    """
    if model.text is not None:
        return text
    return require_event(text, model.classes, subject)[0].label


def checked_seed(seed: int) -> int:
    """A seed that noise can have.

    Raises:
        OptionError: it is below 0 or needs more than 63 bits.
    """
    if not 0 <= seed < MAX_SEED:
        raise OptionError(f"A seed is a whole number from 0 to below 2^63, not {seed}.")
    return seed


class DualSpecSource:
    """A `BinauralSource` of generated sounds.

    Args:
        name: in the registry.
        model: with two ears.
        options: of the sampling.
    """

    azimuths: tuple[float, ...] = tuple(map(float, AZIMUTHS))

    def __init__(self, name: str, model: DualSpec, options: SamplingOptions) -> None:
        self.name, self._model, self._options = name, model, options

    def label(self, text: str) -> str:
        """The class of the model for the words of an event; see `BinauralSource.label`.

        Raises:
            OptionError: no class of the model matches the words.
        """
        return label_of(self._model, text, f"The source {self.name}")

    def binaural(
        self, text: str, azimuth: float, *, seed: int
    ) -> tuple[Float[np.ndarray, "2 frames"], int]:
        """Both ears of an event; see `BinauralSource.binaural`.

        Raises:
            OptionError: no class of the model matches the words, or the azimuth is no angle.
        """
        if not np.isfinite(azimuth):
            raise OptionError(f"The azimuth of {quoted(text)} is no angle.")
        label = self.label(text)
        nearest = min(self.azimuths, key=lambda each: abs((each - azimuth + 180) % 360 - 180))
        seeds = [checked_seed(seed)]
        sound = self._model.generate([label], [nearest], seeds=seeds, options=self._options)
        ears = sound[0].numpy()
        segment = active_segment(np.abs(ears).max(axis=0), RATE)
        return np.stack([cut(ear, segment, RATE) for ear in ears]), RATE
