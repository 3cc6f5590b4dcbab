"""What a person would reach for instead: FFmpeg's stereo filters, through PyAV."""

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.errors import OptionError, missing_extra

if TYPE_CHECKING:
    import av

FILTERS = ("haas", "adecorrelate", "stereowiden", "extrastereo")
BLOCK_FRAMES = 65_536


def filter_sound(
    name: str, mono: Float[np.ndarray, " frames"], rate: int, *, seed: int = 0
) -> Float[np.ndarray, "2 frames"]:
    """Stereo out of one filter with its default options, as long as the input.

    Args:
        name: one of `FILTERS`.
        mono: samples.
        rate: in Hz.
        seed: for `adecorrelate`, which draws a new one at every run unless it is told.

    Raises:
        OptionError: there is no such filter, or PyAV is missing.
    """
    if name not in FILTERS:
        raise OptionError(f"There is no filter {name!r}; choose one of {', '.join(FILTERS)}.")
    try:
        import av
    except ModuleNotFoundError as error:
        raise missing_extra("media", "PyAV", f"The filter {name}") from error
    graph = av.filter.Graph()
    options = f"seed={seed}" if name == "adecorrelate" else None
    chain = [
        graph.add_abuffer(
            sample_rate=rate, format="fltp", layout="mono", time_base=Fraction(1, rate)
        ),
        # the filters take two channels; FFmpeg's own conversion would make the mono 3 dB quieter
        graph.add("pan", "stereo|c0=c0|c1=c0"),
        graph.add(name, options),
        graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(*chain).configure()
    made: list[np.ndarray] = []
    for start in range(0, mono.size, BLOCK_FRAMES):
        block = np.ascontiguousarray(mono[None, start : start + BLOCK_FRAMES], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        graph.push(frame)
        made += _drained(graph)
    graph.push(None)
    made += _drained(graph)
    stereo = np.concatenate([np.zeros((2, 0), np.float32), *made], axis=1)[:, : mono.size]
    return np.pad(stereo, ((0, 0), (0, mono.size - stereo.shape[1])))


def _drained(graph: "av.filter.Graph") -> list[np.ndarray]:
    import av

    frames = []
    while True:
        try:
            frames.append(graph.pull().to_ndarray())
        except (av.error.BlockingIOError, av.error.EOFError):
            return frames
