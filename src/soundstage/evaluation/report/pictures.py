"""Pictures of an excerpt: mid spectrogram of the input, side spectrograms and goniometers.

Images contain only the data; axes and labels are SVG in the page, sharp at every size and adapted
to dark mode. All panels of a clip have the same axes and colors.
"""

import base64
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from soundstage.audio import Source
from soundstage.evaluation.plots.image_analysis import (
    HIGHEST_HZ,
    LOWEST_HZ,
    ROWS,
    ImageAnalysis,
    analyze_image,
)
from soundstage.evaluation.plots.plotting import (
    DENSITY_DECADES,
    SPAN_DB,
    Span,
    goniometer_density,
    import_matplotlib,
)
from soundstage.evaluation.report.formatting import printed, printed_tick, ticks
from soundstage.evaluation.results import TRUTH

QUALITY = 85  # of WebP: about 20 kB per spectrogram, without visible blocks
HERTZ = ((100, "100"), (1000, "1k"), (10_000, "10k"))
STOPS = 12  # of the gradient of a color bar

Tick = tuple[float, str]
"""Position from 0 to 1 along the axis, and label."""


@dataclass(frozen=True)
class Panel:
    """An image of one system."""

    system: str
    uri: str
    note: str = ""
    """Reason for an empty panel."""


@dataclass(frozen=True)
class ClipPictures:
    """All pictures of one clip."""

    mid: Panel
    mid_of_input: bool
    """Whether the mid is that of the truth or of mono, and so the mono input."""
    sides: list[Panel]
    goniometers: list[Panel]
    seconds: list[Tick]
    hertz: list[Tick]
    decibels: list[Tick]
    """Ticks of the color bar, in dB re a sine at full scale."""
    border: str
    """Level at the edge of the goniometers, such as "−6.0 dBFS"; "" in silence."""


def check_matplotlib() -> None:
    """Raise an `OptionError` if matplotlib is not installed."""
    import_matplotlib("The report")


def clip_pictures(
    excerpts: Mapping[str, Source],
    *,
    source: str | None = None,
    done: Callable[[], None] = lambda: None,
) -> ClipPictures:
    """Draw the excerpts of a clip.

    Args:
        excerpts: stereo sounds by system, at least one.
        source: the system whose mid is the mono input; by default the truth or mono, if present.
        done: called after every file.

    Raises:
        InputError: a file cannot be read.
    """
    items = {}
    for system, sound in excerpts.items():
        items[system] = analyze_image(sound)
        done()
    span = Span.of(*items.values())
    known = [system for system in (source, TRUTH, "mono") if system in items]
    shown = known[0] if known else next(iter(items))
    return ClipPictures(
        mid=_spectrogram(shown, items[shown].mid, span),
        mid_of_input=bool(known),
        sides=[_side(system, data, span) for system, data in items.items()],
        goniometers=[_goniometer(system, p, span) for system, p in items.items()],
        seconds=[(t / span.duration, printed_tick(t)) for t in ticks(0, span.duration, most=6)],
        hertz=[(_height(f) / _height(_top(span)), n) for f, n in HERTZ if f <= _top(span)],
        decibels=_decibel_ticks(span),
        border=f"{printed(20 * math.log10(span.radius), 1)} dBFS" if span.radius else "",
    )


def color_stops() -> list[Tick]:
    """Positions and colors of the gradient, from the faintest to the loudest."""
    places = np.linspace(0, 1, STOPS)
    return [
        (float(place), "#" + bytes(color).hex())
        for place, color in zip(places, _colored(places[None])[0], strict=True)
    ]


def density_ticks() -> list[Tick]:
    """Ticks of the goniometer color bar: powers of ten below the densest cell."""
    decades = int(DENSITY_DECADES)
    return [(i / decades, printed_tick(i - decades)) for i in range(decades + 1)]


def _decibel_ticks(span: Span) -> list[Tick]:
    levels = np.arange(span.loudest_db, span.faintest_db - 1, -20)
    return [((v - span.faintest_db) / SPAN_DB, printed_tick(float(v))) for v in levels]


def _top(span: Span) -> float:
    """Upper limit of the spectrograms in Hz."""
    return min(span.nyquist, HIGHEST_HZ)


def _height(hertz: float) -> float:
    """Position on the log frequency axis, 0 to 1."""
    return math.log(hertz / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ)


def _side(system: str, data: ImageAnalysis, span: Span) -> Panel:
    panel = _spectrogram(system, data.side, span)
    if data.analysis.width > 0:
        return panel
    silent = not data.goniometer.radius()
    return Panel(system, panel.uri, "silent" if silent else "no side: left and right are equal")


def _spectrogram(system: str, power: Float[np.ndarray, "rows columns"], span: Span) -> Panel:
    rows = round(ROWS * _height(_top(span)))
    level = 10 * np.log10(np.maximum(power[:rows], 1e-30))
    return Panel(system, _image((level - span.faintest_db) / SPAN_DB))


def _goniometer(system: str, data: ImageAnalysis, span: Span) -> Panel:
    picture = _image(1 + goniometer_density(data, span) / DENSITY_DECADES)
    return Panel(system, picture, "" if data.goniometer.radius() else "silent")


def _colored(values: Float[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows columns 3"]:
    from matplotlib import colormaps

    colors = colormaps["viridis"](np.clip(values, 0, 1))[..., :3]
    return np.round(255 * colors).astype(np.uint8)


def _image(values: Float[np.ndarray, "rows columns"]) -> str:
    """Data URI of an image from 0 (darkest) to 1 (brightest), the first row at the bottom."""
    from PIL import Image, features  # matplotlib brings it

    kind = "WEBP" if features.check("webp") else "PNG"
    encoded = io.BytesIO()
    Image.fromarray(_colored(values[::-1])).save(encoded, kind, quality=QUALITY)
    data = base64.b64encode(encoded.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{data}"
