"""Picture of a generated scene: from above with names and times, and spectrograms of both ears.

Every event has a color. From above, a point is a sound at rest, and a line with arrows a motion,
which begins at the point. Beside it a bar shows when each event sounds. The spectrograms of the
left and the right ear share one color scale; an ambisonic field has those of two cardioids.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.ambisonics.conventions import to_ambix
from soundstage.audio import open_sound
from soundstage.binaural import Source
from soundstage.evaluation.plots.head import draw_head
from soundstage.evaluation.plots.image_analysis import HIGHEST_HZ, LOWEST_HZ, ROWS, ColumnStore
from soundstage.evaluation.plots.plotting import (
    INK,
    LARGE,
    SMALL,
    SPAN_DB,
    Canvas,
    label_hertz,
    row_of,
    shortened,
)
from soundstage.evaluation.plots.top_view import (
    COLORS,
    GROUND,
    draw_arrows,
    draw_walls,
    set_scale,
)
from soundstage.scene import ComposedScene, PlacedEvent
from soundstage.spectra.power_frames import PowerFrames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

HEIGHT = 1250  # pixels, as all that follow
VIEW = (100, 110, 560, 560)  # left, top, width and height of the view from above
TIMES = (760, 110, 480, 560)
LEFT, WIDE, TALL = 100, 1030, 180  # of the spectrograms
TOPS = (780, 1006)  # of the left and the right one
EARS = ("left ear", "right ear")
CARDIOIDS = ("cardioid to the left", "cardioid to the right")
BAR = (1150, 780, 16, 406)
ROOMY = 2.0  # a room whose walls are farther than that many times the sounds is not shown whole
_TITLE, _NAME = 70, 44  # maximum lengths in characters
_POINTS = 400  # of a motion
_LISTED = 12  # events that fit beside the view
_BLOCK = 1 << 16  # frames read at a time


class SceneFigure:
    """A picture of a scene.

    Args:
        target: PNG file, 1280 pixels wide; it appears when it is complete.
        overwrite: whether to replace an existing target.

    Raises:
        OutputError: the target exists and `overwrite` is false, or its folder does not exist.
        OptionError: the target is not a PNG, or matplotlib is missing.
    """

    def __init__(self, target: str | Path, *, overwrite: bool = False) -> None:
        self._canvas = Canvas(target, height=HEIGHT, overwrite=overwrite)

    def draw(
        self, composed: ComposedScene, sound: str | Path, convention: str | None = None
    ) -> None:
        """Draw a scene and write the file.

        Args:
            composed: the scene.
            sound: the file that it was rendered to.
            convention: of its channels, if they are an ambisonic field.

        Raises:
            InputError: the sound cannot be read.
            OutputError: the picture cannot be written.
        """
        canvas = self._canvas
        canvas.text(LEFT, 40, _title(composed.description.text), size=LARGE, bold=True)
        canvas.text(LEFT, 78, _view_words(composed), size=SMALL, faint=True)
        canvas.text(TIMES[0], 78, "when each event sounds", size=SMALL, faint=True)
        _draw_places(canvas.panel(*VIEW), composed)
        powers = ear_powers(sound, convention)
        _draw_times(canvas.panel(*TIMES), composed.events, powers.seconds)
        image = None
        names = EARS if convention is None else CARDIOIDS
        for ear, (name, top) in enumerate(zip(names, TOPS, strict=True)):
            axes = canvas.panel(LEFT, top, WIDE, TALL)
            image = _draw_spectrogram(axes, powers, ear)
            canvas.text(LEFT, top - 16, name, size=SMALL, faint=True)
            if ear:
                axes.set_xlabel("time, s", fontsize=SMALL, color=INK)
            else:
                axes.tick_params(labelbottom=False)
        if image is not None:
            canvas.color_bar(image, canvas.panel(*BAR), "dB of the loudest cell", ends=False)
        canvas.save()


class EarPowers:
    """Power of both ears over log frequency and time.

    Attributes:
        rows: power of each ear, of the loudest cell of both.
        seconds: length of the sound.
        nyquist: half of the sample rate, in Hz.
    """

    def __init__(
        self, rows: Float[np.ndarray, "2 rows columns"], seconds: float, nyquist: float
    ) -> None:
        self.rows, self.seconds, self.nyquist = rows, seconds, nyquist


def ear_powers(sound: str | Path, convention: str | None = None) -> EarPowers:
    """Powers of a file of two channels, in constant memory.

    Args:
        sound: the file.
        convention: of an ambisonic field, of which cardioids to the left and right are taken.

    Raises:
        InputError: the sound cannot be read.
    """
    reader = open_sound(sound)
    frames = [PowerFrames(reader.rate) for _ in range(2)]
    weights = _row_weights(frames[0].frequencies)
    columns, count = ColumnStore(2 * ROWS), 0
    for block in reader.blocks(_BLOCK):
        count += block.shape[1]
        if convention is not None:
            w, y = to_ambix(block, convention)[:2]
            block = np.stack([w + y, w - y]) / 2
        pushed = [each.push(channel) @ weights for each, channel in zip(frames, block, strict=True)]
        columns.push(np.concatenate(pushed, axis=1).T.astype(np.float64))
    means = columns.means()
    if not means.shape[1]:  # shorter than a frame
        means = np.zeros((2 * ROWS, 1))
    powers = means.reshape(2, ROWS, -1) / max(float(means.max()), 1e-12)
    return EarPowers(powers, count / reader.rate, reader.rate / 2)


def _row_weights(frequencies: Float[np.ndarray, " bins"]) -> Float[np.ndarray, "bins rows"]:
    """Linear interpolation of the bins at the middle of each row."""
    middles = np.geomspace(LOWEST_HZ, HIGHEST_HZ, 2 * ROWS + 1)[1::2]
    position = np.interp(middles, frequencies, np.arange(len(frequencies)))
    below = np.minimum(position.astype(int), len(frequencies) - 2)
    weights = np.zeros((len(frequencies), ROWS), np.float32)
    weights[below, np.arange(ROWS)] = 1 - (position - below)
    weights[below + 1, np.arange(ROWS)] = position - below
    return weights


def _draw_spectrogram(axes: "Axes", powers: EarPowers, ear: int) -> "AxesImage":
    image = axes.imshow(
        10 * np.log10(np.maximum(powers.rows[ear], 1e-30)),
        cmap="viridis",
        vmin=-SPAN_DB,
        vmax=0,
        extent=(0, powers.seconds, 0, ROWS),
        origin="lower",
        aspect="auto",
    )
    axes.set_ylim(0, row_of(min(powers.nyquist, HIGHEST_HZ)))
    axes.set_xticks(_time_ticks(powers.seconds))
    label_hertz(axes, "rows", decades=True)
    return image


def _title(text: str) -> str:
    """The sentence, cut at its end."""
    return text if len(text) <= _TITLE else f"{text[: _TITLE - 1].rstrip()}…"


def _view_words(composed: ComposedScene) -> str:
    room = composed.scene.options.room
    if room is None:
        return "from above"
    x, y, z = room.size
    return f"from above, in a room of {x:g} × {y:g} × {z:g} m"


def _draw_places(axes: "Axes", composed: ComposedScene) -> None:
    axes.set_facecolor(GROUND)
    sources = composed.scene.sources
    paths = [_path(source) for source in sources]
    room = composed.scene.options.room
    near = room is not None and bool(np.abs(room.walls[:, :2]).max() < ROOMY * _reach(paths))
    set_scale(axes, paths, room if near else None)
    draw_head(axes)
    if room is not None:
        draw_walls(axes, room)
    colors: dict[str, str] = {}
    copies: dict[str, int] = {}
    for number, event in enumerate(composed.events):
        colors |= dict.fromkeys(event.files, _color(number))
        copies |= dict.fromkeys(event.files, len(event.files))
    widest_first = sorted(
        zip(sources, paths, strict=True), key=lambda each: -copies[each[0].sound.name]
    )
    for source, path in widest_first:
        color = colors[source.sound.name]
        points = np.stack([-path[:, 1], path[:, 0]], axis=1)
        if len(path) > 1:
            axes.plot(*points.T, color=color, linewidth=2.5)
            draw_arrows(axes, points)
        axes.scatter(
            points[:1, 0], points[:1, 1], s=110, facecolors=color, edgecolors=INK, linewidths=1.5
        )


def _draw_times(axes: "Axes", events: Sequence[PlacedEvent], seconds: float) -> None:
    """A bar for each event, with its words above."""
    axes.set_facecolor(GROUND)
    shown = events[:_LISTED]
    for number, event in enumerate(shown):
        axes.barh(
            number, max(event.end - event.start, 0.005 * seconds), left=event.start, height=0.3,
            color=_color(number), edgecolor=INK, linewidth=1,
        )  # fmt: skip
        axes.text(
            0.01 * seconds,
            number - 0.3,
            shortened(event.text, _NAME),
            fontsize=SMALL,
            color=INK,
            va="center",
            parse_math=False,
        )
    if len(events) > len(shown):
        more = f"and {len(events) - len(shown)} more"
        axes.text(0.01 * seconds, len(shown) - 0.2, more, fontsize=SMALL, color=INK)
    axes.set_ylim(max(len(shown), 4) - 0.2, -0.7)
    axes.set_xlim(0, seconds)
    axes.set_xticks(_time_ticks(seconds))
    axes.set_xlabel("time, s", fontsize=SMALL, color=INK)
    axes.grid(axis="x", color="#dcdce2", linewidth=1)
    axes.set_axisbelow(True)


def _path(source: Source) -> Float[np.ndarray, "points 3"]:
    """Positions of a source while it sounds; one point at rest."""
    trajectory = source.trajectory
    if trajectory.is_static:
        return trajectory.positions[:1]
    end = source.end or float(trajectory.times[-1])
    return trajectory.positions_at(np.linspace(source.start, end, _POINTS))


def _reach(paths: Sequence[Float[np.ndarray, "points 3"]]) -> float:
    """Largest horizontal distance, in meters."""
    return max(float(np.linalg.norm(path[:, :2], axis=1).max()) for path in paths)


def _time_ticks(seconds: float) -> list[float]:
    step = next(
        (
            each
            for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600)
            if seconds / each <= 8
        ),
        1200,
    )
    return [float(round(tick, 6)) for tick in np.arange(0, seconds * 1.0001, step)]


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]
