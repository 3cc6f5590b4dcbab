"""Places of instruments: contrast, spread, torn, side of the lead and width of every method.

    python benchmarks/places.py FOLDER_OF_STEMS... [--methods masked,placed] [--write]

Songs are mixed to mono from their stems, upmixed as a user gets it, and measured where one stem
dominates (docs/metrics.md, "Places"). The true stereo has lead, drums and bass in the center and
the others at ±9 and ±6 dB. With --write the tables go into docs/benchmark.md.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from pages import write_page

from soundstage.corpora import open_corpus
from soundstage.errors import OptionError, WeightsError
from soundstage.evaluation.eval_items import EvalItem, load_eval_item
from soundstage.evaluation.ffmpeg_filters import FILTERS, filter_sound
from soundstage.evaluation.markdown_tables import NOTHING, markdown
from soundstage.metrics.image import normalized_width
from soundstage.metrics.placement import measure_places, stereo_tiles
from soundstage.stereo import RATE
from soundstage.upmixing import READY_METHODS, Upmixer

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
PREFIX, TRUTH = "ffmpeg-", "true stereo"
Row = Mapping[str, float]
Upmix = Callable[[EvalItem, int], torch.Tensor]

COLUMNS: dict[str, tuple[str, int, Callable[[float], bool]]] = {
    "contrast": ("contrast (≥ 0.5)", 2, lambda value: value >= 0.5),
    "spread": ("spread, dB (≥ 2.5)", 2, lambda value: value >= 2.5),
    "torn": ("torn, dB (≤ 1.5)", 2, lambda value: value <= 1.5),
    "lead": ("side of the lead, dB (≤ −12)", 1, lambda value: value <= -12),
    "width": ("width", 2, lambda _: False),
    "ratio": ("width / true width (0.8 to 1.2)", 2, lambda value: 0.8 <= value <= 1.2),
}
"""Heading, digits and goal of every column."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="songs as stems, with manifest.csv")
    parser.add_argument("--methods", help="separated by commas; by default all, and all filters")
    parser.add_argument("--seconds", type=float, default=60, help="from the middle; 0 for all")
    parser.add_argument("--limit", type=int, default=0, help="songs of a folder; 0 for all")
    parser.add_argument("--seeds", type=int, default=1, help="takes a song, from seed 0 on")
    parser.add_argument("--write", action="store_true", help="fill docs/benchmark.md")
    options = parser.parse_args()
    filters = [PREFIX + name for name in FILTERS]
    names = options.methods.split(",") if options.methods else [*READY_METHODS, *filters]
    systems: dict[str, Upmix] = {TRUTH: true_stereo}
    for name in names:
        try:
            systems[name] = find_system(name)
        except (OptionError, WeightsError) as error:
            if options.methods:
                parser.error(str(error))
            print(f"{name} is left out: {error}")
    sections = []
    for folder in options.folders:
        songs = {}
        for clip in open_corpus(folder).clips[: options.limit or None]:
            item = load_eval_item(clip, options.seconds)
            songs[clip.name] = measure_song(item, systems, options.seeds)
            print(clip.name, flush=True)
        sections.append(section(folder, songs, options.seconds, options.seeds))
        print(sections[-1], flush=True)
    if options.write:
        write_page(PAGE, {"places": "\n\n".join(sections)})


def find_system(name: str) -> Upmix:
    """A method or filter as its user gets it, with default controls."""
    if name.startswith(PREFIX):
        kind = name.removeprefix(PREFIX)
        return lambda item, seed: torch.from_numpy(
            filter_sound(kind, item.mono.numpy(), RATE, seed=seed)
        )
    upmixer = Upmixer.from_pretrained(name)
    return lambda item, seed: torch.tensor(upmixer((item.mono.numpy(), RATE), seed=seed).samples)


def true_stereo(item: EvalItem, _seed: int) -> torch.Tensor:
    """The mix of the stems at their places."""
    assert item.truth is not None
    return item.truth


def measure_song(item: EvalItem, systems: Mapping[str, Upmix], seeds: int) -> dict[str, Row]:
    """All measures of every system, each the mean over its takes."""
    assert item.energies is not None
    true_width = float(normalized_width(true_stereo(item, 0)))
    rows = {}
    for name, upmix in systems.items():
        takes = []
        for seed in range(1 if name == TRUTH else seeds):
            stereo = upmix(item, seed).float()
            places = measure_places(stereo_tiles(stereo, item.energies), item.lead)
            width = float(normalized_width(stereo))
            found = [places.contrast, places.spread, places.torn, places.lead_center]
            takes.append([*found, width, width / true_width])
        rows[name] = dict(zip(COLUMNS, _means(takes), strict=True))
    return rows


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    """Column by column, without NaN; NaN if there is nothing else."""
    return [
        float(np.mean(kept)) if (kept := [x for x in column if not math.isnan(x)]) else math.nan
        for column in zip(*rows, strict=True)
    ]


def section(
    folder: Path, songs: Mapping[str, Mapping[str, Row]], seconds: float, seeds: int
) -> str:
    """Means over the songs of a folder, and the contrast and spread of every song."""
    systems = list(next(iter(songs.values())))
    lines = [["system", *(heading for heading, _, _ in COLUMNS.values())]]
    for system in systems:
        means = _means([list(rows[system].values()) for rows in songs.values()])
        cells = [_cell(key, value) for key, value in zip(COLUMNS, means, strict=True)]
        lines.append([system, *cells])
    each = [["contrast, spread in dB", *songs]]
    for system in systems:
        pairs = [rows[system] for rows in songs.values()]
        each.append([system, *(f"{x['contrast']:.2f}, {x['spread']:.1f}" for x in pairs)])
    part = f"the middle {seconds:g} s" if seconds else "all"
    takes = f", the mean of {seeds} takes" if seeds > 1 else ""
    count = f"{len(songs)} song{'s' if len(songs) > 1 else ''}"
    title = f"`{folder.resolve().name}`: {count}, {part} of each{takes}. ✓ meets a goal."
    return "\n\n".join([title, markdown(lines), "Song by song:", markdown(each)])


def _cell(key: str, value: float) -> str:
    if math.isnan(value):
        return NOTHING
    _, digits, meets = COLUMNS[key]
    return f"{value:.{digits}f}{' ✓' if meets(value) else ''}"


if __name__ == "__main__":
    main()
