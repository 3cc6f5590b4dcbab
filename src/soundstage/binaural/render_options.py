"""Names and options of the binaural renderers, and refusals of impossible ones.

Imports neither PyTorch nor a method and reads no file.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from soundstage.ambisonics.conventions import channels_of
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.errors import OptionError, WeightsError, quoted
from soundstage.weights.family import read_family

BINAURAL = 2  # channels of ear signals; an ambisonic field has 4, 9 or 16
DEFAULT_RENDERER = "hrtf"
RENDERERS = {
    "hrtf": "measured HRTFs, in the free field or in a room",
    "warp": "propagation delay to each ear only; a baseline of the papers",
    "binauralgrad": "two-stage diffusion: the mean of both ears, then each ear",
    "binauralgrad-single": "single-stage diffusion; the ablation in its paper",
    "warpnet": "neural time warping and pose-conditioned hyper-convolutions",
    "wavenet": "pose-conditioned WaveNet; a baseline of the papers",
}
"""Summary of each renderer, by name."""
PRETRAINED = {
    "binauralgrad": ("binauralgrad-common", "binauralgrad-tuned"),
    "binauralgrad-single": ("binauralgrad-single",),
    "warpnet": ("warpnet",),
    "wavenet": ("wavenet",),
}
"""Pretrained weights of the neural renderers, one for each stage."""
MAX_STEPS = 200  # diffusion steps in training (Leng et al. 2022, §4)


FieldDecoding = Literal["magls", "loudspeakers"]
DECODERS: tuple[FieldDecoding, ...] = get_args(FieldDecoding)


class RenderOptions(NamedTuple):
    """Options of `hrtf`; the other renderers use the seed only."""

    hrtf: str | None = None
    """A SOFA file, or the name of a bundled HRTF set; None is KEMAR."""
    room: ShoeBox | None = None
    """None is the free field."""
    nearest: bool = False
    """Take the nearest measured direction instead of interpolating."""
    air: bool = False
    """Apply air absorption."""
    seed: int = 0
    """Seed of the late reverberation, or of the noise of `binauralgrad`."""
    ambix: int | None = None
    """Order of an ambisonic field in place of ear signals, 1 to 3; needs no HRTF set."""
    decoding: FieldDecoding = "magls"
    """Of sound fields to the ears: "magls", or "loudspeakers"."""

    def over(self, others: "RenderOptions") -> "RenderOptions":
        """These options, and the others where these are the defaults; a field has no HRTF set."""
        if self.ambix is not None:
            others = others._replace(hrtf=None, nearest=False)
        usual = RenderOptions()._asdict()
        given = {name: value for name, value in self._asdict().items() if value != usual[name]}
        return others._replace(**given)


class NeuralOptions(NamedTuple):
    """Options of the neural renderers."""

    weights: Sequence[str] = ()
    """Files made by `soundstage train`, one for each stage; by default the pretrained ones."""
    steps: int | None = None
    """Diffusion steps; None is the default of the network."""
    temperature: float | None = None
    """Scale of the noise, 0 to 1; None is the default of the network."""


def renderer_for(name: str | None, weights: Sequence[str]) -> str:
    """The renderer of a command: the one named, else that of the weights, else the default.

    Raises:
        WeightsError: the weights cannot be read, or are those of no renderer.
    """
    if name is not None:
        return name
    families = {read_family(path) for path in weights}
    if not families:
        return DEFAULT_RENDERER
    fitting = [
        each
        for each, stages in PRETRAINED.items()
        if families == {each.partition("-")[0]} and len(stages) == len(weights)
    ]
    if not fitting:
        raise WeightsError(
            f"{len(weights)} file{'s' * (len(weights) > 1)} of weights of "
            f"{' and '.join(map(quoted, sorted(families)))}: no renderer takes these."
        )
    return fitting[0]


def check_sampling(steps: int | None, temperature: float | None) -> None:
    """Refuse settings of the diffusion sampler that are out of range.

    Raises:
        OptionError: steps are not 1 to `MAX_STEPS`, or the temperature is not 0 to 1.
    """
    if steps is not None and not 1 <= steps <= MAX_STEPS:
        raise OptionError(f"`steps` must be 1 to {MAX_STEPS}, not {steps}.")
    if temperature is not None and not 0 <= temperature <= 1:
        raise OptionError(f"`temperature` must be 0 to 1, not {temperature:g}.")


def check_decoder(name: str) -> FieldDecoding:
    """The decoder of that name.

    Raises:
        OptionError: there is none.
    """
    for known in DECODERS:
        if name == known:
            return known
    raise OptionError(f"Unknown decoder {quoted(name)}: choose {' or '.join(DECODERS)}.")


def check_renderer(
    name: str, options: RenderOptions | None = None, neural: NeuralOptions | None = None
) -> None:
    """Refuse options that a renderer does not have; loads nothing.

    Raises:
        OptionError: the renderer is unknown, has no such option, or takes another number of files.
    """
    options, neural = options or RenderOptions(), neural or NeuralOptions()
    if name not in RENDERERS:
        raise OptionError(f"Unknown renderer {name!r}: choose {', '.join(RENDERERS)}.")
    if options.ambix is not None:
        channels_of(options.ambix)
        if name != DEFAULT_RENDERER:
            raise OptionError(f"{name} renders for two ears: leave out `ambix`, or `method`.")
        if options.hrtf is not None or options.nearest or options.decoding != DECODERS[0]:
            raise OptionError(
                "A sound field is made without a head: leave out `hrtf`, `nearest` and `decoder`, "
                "or `ambix`."
            )
    check_decoder(options.decoding)
    if name != "hrtf" and options._replace(seed=0) != RenderOptions():
        raise OptionError(
            f"{name} has no HRTF set, room or air absorption: leave these out, or use hrtf."
        )
    if name not in PRETRAINED:
        if neural != NeuralOptions():
            raise OptionError(
                f"{name} is not neural: leave out `weights`, `steps` and `temperature`."
            )
        return
    given, stages = len(neural.weights), len(PRETRAINED[name])
    if given not in (0, stages):
        raise OptionError(
            f"{name} takes {stages} file{'s' * (stages > 1)} of weights, one per stage, "
            f"not {given}."
        )
    if name.startswith("binauralgrad"):
        check_sampling(neural.steps, neural.temperature)
    elif (neural.steps, neural.temperature) != (None, None):
        raise OptionError(f"{name} has no diffusion: leave out `steps` and `temperature`.")
