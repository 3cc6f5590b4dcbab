"""Baselines: the stereo filters of FFmpeg, through PyAV."""

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.errors import OptionError

if TYPE_CHECKING:
    import av

FILTERS = ("haas", "adecorrelate", "stereowiden", "extrastereo")
BLOCK_FRAMES = 65_536


def filter_sound(
    name: str, mono: Float[np.ndarray, " frames"], rate: int, *, seed: int = 0
) -> Float[np.ndarray, "2 frames"]:
    """Apply one filter with its default options; the output has the length of the input.

    Args:
        name: one of `FILTERS`.
        mono: samples.
        rate: sample rate in Hz.
        seed: of `adecorrelate`, which would use a random one otherwise.

    Raises:
        OptionError: the filter is unknown.
    """
    if name not in FILTERS:
        raise OptionError(f"Unknown filter {name!r}; choose one of {', '.join(FILTERS)}.")
    import av

    graph = av.filter.Graph()
    options = f"seed={seed}" if name == "adecorrelate" else None
    chain = [
        graph.add_abuffer(
            sample_rate=rate, format="fltp", layout="mono", time_base=Fraction(1, rate)
        ),
        # two equal channels; the automatic conversion of FFmpeg would attenuate by 3 dB
        graph.add("pan", "stereo|c0=c0|c1=c0"),
        graph.add(name, options),
        graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*chain).configure()
    blocks: list[np.ndarray] = []
    for start in range(0, mono.size, BLOCK_FRAMES):
        block = np.ascontiguousarray(mono[None, start : start + BLOCK_FRAMES], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        graph.push(frame)
        blocks += _pull_all(graph)
    graph.push(None)
    blocks += _pull_all(graph)
    stereo = np.concatenate([np.zeros((2, 0), np.float32), *blocks], axis=1)[:, : mono.size]
    return np.pad(stereo, ((0, 0), (0, mono.size - stereo.shape[1])))


def _pull_all(graph: "av.filter.Graph") -> list[np.ndarray]:
    import av

    frames = []
    while True:
        try:
            frames.append(graph.pull().to_ndarray())
        except (av.error.BlockingIOError, av.error.EOFError):
            return frames
