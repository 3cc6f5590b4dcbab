"""The renderers, by name."""

from collections.abc import Sequence
from typing import NamedTuple

from soundstage.binaural.hrtf.bundled import load_hrtf
from soundstage.binaural.render.binauralgrad import (
    SINGLE_STAGE,
    TWO_STAGES,
    BinauralGradSampling,
    load_binauralgrad,
)
from soundstage.binaural.render.hrtf_renderer import HrtfRenderer
from soundstage.binaural.render.warp import WarpRenderer
from soundstage.binaural.render.warpnet import load_warpnet
from soundstage.binaural.render.wavenet import load_wavenet
from soundstage.binaural.renderers import Renderer
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.errors import OptionError

DEFAULT_RENDERER = "hrtf"
RENDERERS = {
    "hrtf": "a measured head in the open or in a room",
    "warp": "the time that sound takes to each ear, and no more; a baseline of the papers",
    "binauralgrad": "diffusion in two stages: what both ears hear, then each",
    "binauralgrad-single": "diffusion in one stage; the ablation of its paper",
    "warpnet": "a network that warps time and filters by convolutions that the pose makes",
    "wavenet": "a network that is told the pose; a baseline of the papers",
}
"""What each does, by its name."""
SHIPPED = {
    "binauralgrad": TWO_STAGES,
    "binauralgrad-single": SINGLE_STAGE,
    "warpnet": ("warpnet",),
    "wavenet": ("wavenet",),
}
"""Weights of the neural renderers."""


class RenderOptions(NamedTuple):
    """What is around the source; only `hrtf` knows of it."""

    hrtf: str | None = None
    """A SOFA file, or the name of a shipped head."""
    room: ShoeBox | None = None
    nearest: bool = False
    air: bool = False
    seed: int = 0
    """Of the late reverberation, and of the noise that `binauralgrad` begins with."""


class Networks(NamedTuple):
    """How neural renderers run; the others know nothing of it."""

    weights: Sequence[str] = ()
    """Files made by `soundstage train`, one for each stage; by default those that are shipped."""
    steps: int | None = None
    """Of diffusion; by default what suits the network."""
    temperature: float | None = None
    """Of its noise, from 0 to 1; likewise."""


def load_renderer(
    name: str, around: RenderOptions | None = None, networks: Networks | None = None
) -> Renderer:
    """A renderer, ready to begin sounds.

    Args:
        name: out of `RENDERERS`.
        around: what is around the source; None is the shipped head in the open.
        networks: how a neural one runs; None is as it is shipped.

    Raises:
        OptionError: there is no such renderer, or it has no use for what is asked.
        InputError: the head cannot be read.
        WeightsError: weights cannot be read, or are of another renderer.
    """
    around, networks = around or RenderOptions(), networks or Networks()
    if name not in RENDERERS:
        raise OptionError(f"There is no renderer {name!r}: choose {' or '.join(RENDERERS)}.")
    if name != "hrtf" and around._replace(seed=0) != RenderOptions():
        raise OptionError(
            f"{name} has no head, room or air: leave their options out, or take hrtf."
        )
    if name not in SHIPPED:
        if networks != Networks():
            raise OptionError(f"{name} is no network: leave out weights, steps and temperature.")
        return WarpRenderer() if name == "warp" else _hrtf(around)
    return _neural(name, networks, around.seed)


def _hrtf(around: RenderOptions) -> HrtfRenderer:
    return HrtfRenderer(
        load_hrtf() if around.hrtf is None else load_hrtf(around.hrtf),
        room=around.room,
        nearest=around.nearest,
        air=around.air,
        seed=around.seed,
    )


def _neural(name: str, networks: Networks, seed: int) -> Renderer:
    weights, wanted = tuple(networks.weights) or SHIPPED[name], len(SHIPPED[name])
    if len(weights) != wanted:
        raise OptionError(
            f"{name} takes {wanted} files of weights, one for each stage, not {len(weights)}."
        )
    if name.startswith("binauralgrad"):
        sampling = BinauralGradSampling(networks.steps, networks.temperature)
        return load_binauralgrad(weights, sampling=sampling, seed=seed)
    if (networks.steps, networks.temperature) != (None, None):
        raise OptionError(f"{name} tells all in one pass: leave out steps and temperature.")
    return load_warpnet(*weights) if name == "warpnet" else load_wavenet(*weights)
