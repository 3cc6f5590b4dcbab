"""Upmixing in a single call."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from soundstage.audio import Audio, Source
from soundstage.errors import OptionError
from soundstage.upmixing.engine import UpmixMethod
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.own_methods import own_method
from soundstage.upmixing.stage_options import AnyPath, stage_options
from soundstage.upmixing.upmixer import Seed, Upmixer, lazy_upmixer

if TYPE_CHECKING:
    from soundstage.upmixing.plan import Plan

AnyMethod: TypeAlias = "str | Upmixer | UpmixMethod | Callable[..., Any] | None"


def upmix(
    source: Source,
    *,
    method: AnyMethod = None,
    seed: Seed | Sequence[Seed] = 0,
    width: float | None = None,
    bass_mono: float = 0.0,
    center_focus: float = 0.0,
    spread_noise: bool = False,
    downmix: bool = False,
    align: bool = False,
    mix: str = "mean",
    place: str | None = None,
    plan: "Plan | AnyPath | None" = None,
    stems: str | os.PathLike[str] | None = None,
    separator: str | None = None,
    style: str | Style | None = None,
    weights: str | os.PathLike[str] | None = None,
    decoder: str = "prediction",
    device: str = "auto",
    ambix: int | None = None,
) -> Audio | Any:
    """Upmix a whole sound. For many sounds, make an `Upmixer` once.

    Args:
        source: a path, a binary file object, an `Audio`, or (samples, rate).
        method: a name of `soundstage models`, an `Upmixer`, out of `load_method`, a class or
            function of your own (docs/own-methods.md); None is that of the weights, or the default.
        seed: of the take; several seeds give a list of takes.
        width: gain of the side signal, 0 to 2; by default 1 with a limit by content: 0.3 for
            speech and a single instrument, 0.9 for all other music.
        bass_mono: crossover in Hz below which the result is mono, 20 to 500; 0 is off.
        center_focus: narrows voices and leads, 0 to 1.
        spread_noise: spread clicks and hiss too, which by default stay in the middle.
        downmix: fold down a stereo source instead of refusing it.
        align: align two channels of one recording (lag, gain, polarity), and sum them.
        mix: of aligned channels, "mean", or "best" with the least noise in every band.
        place: as for `Upmixer.from_pretrained`, as all that follow.
        plan: see there.
        stems: see there.
        separator: see there.
        style: see there.
        weights: see there.
        decoder: see there.
        device: see there.
        ambix: order of a sound field in place of stereo, 1 to 3, as for `Upmixer`.

    Returns:
        As `Upmixer` does.

    Raises:
        InputError: the source cannot be read, is empty, not finite, or not mono.
        OptionError: an option is unknown or out of its range, or the method does not have it.
        WeightsError: the weights are missing, damaged, or of another family.
        MethodError: a method of your own failed.
    """
    upmixer = _as_upmixer(
        method,
        place=place,
        plan=plan,
        stems=stems,
        separator=separator,
        style=style,
        weights=weights,
        decoder=decoder,
        device=device,
    )
    return upmixer(
        source,
        seed=seed,
        width=width,
        bass_mono=bass_mono,
        center_focus=center_focus,
        spread_noise=spread_noise,
        downmix=downmix,
        align=align,
        mix=mix,
        ambix=ambix,
    )


def upmix_file(
    source: Source,
    target: Any,
    *,
    method: AnyMethod = None,
    place: str | None = None,
    plan: "Plan | AnyPath | None" = None,
    stems: str | os.PathLike[str] | None = None,
    separator: str | None = None,
    style: str | Style | None = None,
    weights: str | os.PathLike[str] | None = None,
    decoder: str = "prediction",
    device: str = "auto",
    **options: Any,
) -> Any:
    """Upmix into a file; `options` are those of `Upmixer.file`, the others as for `upmix`."""
    upmixer = _as_upmixer(
        method,
        place=place,
        plan=plan,
        stems=stems,
        separator=separator,
        style=style,
        weights=weights,
        decoder=decoder,
        device=device,
    )
    return upmixer.file(source, target, **options)


def upmix_stream(
    blocks: Iterable[Float[np.ndarray, " frames"]],
    rate: int,
    *,
    method: AnyMethod = None,
    place: str | None = None,
    plan: "Plan | AnyPath | None" = None,
    stems: str | os.PathLike[str] | None = None,
    separator: str | None = None,
    style: str | Style | None = None,
    weights: str | os.PathLike[str] | None = None,
    decoder: str = "prediction",
    device: str = "auto",
    **options: Any,
) -> Iterator[Float[np.ndarray, "2 frames"]]:
    """Stereo blocks from mono blocks; `options` are those of `Upmixer.stream`.

    A stream is not inspected: neither its content nor its noise limits the width.

    Yields:
        Blocks that together are the samples of `upmix` with `width` 1 and `spread_noise`, or lists
        of them for several seeds.
    """
    upmixer = _as_upmixer(
        method,
        place=place,
        plan=plan,
        stems=stems,
        separator=separator,
        style=style,
        weights=weights,
        decoder=decoder,
        device=device,
    )
    stream = upmixer.stream(rate, **options)
    for block in blocks:
        yield stream.push(block)
    yield stream.finish()


def _as_upmixer(
    method: AnyMethod,
    *,
    place: str | None,
    plan: "Plan | AnyPath | None",
    stems: str | os.PathLike[str] | None,
    separator: str | None,
    **arguments: Any,
) -> Upmixer:
    stage = stage_options(place=place, plan=plan, stems=stems, separator=separator)
    if method is None or isinstance(method, str):
        return lazy_upmixer(method, stage=stage, **arguments)
    set_ = [name for name in ("style", "weights") if arguments[name] is not None]
    if names := [*set_, *stage.requested]:
        raise OptionError(
            f"Options of a method, such as `{names[0]}`, need a method by name: give them when "
            "loading it."
        )
    if isinstance(method, Upmixer):
        return method
    if hasattr(method, "stream") and not isinstance(method, type):
        return Upmixer(method)
    name = getattr(method, "__name__", type(method).__name__)
    return Upmixer(lambda: own_method(method, name), name=name)
