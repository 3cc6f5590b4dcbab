"""The list of methods. A new one is its own file and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast, get_args

from torch import Tensor

from soundstage.errors import OptionError
from soundstage.stereo import Decoder
from soundstage.upmixing.generative.style import Style, parse_style
from soundstage.upmixing.methods.autoregressive import AutoregressiveDecoding, load_autoregressive
from soundstage.upmixing.methods.comb import Comb
from soundstage.upmixing.methods.decorrelate import Decorrelate
from soundstage.upmixing.methods.diffstereo import DiffStereoSampling, load_diffstereo
from soundstage.upmixing.methods.diffusion import DiffusionDecoding, load_diffusion
from soundstage.upmixing.methods.masked import MaskedDecoding, load_masked
from soundstage.upmixing.methods.nearest import PAPER_SMOOTHING, NearestPredictor
from soundstage.upmixing.methods.regression import RegressionPredictor
from soundstage.upmixing.parametric import ParametricUpmixer
from soundstage.upmixing.upmixer import Predictor, Upmixer

DEFAULT_METHOD = "masked"


@dataclass(frozen=True)
class Method:
    """A line of the list."""

    name: str
    summary: str
    source: str
    """Where it is described."""
    weights: str
    """The shipped model it uses unless another is given; empty where none is shipped."""
    load: Callable[[str], Upmixer] | None = None
    load_predictor: Callable[[str], Predictor] | None = None
    load_styled: Callable[[str, Tensor | None], Predictor] | None = None
    """Of those that can be asked for a style."""
    settings: object = None
    """How it draws unless it is told otherwise."""


METHODS = {
    method.name: method
    for method in (
        Method(
            "masked",
            "a network fills in places for what it hears, a few more in every step",
            "PS-MTM, Serrà et al. 2023, §3.3",
            "masked",
            load_styled=load_masked,
            settings=MaskedDecoding(),
        ),
        Method(
            "autoregressive",
            "a network places band after band and moment after moment, each given all before",
            "PS-AR, Serrà et al. 2023, §3.2",
            "autoregressive",
            load_styled=load_autoregressive,
            settings=AutoregressiveDecoding(),
        ),
        Method(
            "diffusion",
            "a network draws level and direction of the side out of noise, in a few steps",
            "ours, after DiffStereo (2025)",
            "diffusion",
            load_styled=load_diffusion,
            settings=DiffusionDecoding(),
        ),
        Method(
            "nearest",
            "the stereo image of the most similar moments of real records",
            "PS-NN, Serrà et al. 2023, §3.1",
            "nearest",
            load_predictor=NearestPredictor.load,
        ),
        Method(
            "nearest-smoothed",
            "the same with the paper's slow smoothing: places drift instead of following notes",
            "PS-NN, Serrà et al. 2023, §3.1",
            "nearest",
            load_predictor=partial(NearestPredictor.load, smoothing=PAPER_SMOOTHING),
        ),
        Method(
            "regression",
            "the mean of all stereo images that a network thinks likely: wide, and without places",
            "PS-Reg, Serrà et al. 2023, §4.1",
            "regression",
            load_predictor=RegressionPredictor.load,
        ),
        Method(
            "decorrelate",
            "diffuse width that depends on frequency as in real music, attacks kept sharp",
            "Decorr, Serrà et al. 2023, §4.1",
            "decorrelate",
            load=Decorrelate.load,
        ),
        Method(
            "comb",
            "opposite phases left and right, swinging along frequency",
            "the family of plug-in that DiffStereo (2025) compares with",
            "decorrelate",
            load=Comb.load,
        ),
        Method(
            "diffstereo",
            "a network draws left and right out of noise, up to 12 kHz; the fold-down is not kept",
            "DiffStereo, Zhang et al. 2025",
            "",
            load=load_diffstereo,
            settings=DiffStereoSampling(),
        ),
    )
}
READY_METHODS = {name: method for name, method in METHODS.items() if method.weights}
"""Those that run as installed; the others want weights of one's own."""


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        OptionError: there is none.
    """
    if name not in METHODS:
        raise OptionError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name]


def load_method(
    name: str = DEFAULT_METHOD,
    *,
    weights: str | None = None,
    decoder: str = "prediction",
    style: Style | str | None = None,
) -> Upmixer:
    """A method with its weights, ready to run on any number of signals.

    Args:
        name: one of `METHODS`.
        weights: a file of weights in place of the shipped ones, or where none are shipped.
        decoder: for methods that predict parametric stereo: "prediction" (the fold-down is exact)
            or "mixing" (the matrices of Breebaart et al. 2005; it is not).
        style: of the wanted stage, or words for it such as "wide, narrow bass"; for the generative
            methods.

    Raises:
        OptionError: the method, the decoder or a word of the style is unknown, the method has no
            choice of decoder or of style, or it wants weights and none are given.
        WeightsError: the weights cannot be used.
    """
    method = find_method(name)
    source = weights or method.weights
    if not source:
        raise OptionError(
            f"{name} ships without weights: train some with recipes/{name}.yaml, and give the "
            "file with --weights."
        )
    if decoder not in get_args(Decoder):
        raise OptionError(f"The decoder is 'prediction' or 'mixing', not {decoder!r}.")
    asked = parse_style(style) if isinstance(style, str) else style
    if method.load_styled:
        made = method.load_styled(source, None if asked is None else asked.numbers())
        return ParametricUpmixer(made, decoder=cast(Decoder, decoder))
    if asked is not None:
        able = ", ".join(each.name for each in METHODS.values() if each.load_styled)
        raise OptionError(f"{name} takes no style; these methods do: {able}.")
    if method.load_predictor:
        predictor = method.load_predictor(source)
        return ParametricUpmixer(predictor, decoder=cast(Decoder, decoder))
    if decoder != "prediction":
        raise OptionError(f"{name} has no decoder to choose: it makes the side itself.")
    assert method.load is not None
    return method.load(source)
