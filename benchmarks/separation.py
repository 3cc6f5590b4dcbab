"""Signal-to-distortion ratio of lead, drums, bass and the rest, and speed of every separator.

    python benchmarks/separation.py FOLDER_OF_STEMS... [--separators stems,hpss] [--write]

Songs are mixed to mono from their stems and separated. Sources of a kind are summed: lead and other
voices, drums, bass, and all others. Each sum is compared with the stems of its kind, beside the
mixture itself. A separator is measured only on what it tells apart: "rest" needs lead, drums and
bass, and "accompaniment", all but the voices, needs a lead. The real-time factor is that of one
thread, the survey of the song included. With --write the tables go into docs/benchmark.md.
"""

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from pages import write_page
from torch import Tensor

from soundstage.corpora import Clip, open_corpus, read_excerpt
from soundstage.errors import OptionError, WeightsError
from soundstage.evaluation.eval_items import stem_kinds
from soundstage.evaluation.markdown_tables import NOTHING, markdown
from soundstage.metrics.separation import median_sdr, sdr, sum_error
from soundstage.separation.registry import SEPARATORS, load_separator
from soundstage.separation.separator import Separator, SongSeparator
from soundstage.separation.sound_sources import SoundSources, fit_to_sound
from soundstage.stereo import RATE

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
MIXTURE = "mixture"
BLOCK = 10 * RATE  # samples
GROUPS = {"lead": "lead", "voice": "lead", "drums": "drums", "bass": "bass"}  # of kinds
REST, ACCOMPANIMENT = "rest", "accompaniment"
NAMES = ("lead", "drums", "bass", REST, ACCOMPANIMENT)
Signals = Mapping[str, Float[Tensor, " frames"]]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="songs as stems, with manifest.csv")
    parser.add_argument("--separators", help="separated by commas; by default all that can load")
    parser.add_argument(
        "--weights", action="append", default=[], metavar="NAME=FILE", help="of a separator"
    )
    parser.add_argument("--seconds", type=float, default=60, help="from the middle; 0 for all")
    parser.add_argument("--limit", type=int, default=0, help="songs of a folder; 0 for all")
    parser.add_argument("--write", action="store_true", help="fill docs/benchmark.md")
    options = parser.parse_args()
    chosen = options.separators.split(",") if options.separators else list(SEPARATORS)
    weights = dict(text.split("=", 1) for text in options.weights)
    separators = {}
    for name in chosen:
        try:
            separators[name] = load_separator(name, weights=weights.get(name), device="cpu")
        except (OptionError, WeightsError) as error:
            if options.separators or name in weights:
                parser.error(str(error))
            print(f"{name} is left out: {error}")
    sections = []
    for folder in options.folders:
        clips = open_corpus(folder).clips[: options.limit or None]
        rows: dict[str, list[list[float]]] = {name: [] for name in (MIXTURE, *separators)}
        for clip in clips:
            mixture, stems = read_song(clip, options.seconds)
            rows[MIXTURE].append([*compare(dict.fromkeys(stems, mixture), stems), np.nan, np.nan])
            for name, separator in separators.items():
                kinds = set(SEPARATORS[name].kinds)
                rows[name].append(measure(separator, kinds, mixture, stems))
            print(clip.name, flush=True)
        part = f"the middle {options.seconds:g} s" if options.seconds else "all"
        count = f"{len(clips)} song{'s' if len(clips) > 1 else ''}"
        title = f"`{folder.resolve().name}`: {count}, {part} of each."
        sections.append(f"{title}\n\n{table(rows)}")
        print(sections[-1], flush=True)
    if options.write:
        write_page(PAGE, {"separation": "\n\n".join(sections)})


def read_song(clip: Clip, seconds: float) -> tuple[Float[Tensor, " frames"], Signals]:
    """The mono mix of all stems, and the sums of the stems of each group that is in it."""
    sounds = [
        torch.from_numpy(read_excerpt(path, RATE, seconds)).mean(dim=0) for path in clip.stems
    ]
    length = min(sound.shape[0] for sound in sounds)
    parts = torch.stack([sound[:length] for sound in sounds])
    return parts.sum(dim=0), grouped(stem_kinds(clip), parts)


def grouped(kinds: Iterable[str], signals: Float[Tensor, "sources frames"]) -> Signals:
    """Sums of the signals of each group that occurs, and of all but the voices if there are any."""
    groups = [GROUPS.get(kind, REST) for kind in kinds]
    sums = {}
    for name in dict.fromkeys(groups):
        sums[name] = signals[[group == name for group in groups]].sum(dim=0)
    others = [group != "lead" for group in groups]
    if any(others) and not all(others):
        sums[ACCOMPANIMENT] = signals[others].sum(dim=0)
    return sums


def measure(
    separator: Separator | SongSeparator,
    kinds: set[str],
    mixture: Float[Tensor, " frames"],
    stems: Signals,
) -> list[float]:
    """SDR of every group, medians and whole, sum error in dB and real-time factor."""
    blocks = [block[None].numpy() for block in mixture.split(BLOCK)]
    started = time.process_time()
    ready = fit_to_sound(separator, blocks, RATE)
    stream = SoundSources(ready, RATE, 1)
    parts = [*(stream.push(block) for block in blocks), stream.finish()]
    spent = time.process_time() - started
    sources = torch.from_numpy(np.concatenate(parts, axis=-1))[:, 0]
    found = dict(grouped([source.kind for source in ready.sources], sources))
    separated = {GROUPS.get(kind, REST) for kind in kinds}
    if not {"lead", "drums", "bass"} <= separated:
        found.pop(REST, None)
    if "lead" not in separated:
        found.pop(ACCOMPANIMENT, None)
    silent = {name: torch.zeros_like(mixture) for name in separated & stems.keys() - {REST}}
    factor = spent * RATE / mixture.shape[0]
    return [*compare({**silent, **found}, stems), sum_error(sources, mixture), factor]


def compare(estimates: Signals, stems: Signals) -> list[float]:
    """Median SDR of every group and then SDR of the whole; NaN for a group not separated."""
    both = [name if name in estimates and name in stems else "" for name in NAMES]
    pairs = [(estimates[name], stems[name]) if name else None for name in both]
    medians = [float(median_sdr(*pair, RATE)) if pair else np.nan for pair in pairs]
    return [*medians, *(float(sdr(*pair)) if pair else np.nan for pair in pairs)]


def table(rows: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Means over songs: the median over seconds and, in brackets, the whole song."""
    lines = [["separator", *NAMES, "sum error, dB", "real-time factor"]]
    for name, songs in rows.items():
        columns = np.array(songs).T
        means = [c[~np.isnan(c)].mean() if not np.isnan(c).all() else np.nan for c in columns]
        medians, wholes = means[: len(NAMES)], means[len(NAMES) : 2 * len(NAMES)]
        cells = [f"{a:.1f} ({b:.1f})" for a, b in zip(medians, wholes, strict=True)]
        cells += [f"{means[-2]:.0f}", f"{means[-1]:.3f}"]
        lines.append([name, *(NOTHING if "nan" in cell else cell for cell in cells)])
    return markdown(lines)


if __name__ == "__main__":
    main()
