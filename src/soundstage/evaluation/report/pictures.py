"""What an excerpt looks like: the mid of the input, the side of every system, and goniometers.

Only what is a picture becomes an image; axes and words are drawn by the page, so that they are
sharp at every size and dark where the page is dark. All panels of a clip have the same axes and
colors, and viridis is energy as in `soundstage.evaluation.plots.figures`.
"""

import base64
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter

from soundstage.errors import missing_extra
from soundstage.evaluation.plots.image_analysis import (
    HIGHEST_HZ,
    LOWEST_HZ,
    ROWS,
    Portrait,
    portray,
)
from soundstage.evaluation.plots.plotting import BRIGHTEST, DENSITY_DECADES, SPAN_DB, Span
from soundstage.evaluation.report.formatting import printed, printed_tick, ticks
from soundstage.evaluation.results import TRUTH

QUALITY = 85  # of WebP: some 20 kB a spectrogram, and no blocks to be seen
HERTZ = ((100, "100"), (1000, "1k"), (10_000, "10k"))
STOPS = 12  # of the gradient of a color bar

Tick = tuple[float, str]
"""Place, from 0 to 1 along the axis, and what stands there."""


@dataclass(frozen=True)
class Panel:
    """An image of one system."""

    system: str
    uri: str
    note: str = ""
    """Why there is nothing to see."""


@dataclass(frozen=True)
class ClipPictures:
    """All pictures of one clip."""

    mid: Panel
    mid_of_input: bool
    """Whether the mid is the mono input for certain: that of the truth, or of plain mono."""
    sides: list[Panel]
    goniometers: list[Panel]
    seconds: list[Tick]
    hertz: list[Tick]
    decibels: list[Tick]
    """Along the color bar, re a sine at full scale."""
    border: str
    """Level at the border of the goniometers, such as "−6.0 dBFS"; "" in silence."""


def check_matplotlib() -> None:
    """Raise an `OptionError` where the pictures cannot be made."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_extra("eval", "matplotlib", "The report") from error


def clip_pictures(
    excerpts: Mapping[str, Path], *, done: Callable[[], None] = lambda: None
) -> ClipPictures:
    """Draw the excerpts of a clip.

    Args:
        excerpts: stereo files by system, at least one.
        done: is called after every file.

    Raises:
        InputError: a file cannot be read.
    """
    portraits = {}
    for system, path in excerpts.items():
        portraits[system] = portray(path)
        done()
    span = Span.of(*portraits.values())
    known = [system for system in (TRUTH, "mono") if system in portraits]
    source = (known or list(portraits))[0]
    return ClipPictures(
        mid=_spectrogram(source, portraits[source].mid, span),
        mid_of_input=bool(known),
        sides=[_side(system, portrait, span) for system, portrait in portraits.items()],
        goniometers=[_goniometer(system, p, span) for system, p in portraits.items()],
        seconds=[(t / span.duration, printed_tick(t)) for t in ticks(0, span.duration, most=6)],
        hertz=[(_height(f) / _height(_top(span)), n) for f, n in HERTZ if f <= _top(span)],
        decibels=_decibel_ticks(span),
        border=f"{printed(20 * math.log10(span.radius), 1)} dBFS" if span.radius else "",
    )


def color_stops() -> list[Tick]:
    """Places and colors of the gradient, from the faintest to the loudest."""
    places = np.linspace(0, 1, STOPS)
    return [
        (float(place), "#" + bytes(color).hex())
        for place, color in zip(places, _colored(places[None])[0], strict=True)
    ]


def density_ticks() -> list[Tick]:
    """Of the goniometers' color bar: powers of ten under the densest place."""
    decades = int(DENSITY_DECADES)
    return [(i / decades, printed_tick(i - decades)) for i in range(decades + 1)]


def _decibel_ticks(span: Span) -> list[Tick]:
    levels = np.arange(span.loudest_db, span.faintest_db - 1, -20)
    return [((v - span.faintest_db) / SPAN_DB, printed_tick(float(v))) for v in levels]


def _top(span: Span) -> float:
    """Hz, at the upper border of the spectrograms."""
    return min(span.nyquist, HIGHEST_HZ)


def _height(hertz: float) -> float:
    """Place on the log axis of a portrait, 0 to 1."""
    return math.log(hertz / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ)


def _side(system: str, portrait: Portrait, span: Span) -> Panel:
    panel = _spectrogram(system, portrait.side, span)
    if portrait.analysis.width > 0:
        return panel
    silent = not portrait.goniometer.radius()
    return Panel(system, panel.uri, "silent" if silent else "no side: left and right are equal")


def _spectrogram(system: str, power: Float[np.ndarray, "rows columns"], span: Span) -> Panel:
    rows = round(ROWS * _height(_top(span)))
    level = 10 * np.log10(np.maximum(power[:rows], 1e-30))
    return Panel(system, _image((level - span.faintest_db) / SPAN_DB))


def _goniometer(system: str, portrait: Portrait, span: Span) -> Panel:
    density = gaussian_filter(portrait.goniometer.picture(span.radius), 0.6)
    held = density[density > 0]
    brightest = np.quantile(held, BRIGHTEST) if held.size else 1.0
    decades = np.log10(np.maximum(density / brightest, 1e-30))
    return Panel(system, _image(1 + decades / DENSITY_DECADES), "" if held.size else "silent")


def _colored(values: Float[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows columns 3"]:
    from matplotlib import colormaps

    colors = colormaps["viridis"](np.clip(values, 0, 1))[..., :3]
    return np.round(255 * colors).astype(np.uint8)


def _image(values: Float[np.ndarray, "rows columns"]) -> str:
    """A data URI; 0 is the darkest color, 1 the brightest, and the first row is the lowest."""
    from PIL import Image, features  # matplotlib brings it

    kind = "WEBP" if features.check("webp") else "PNG"
    encoded = io.BytesIO()
    Image.fromarray(_colored(values[::-1])).save(encoded, kind, quality=QUALITY)
    data = base64.b64encode(encoded.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{data}"
