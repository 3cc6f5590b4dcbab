"""Renders the report of an evaluation from the templates and writes it as one file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from soundstage.atomic_files import check_target, write_atomically
from soundstage.audio import Audio
from soundstage.evaluation.report.charts import charts
from soundstage.evaluation.report.html_page import render_page
from soundstage.evaluation.report.pictures import (
    ClipPictures,
    check_matplotlib,
    clip_pictures,
    color_stops,
    density_ticks,
)
from soundstage.evaluation.report.score_tables import Table, clip_table, main_tables, matrices
from soundstage.evaluation.report.series_styles import MARKERS, SeriesStyle, styles_of
from soundstage.evaluation.report.sound import (
    Sound,
    equal_loudness_gains,
    mp3_base64,
    playback_loudness,
    quality_for,
    total_seconds,
)
from soundstage.evaluation.results import TRUTH, Results

PAGE = "page.html.jinja"


@dataclass(frozen=True)
class Excerpt:
    """The section of one clip."""

    name: str
    seconds: float
    pictures: ClipPictures
    sounds: list[Sound]
    scores: Table | None
    """None for a clip without scores."""


def write_report(
    results: Results,
    target: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write the report as one HTML file.

    Args:
        results: of an evaluation; missing values are "–".
        target: HTML file to write.
        overwrite: replace an existing target.
        progress: called with the fraction done, 0 to 1.

    Raises:
        InputError: an excerpt cannot be read.
        OutputError: the target exists, or cannot be written.
        OptionError: jinja2 or matplotlib is not installed.
    """
    check_target(target, overwrite=overwrite)
    check_matplotlib()
    contents = _contents(results, progress or (lambda _: None))
    page = render_page(PAGE, contents, scripts=("tables.js", "player.js"))
    write_atomically(target, page, overwrite=overwrite)
    if progress:
        progress(1.0)


def _contents(results: Results, progress: Callable[[float], None]) -> dict[str, object]:
    """Variables of the template."""
    styles = styles_of(results.systems)
    excerpts = _excerpts(results, styles, progress)
    shown = {excerpt.name for excerpt in excerpts}
    return {
        "results": results,
        "truth": TRUTH if TRUTH in results.systems else "",
        "styles": styles,
        "markers": MARKERS,
        "tables": main_tables(results, styles),
        "matrices": matrices(results, styles),
        "charts": charts(results, styles),
        "excerpts": excerpts,
        "other_clips": [
            clip_table(results, index, styles)
            for index, clip in enumerate(results.clips)
            if clip not in shown
        ],
        "color_stops": color_stops(),
        "density_ticks": density_ticks(),
    }


def _excerpts(
    results: Results, styles: Mapping[str, SeriesStyle], progress: Callable[[float], None]
) -> list[Excerpt]:
    ordered = {clip: _in_order(found, results) for clip, found in results.excerpts.items()}
    present = {clip: found for clip, found in ordered.items() if found}
    total = 2 * sum(map(len, present.values()))  # files, each drawn and encoded
    count = 0

    def done() -> None:
        nonlocal count
        count += 1
        progress(0.99 * count / total)

    clips = {clip: index for index, clip in enumerate(results.clips)}
    sections = []
    pictures = {clip: clip_pictures(found, done=done) for clip, found in present.items()}
    paths = [path for found in present.values() for path in found.values()]
    quality = quality_for(total_seconds(paths))
    for clip, found in present.items():
        encoded, loudness = [], []
        for path in found.values():
            audio = Audio.read(path)
            encoded.append(mp3_base64(audio, quality))
            loudness.append(playback_loudness(audio))
            done()
        gains = equal_loudness_gains(loudness)
        sounds = [
            Sound(styles[system], mp3, gain)
            for system, mp3, gain in zip(found, encoded, gains, strict=True)
        ]
        scores = clip_table(results, clips[clip], styles) if clip in clips else None
        seconds = total_seconds([next(iter(found.values()))])
        sections.append(Excerpt(clip, seconds, pictures[clip], sounds, scores))
    return sections


def _in_order(found: Mapping[str, Path], results: Results) -> dict[str, Path]:
    """Excerpts in the order of the tables, only of their systems."""
    return {system: found[system] for system in results.systems if system in found}
