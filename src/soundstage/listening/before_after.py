"""The listening page: a sound before and after, in one HTML file beside the results.

A player switches between all versions at the same sample and at equal loudness, with pictures of
their sides and stereo images. A sound that is too long for one page is represented by sections
spread over it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.atomic_files import check_target, write_atomically
from soundstage.audio import Audio, SoundReader, Source, open_sound, resample
from soundstage.errors import InputError, OptionError
from soundstage.evaluation.report.formatting import NOTHING, printed
from soundstage.evaluation.report.html_page import render_page
from soundstage.evaluation.report.pictures import (
    ClipPictures,
    check_matplotlib,
    clip_pictures,
    color_stops,
    density_ticks,
)
from soundstage.evaluation.report.series_styles import MARKERS, styles_of
from soundstage.evaluation.report.sound import (
    RATES,
    Sound,
    equal_loudness_gains,
    longest,
    mp3_base64,
    playback_loudness,
    quality_for,
)
from soundstage.upmixing.report import TakeReport, place_of
from soundstage.upmixing.take_files import TakesResult

BEFORE = "before"
MAX_VERSIONS = 33  # before, and 32 takes
SECTIONS = 4  # of a sound that does not fit as a whole
SHORTEST_SECTION = 8.0  # s
_BLOCK = 1 << 16  # frames read at a time


@dataclass(frozen=True)
class Section:
    """A part of the sound in all versions, with its player and pictures."""

    name: str
    seconds: float
    pictures: ClipPictures
    sounds: list[Sound]


def write_listening_page(
    before: Source,
    after: Mapping[str, Source],
    target: str | Path,
    *,
    title: str,
    facts: Mapping[str, Mapping[str, str]] | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write one self-contained HTML page that plays a sound before and after.

    Args:
        before: the original, of one or two channels: a path, file object, `Audio` or
            (samples, rate).
        after: results of the same length by name, of one or two channels each; at most 32.
        target: HTML file to write.
        title: of the page.
        facts: values by label, for each name in `after`; a table of them stands under the players.
        overwrite: replace an existing target.
        progress: called with the fraction done, 0 to 1.

    Raises:
        InputError: a sound cannot be read, or has more than two channels.
        OptionError: there are no or too many results, a name is "before", or jinja2, matplotlib or
            pyloudnorm is not installed.
        OutputError: the target exists, or cannot be written.
    """
    if not 1 <= len(after) < MAX_VERSIONS:
        raise OptionError(f"A listening page has 1 to {MAX_VERSIONS - 1} results: name some.")
    if BEFORE in after:
        raise OptionError(f"A result cannot have the name {BEFORE!r}, which is the original's.")
    check_page(Path(target), overwrite=overwrite)
    sounds = {name: open_sound(source) for name, source in {BEFORE: before, **after}.items()}
    for sound in sounds.values():
        if sound.channels > 2:
            raise InputError(
                f"{sound.name} has {sound.channels} channels, but the page plays one or two."
            )
    spans, total = _spans(sounds)
    seconds = sum(stop - start for start, stop in spans)
    quality = quality_for(seconds * len(sounds))
    styles = styles_of(list(sounds))
    sections = []
    for number, (start, stop) in enumerate(spans):
        audios = _excerpts(sounds, start, stop)
        gains = equal_loudness_gains([playback_loudness(audio) for audio in audios.values()])
        players = [
            Sound(styles[name], mp3_base64(audio, quality), gain)
            for (name, audio), gain in zip(audios.items(), gains, strict=True)
        ]
        name = "The whole" if len(spans) == 1 else f"{_clock(start)} to {_clock(stop)}"
        length = audios[BEFORE].samples.shape[1] / audios[BEFORE].rate
        pictures = clip_pictures(audios, source=BEFORE)
        sections.append(Section(name, length, pictures, players))
        if progress:
            progress((number + 1) / len(spans))
    labels = list(dict.fromkeys(label for row in (facts or {}).values() for label in row))
    page = render_page(
        "before_after.html.jinja",
        {
            "title": title,
            "total": _clock(total),
            "sections": sections,
            "whole": len(spans) == 1,
            "styles": styles,
            "facts": facts or {},
            "labels": labels,
            "markers": MARKERS,
            "color_stops": color_stops(),
            "density_ticks": density_ticks(),
        },
        scripts=("player.js",),
        package=__package__,
    )
    write_atomically(target, page, overwrite=overwrite)


def write_takes_page(
    source: Source,
    result: TakesResult,
    target: str | Path,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write the listening page of an upmixed or restyled file: the input and all its takes.

    Args:
        source: the input.
        result: of `upmix_to_files` or `restyle_to_files`; the written files are read.
        target: HTML file to write.
        overwrite: replace an existing target.
        progress: called with the fraction done, 0 to 1.

    Raises:
        InputError: a file cannot be read.
        OptionError: jinja2, matplotlib or pyloudnorm is not installed.
        OutputError: the target exists, or cannot be written.
    """
    reports = result.reports
    names = [
        "after" if len(reports) == 1 else f"take {number}, seed {report.seed}"
        for number, report in enumerate(reports, start=1)
    ]
    write_listening_page(
        source,
        {name: Path(report.target) for name, report in zip(names, reports, strict=True)},
        target,
        title=f"{Path(reports[0].source).name}, {reports[0].made}",
        facts={name: _facts(report) for name, report in zip(names, reports, strict=True)},
        overwrite=overwrite,
        progress=progress,
    )


def check_page(target: Path, *, overwrite: bool) -> None:
    """Refuse a page that cannot be written, before any work is done for it.

    Raises:
        OptionError: the target is no HTML file, or a library is not installed.
        OutputError: the target exists, or cannot be written.
    """
    if target.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"A listening page is an HTML file: name it {target.stem}.html.")
    check_target(target, overwrite=overwrite)
    check_matplotlib()


def _facts(report: TakeReport) -> dict[str, str]:
    error = report.fold_down_error_db
    facts = {
        "file": Path(report.target).name,
        "width": printed(report.width, 2),
        "correlation": printed(report.correlation, 2),
        "true peak, dBTP": printed(report.true_peak_db, 1),
        "gain, dB": printed(report.gain_db, 1),
        "error of the mono sum, dB": NOTHING if error is None else printed(error, 1),
    }
    for check in report.codec_checks:
        facts[f"mono sum after {check.codec}, dB"] = printed(check.fold_down_error_db, 1)
    for source in report.plan.sources if report.plan else ():
        facts[source.name] = place_of(source)
    return facts


def _spans(sounds: Mapping[str, SoundReader]) -> tuple[list[tuple[float, float]], float]:
    """Start and end of the sections in seconds, and the length of the shortest version."""
    total = min(_length(sound) for sound in sounds.values())
    room = longest(len(sounds))
    if total <= room:
        return [(0.0, total)], total
    count = max(1, min(SECTIONS, int(room / SHORTEST_SECTION)))
    length = room / count
    # Each in the middle of its share of the sound
    starts = [total * (number + 0.5) / count - length / 2 for number in range(count)]
    return [(start, start + length) for start in starts], total


def _length(sound: SoundReader) -> float:
    if sound.frames is not None:
        return sound.frames / sound.rate
    return sum(block.shape[1] for block in sound.blocks(_BLOCK)) / sound.rate


def _excerpts(sounds: Mapping[str, SoundReader], start: float, stop: float) -> dict[str, Audio]:
    """One section of all versions, with one rate and one length."""
    rates = {sound.rate for sound in sounds.values()}
    rate = rates.pop() if len(rates) == 1 else 48_000
    rate = rate if rate in RATES else 48_000
    read = [resample(_read(s, start, stop), s.rate, rate) for s in sounds.values()]
    length = min(samples.shape[1] for samples in read)
    return {
        name: Audio(samples[:, :length], rate) for name, samples in zip(sounds, read, strict=True)
    }


def _read(sound: SoundReader, start: float, stop: float) -> Float[np.ndarray, "channels frames"]:
    first, last = round(start * sound.rate), round(stop * sound.rate)
    blocks, done = [], first
    for block in sound.blocks(_BLOCK, start=first):
        blocks.append(block[:, : last - done].astype(np.float32))
        done += block.shape[1]
        if done >= last:
            break
    return np.concatenate(blocks, axis=1)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
