"""Mixes of separate sources at known places, as ground truth for placement metrics.

A source s at a level difference of d dB, left over right, adds s to the mid and g·s + r·D(s) to the
side:

    g = (c − 1)/(c + 1) = tanh(d·ln 10/40),    c = 10^(d/20)

This is amplitude panning with the gains 1 + g and 1 − g. D is a decorrelated copy, another one for
every source: a little room, at r = −23 dB if there is any. The mid of the mix is the sum of the
sources for all places.

`usual_places` places a song as an engineer would: lead, bass and drums in the center, all others to
the sides, far enough to be told apart and never hard.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra import StreamingConvolver
from soundstage.stereo.decorrelator import allpass_response
from soundstage.stereo.mid_side import to_left_right

CENTERED = frozenset({"lead", "drums", "bass", "ambience", "residual"})  # kinds of sources
SIDES_DB = (9.0, -9.0, 6.0, -6.0)  # of the other sources in turn; 8 to 12 dB is one side
ROOM_DB = -23.0  # side of the room under each source: a lead stays near the center


def place_sources(
    sources: Float[Tensor, "sources frames"],
    iids_db: Sequence[float],
    *,
    room_db: float = -math.inf,
) -> Float[Tensor, "2 frames"]:
    """Left and right of a mix with the given level differences.

    Args:
        sources: signals at 44.1 kHz; the mix is not scaled, and may exceed full scale.
        iids_db: level of left over right of each source, in dB; ∞ is left only.
        room_db: level of the decorrelated side of every source under the source; −∞ for none.

    Raises:
        ValueError: the numbers of sources and level differences differ.

    >>> mix = place_sources(torch.ones(1, 1), [20 * math.log10(3)])
    >>> [round(value, 6) for value in mix.flatten().tolist()]
    [1.5, 0.5]
    """
    if len(sources) != len(iids_db):
        raise ValueError(f"{len(sources)} sources, but {len(iids_db)} level differences")
    gains = sources.new_tensor([math.tanh(iid * math.log(10) / 40) for iid in iids_db])
    side = (gains[:, None] * sources).sum(dim=0)
    if room_db > -math.inf:
        copies = [_decorrelated(source, seed) for seed, source in enumerate(sources)]
        side = side + 10 ** (room_db / 20) * torch.stack(copies).sum(dim=0)
    return torch.stack(to_left_right(sources.sum(dim=0), side))


def usual_places(kinds: Sequence[str]) -> list[float]:
    """Level differences in dB of the sources of a song, left over right.

    Args:
        kinds: of the sources, such as "lead", "voice", "drums", "bass" or "object". Those of
            `CENTERED` are in the center, and so is a source alone; others take `SIDES_DB` in turn.

    >>> usual_places(["bass", "drums", "object", "voice", "lead", "object"])
    [0.0, 0.0, 9.0, -9.0, 0.0, 6.0]
    """
    if len(kinds) == 1:
        return [0.0]
    places, others = [], 0
    for kind in kinds:
        centered = kind in CENTERED
        places.append(0.0 if centered else SIDES_DB[others % len(SIDES_DB)])
        others += not centered
    return places


def _decorrelated(source: Float[Tensor, " frames"], seed: int) -> Float[Tensor, " frames"]:
    convolver = StreamingConvolver(allpass_response(seed=seed))
    return torch.cat([convolver.push(source), convolver.finish()])
