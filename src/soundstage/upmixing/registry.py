"""The table of upmix methods. A new method is its own file in `methods/` and one entry here.

Methods from outside the package join it: see `plugins`. The table imports neither torch nor a
method, so that options are checked before anything is loaded.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from soundstage.errors import MethodError, OptionError, WeightsError, quoted
from soundstage.precision import in_single_precision
from soundstage.separation.registry import find_separator
from soundstage.upmixing.generative.style import Style, parse_style
from soundstage.upmixing.places import check_places, parse_places
from soundstage.upmixing.plugins import (
    attribute_of,
    can_be_imported,
    check_method_name,
    import_reference,
    is_reference,
    plugin_references,
)
from soundstage.upmixing.stage_options import StageOptions
from soundstage.upmixing.stem_files import find_stems
from soundstage.weights.family import read_family

if TYPE_CHECKING:
    from soundstage.separation.separator import Kind
    from soundstage.upmixing.engine import UpmixMethod

DEFAULT_METHOD = "placed"
DECODERS = ("prediction", "mixing")


@dataclass(frozen=True)
class Method:
    """An entry of the table."""

    name: str
    summary: str
    source: str
    """The publication."""
    weights: str
    """Name of its pretrained weights; empty if there are none."""
    module: str = ""
    """Its file in `methods/`, which has `load`; empty for a method from outside."""
    takes_style: bool = False
    separator: str = ""
    """Of a method that gives sources places, and has `stage` in `load`; empty for all others."""
    takes_separator: bool = False
    """Whether another separator can be chosen."""
    has_decoder: bool = True
    """Whether it predicts parametric stereo, which two decoders can decode."""
    draws_song: bool = False
    """Whether a take draws something once for the whole song, without settings or sources."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `load`."""
    reference: str = ""
    """Of a method from outside: module:NAME or path/to/file.py:NAME."""
    factory: Any = None
    """Of a method from outside: its class or function, if it is imported."""

    @property
    def is_own(self) -> bool:
        """Whether it comes from outside the package."""
        return not self.module

    def import_module(self) -> ModuleType:
        """Import its file; this imports torch."""
        return import_module(f"soundstage.upmixing.methods.{self.module}")

    @property
    def places_sources(self) -> bool:
        """Whether it gives every source a place."""
        return bool(self.separator)

    @property
    def settings(self) -> object:
        """Default settings of a generative method, `SETTINGS` of its file; None for the others."""
        return None if self.is_own else getattr(self.import_module(), "SETTINGS", None)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process, which has to import the class or function.

        Raises:
            MethodError: it stands in no module.
        """
        if self.factory is not None and not can_be_imported(self.factory):
            raise MethodError(
                f"{self.name} cannot be passed to worker processes: put it at the top level of a "
                "module, or set `jobs` to 1."
            )
        return self.__dict__

    def import_factory(self) -> Any:
        """The class or function of a method from outside.

        Raises:
            MethodError: it cannot be imported.
        """
        return self.factory or import_reference(self.reference)


_BUILT_IN = {
    method.name: method
    for method in (
        Method(
            "masked",
            "a transformer predicts masked stereo tokens, a few more in every pass",
            "PS-MTM, Serrà et al. 2023, §3.3",
            weights="masked",
            module="masked",
            takes_style=True,
        ),
        Method(
            "placed",
            "every source of a song gets a place, and masked draws what no source owns",
            "ours, after Fitzgerald 2011 and PS-MTM",
            weights="masked",
            module="placed",
            takes_style=True,
            separator="stems",
            takes_separator=True,
            has_decoder=False,
        ),
        Method(
            "autoregressive",
            "a transformer samples stereo tokens one after the other",
            "PS-AR, Serrà et al. 2023, §3.2",
            weights="autoregressive",
            module="autoregressive",
            takes_style=True,
        ),
        Method(
            "diffusion",
            "a diffusion transformer samples level and direction of the side in a few steps",
            "ours, after DiffStereo (2025)",
            weights="diffusion",
            module="diffusion",
            takes_style=True,
        ),
        Method(
            "separate",
            "the sources of a separator remixed, each with a place and a diffuse part",
            "after Fitzgerald 2011",
            weights="decorrelate",
            module="separate",
            separator="stems",
            takes_separator=True,
            has_decoder=False,
            options={"separator": "stems"},
        ),
        Method(
            "formation",
            "sources formed of sinusoidal peaks by normalized cuts, remixed with places",
            "Lagrange et al. 2007",
            weights="decorrelate",
            module="separate",
            separator="formation",
            has_decoder=False,
            options={"separator": "formation", "name": "formation"},
        ),
        Method(
            "ambisonic",
            "a variational autoencoder completes the mid to a sound field, decoded to stereo",
            "Ambisonizer, Zang et al. 2024",
            weights="ambisonic",
            module="ambisonic",
            draws_song=True,
        ),
        Method(
            "nearest",
            "nearest neighbor search: the stereo parameters of the most similar moments of music",
            "PS-NN, Serrà et al. 2023, §3.1",
            weights="nearest",
            module="nearest",
        ),
        Method(
            "nearest-smoothed",
            "nearest with the slow smoothing of the paper, for a steadier image",
            "PS-NN, Serrà et al. 2023, §3.1",
            weights="nearest",
            module="nearest",
            options={"smoothing": 0.95},
        ),
        Method(
            "regression",
            "a transformer predicts the mean stereo parameters: wide, without panning",
            "PS-Reg, Serrà et al. 2023, §4.1",
            weights="regression",
            module="regression",
        ),
        Method(
            "decorrelate",
            "an all-pass decorrelator with the mean coherence of music, transients preserved",
            "Decorr, Serrà et al. 2023, §4.1",
            weights="decorrelate",
            module="decorrelate",
            has_decoder=False,
        ),
        Method(
            "comb",
            "complementary comb filters: opposite phases left and right",
            "the type of plug-in that DiffStereo (2025) compares with",
            weights="decorrelate",
            module="comb",
            has_decoder=False,
        ),
        Method(
            "diffstereo",
            "a diffusion transformer samples left and right up to 12 kHz; inexact fold-down",
            "DiffStereo, Zhang et al. 2025",
            weights="",
            module="diffstereo",
            has_decoder=False,
        ),
    )
}
READY_METHODS = {name: method for name, method in _BUILT_IN.items() if method.weights}
"""The methods with pretrained weights."""


class _Methods(Mapping[str, Method]):
    """The methods of the package, then the registered ones, then those of installed packages."""

    def __init__(self) -> None:
        self.registered: dict[str, Method] = {}

    def __getitem__(self, name: str) -> Method:
        if found := _BUILT_IN.get(name) or self.registered.get(name):
            return found
        reference = plugin_references()[name]
        return Method(name, f"from {reference}", "an installed package", "", reference=reference)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*_BUILT_IN, *self.registered, *plugin_references()]))

    def __len__(self) -> int:
        return sum(1 for _ in self)


METHODS = _Methods()
"""All methods by name."""


def register_method(name: str, method: Any = None, *, summary: str = "", source: str = "") -> Any:
    """Make a method of your own known by a name, in this process and its workers.

    >>> @register_method("narrow")
    ... def narrow(mono, rate):
    ...     return 0.9 * mono, 1.1 * mono
    >>> METHODS["narrow"].name
    'narrow'

    Args:
        name: for `upmix`, `evaluate` and the others; one registered before is replaced.
        method: a class or function, see docs/own-methods.md; left out, this is a decorator. For
            several jobs it has to stand in a module, not in a function or an interactive session.
        summary: one line for `soundstage models`.
        source: its publication.

    Returns:
        The class or function.

    Raises:
        OptionError: the name belongs to a method of the package, or is unusable as a file name.
    """
    check_method_name(name, _BUILT_IN.__contains__)
    if method is None:
        return lambda decorated: register_method(name, decorated, summary=summary, source=source)
    METHODS.registered[name] = Method(
        name, summary or "registered by your program", source or "yours", "", factory=method
    )
    return method


def find_method(name: str) -> Method:
    """The method of that name, or of a reference such as path/to/file.py:NAME.

    Raises:
        OptionError: it is unknown.
    """
    if name in METHODS:
        return METHODS[name]
    if is_reference(name):
        return Method(attribute_of(name), f"from {name}", "yours", "", reference=name)
    raise OptionError(
        f"There is no method {quoted(name)}: choose one of {', '.join(METHODS)}, or give your own "
        "as path/to/file.py:NAME."
    )


def method_for(name: str | None, weights: str | None) -> str:
    """The method of a command: the one named, else that of the weights, else the default.

    Raises:
        WeightsError: the weights cannot be read, or are those of no method.
    """
    if name is not None:
        return name
    is_path = weights is not None and weights.endswith(".safetensors")  # and no pretrained name
    if weights is None or not is_path or not os.path.isfile(weights):
        return DEFAULT_METHOD  # a missing file is told when it is loaded
    family = read_family(weights)
    methods = [method.name for method in _BUILT_IN.values() if method.module == family]
    if not methods:
        raise WeightsError(
            f"{weights}: these are weights of {quoted(family)}, which is no method of `upmix`."
        )
    return methods[0]


def check_method(
    name: str = DEFAULT_METHOD,
    *,
    weights: str | None = None,
    decoder: str = "prediction",
    style: Style | str | None = None,
    stage: StageOptions | None = None,
) -> Style | None:
    """Check the arguments of `load_method` without loading anything.

    Returns:
        The parsed style.

    Raises:
        OptionError: as `load_method`.
    """
    method = find_method(name)
    if method.is_own and weights:
        raise OptionError(f"{name} loads its weights itself: leave `weights` out.")
    if not (weights or method.weights or method.is_own):
        raise OptionError(
            f"{name} has no pretrained weights: train it with soundstage train {name} and give "
            "the file as `weights`."
        )
    if decoder not in DECODERS:
        raise OptionError(f"`decoder` must be 'prediction' or 'mixing', not {decoder!r}.")
    if decoder != "prediction" and (method.is_own or not method.has_decoder):
        raise OptionError(f"{name} has no choice of decoder: it makes the side directly.")
    parsed = _checked_style(method, style, stage or StageOptions())
    is_of_places = method.places_sources and not (parsed and parsed.requested())
    if parsed is not None and not method.takes_style and not is_of_places:
        able = ", ".join(each.name for each in METHODS.values() if each.takes_style)
        raise OptionError(f"{name} takes no style; these methods do: {able}.")
    if stage and stage.requested and not method.places_sources:
        able = ", ".join(each.name for each in METHODS.values() if each.places_sources)
        raise OptionError(
            f"{name} gives nothing a place, so it has no `{stage.requested[0]}`; these methods do: "
            f"{able}."
        )
    if stage and stage.separator not in (None, method.separator) and not method.takes_separator:
        able = ", ".join(each.name for each in METHODS.values() if each.takes_separator)
        raise OptionError(f"{name} has no choice of separator; these methods have: {able}.")
    return parsed


def _checked_style(method: Method, style: Style | str | None, stage: StageOptions) -> Style | None:
    """The parsed style, once the method can tell apart all that the style and `stage` place.

    Raises:
        OptionError: it cannot.
    """
    kinds, names = _separated(method, stage)
    parsed = style
    if isinstance(style, str):
        parsed = parse_style(style, places=method.places_sources, names=names)
    places = parsed.places if isinstance(parsed, Style) else ()
    if places and not method.places_sources:
        able = ", ".join(each.name for each in METHODS.values() if each.places_sources)
        raise OptionError(
            f"{method.name} tells no instruments apart, so a style cannot place "
            f"{quoted(places[0].name)}: use words for the whole stage or for bass, mids and highs, "
            f"or one of the methods {able}."
        )
    if method.places_sources:
        separator = stage.separator or method.separator
        for requests in (places, parse_places(stage.place or "")):
            check_places(requests, kinds, names, separator)
    return parsed if isinstance(parsed, Style) else None


def _separated(method: Method, stage: StageOptions) -> "tuple[set[Kind], list[str]]":
    """The kinds of sources that a method tells apart, and the names of stems of the user's own."""
    if not method.places_sources:
        return set(), []
    stems = find_stems(stage.stems) if stage.stems else []
    kinds = set(find_separator(stage.separator or method.separator).kinds)
    return kinds | {stem.kind for stem in stems}, [stem.name for stem in stems]


@in_single_precision
def load_method(
    name: str = DEFAULT_METHOD,
    *,
    weights: str | None = None,
    decoder: str = "prediction",
    style: Style | str | None = None,
    device: str = "auto",
    stage: StageOptions | None = None,
) -> "UpmixMethod":
    """A method with its weights, for any number of signals.

    Args:
        name: one of `METHODS`, or path/to/file.py:NAME or module:NAME of your own.
        weights: file of `soundstage train`, in place of the pretrained weights.
        decoder: of methods that predict parametric stereo: "prediction" (exact fold-down) or
            "mixing" (matrices of Breebaart et al. 2005, inexact).
        style: target of a generative method, such as "wide, narrow bass"; see docs/style.md.
        device: "auto", "cpu", "cuda" or "mps", of the networks; signal processing and random
            numbers stay on the CPU.
        stage: places, plan and stems, of methods that place sources.

    Raises:
        OptionError: the method, the decoder, the device or a word of the style is unknown; the
            method has no choice of decoder, style or places; it has no weights and none are given.
        WeightsError: the weights are missing, damaged, or of another family.
        MethodError: a method from outside cannot be imported or made.
    """
    parsed = check_method(name, weights=weights, decoder=decoder, style=style, stage=stage)
    from soundstage.parallel import resolve_device

    method = find_method(name)
    if method.is_own:
        from soundstage.upmixing.own_methods import own_method

        return own_method(method.import_factory(), method.name)
    placing = {"stage": stage or StageOptions()} if method.places_sources else {}
    loaded: UpmixMethod = method.import_module().load(
        weights or method.weights,
        style=parsed,
        decoder=decoder,
        device=resolve_device(device),
        **placing,
        **method.options,
    )
    return loaded
