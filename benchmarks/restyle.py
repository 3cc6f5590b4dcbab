"""Hard-panned mixes of the 1960s, made from stems, restyled and measured; and modern stereo.

    python benchmarks/restyle.py FOLDER_OF_STEMS... [--modern FOLDER] [--mixes 20] [--write]

The songs of the first folder are mixed in all three styles of `soundstage.corpora.hard_panned`, the
others in one each, with a plate, a lag, a level and hiss. Since all stems are known, the level of
each of them in each ear follows by least squares. The artifact is held against that of `upmix` on
the same mono sum. Modern pieces must stay as they are. With --write the tables go into
docs/restyle.md.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from pages import write_page

from soundstage import restyle
from soundstage.audio import Audio, open_sound
from soundstage.corpora import Clip, open_corpus, read_excerpt
from soundstage.corpora.hard_panned import STYLES, HardPanned, Style, hard_pan
from soundstage.corpora.placed_mixes import ROOM_DB, place_sources, usual_places
from soundstage.evaluation.eval_items import stem_kinds
from soundstage.evaluation.markdown_tables import NOTHING, markdown
from soundstage.metrics.artifacts import artifact
from soundstage.metrics.ear_levels import ear_levels
from soundstage.metrics.image import normalized_width
from soundstage.restyling.corrections import Corrections, corrected_blocks
from soundstage.restyling.options import RestyleOptions
from soundstage.restyling.pan_histogram import pan_histogram
from soundstage.restyling.song import survey_song
from soundstage.stereo import RATE, encode_signal
from soundstage.upmixing import Upmixer

PAGE = Path(__file__).parents[1] / "docs" / "restyle.md"
FAULTS = ((4.3, -0.8), (-2.7, 1.3), (0.0, 0.0), (11.6, 0.5), (-0.8, -1.9))  # samples, dB; in turn
PLATE_DB, HISS_DB = -3.0, -55.0
PEAK = 0.7
LOUD_DB = -25.0  # of a stem under the mix, from which it counts
EMPTY = 0.1  # share of a band at the center, below which its center is empty
COLUMNS: dict[str, tuple[str, int, Callable[[float], bool] | None]] = {
    "ear": ("weaker ear of a stem, dB (≥ −12)", 1, lambda value: value >= -12),
    "center": ("center of the emptiest band (≥ 0.1)", 2, lambda value: value >= EMPTY),
    "hard": ("hard-panned after", 2, None),
    "lead": ("lead off center, dB (≤ 1)", 2, lambda value: value <= 1),
    "sum": ("mono sum, dB (≤ −120)", 0, lambda value: value <= -120),
    "artifact": ("artifact, dB (≤ that of `upmix`)", 2, None),
    "upmix": ("artifact of `upmix`, dB", 2, None),
    "width": ("width", 2, None),
    "factor": ("of real time (≤ 0.2)", 2, lambda value: value <= 0.2),
}
"""Heading, digits and goal of every column."""
WORST = {"ear": min, "center": min, "hard": max, "lead": max, "sum": max, "factor": max}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="songs as stems, with manifest.csv")
    parser.add_argument("--modern", type=Path, help="folder of modern stereo music")
    parser.add_argument("--mixes", type=int, default=20)
    parser.add_argument("--pieces", type=int, default=12, help="of modern music")
    parser.add_argument("--seconds", type=float, default=40, help="from the middle of a song")
    parser.add_argument("--no-upmix", action="store_true", help="leave `upmix` out")
    parser.add_argument("--write", action="store_true", help="fill docs/restyle.md")
    options = parser.parse_args()
    upmixer = None if options.no_upmix else Upmixer.from_pretrained()
    first, *others = (open_corpus(folder).clips for folder in options.folders)
    pairs: list[tuple[Clip, Style]] = [(clip, style) for style in STYLES for clip in first]
    further = [clip for clips in others for clip in clips]
    pairs += [(clip, STYLES[number % 3]) for number, clip in enumerate(further)]
    rows: list[dict[str, float | str]] = []
    for number, (clip, style) in enumerate(pairs[: options.mixes]):
        stems = np.stack(_equally_long([_mono(path, options.seconds) for path in clip.stems]))
        lag, gain_db = FAULTS[number % len(FAULTS)]
        mix = hard_pan(
            stems,
            stem_kinds(clip),
            style,
            rate=RATE,
            mirrored=number % 2 == 1,
            plate_db=PLATE_DB,
            lag=lag,
            gain_db=gain_db,
            hiss_db=HISS_DB,
            seed=number,
        )
        row = measure_mix(mix, upmixer)
        rows.append({"mix": f"{clip.name}, {style}", **row})
        print({key: round(x, 3) if isinstance(x, float) else x for key, x in rows[-1].items()})
    tables = {"mixes": mix_table(rows)}
    if options.modern:
        tables["modern"] = modern_table(options.modern, options.pieces, options.seconds)
    for table in tables.values():
        print(table, flush=True)
    if options.write:
        write_page(PAGE, tables)


def measure_mix(mix: HardPanned, upmixer: Upmixer | None) -> dict[str, float | str]:
    """All columns of one mix."""
    scale = PEAK / float(np.abs(mix.stereo).max())
    stereo, stems = mix.stereo * scale, torch.from_numpy(mix.stems * scale).float()
    sound = Audio(stereo, RATE)
    started = time.perf_counter()
    result = torch.tensor(restyle(sound).samples)
    factor = (time.perf_counter() - started) * RATE / stereo.shape[1]
    with open_sound(sound) as reader:
        song = survey_song(reader, [0], RestyleOptions())
    corrected = np.concatenate([*corrected_blocks([stereo], song.corrections)], axis=1)
    mono = torch.from_numpy(corrected.mean(axis=0))
    error = result.double().mean(dim=0) - torch.from_numpy(corrected.astype(float)).mean(dim=0)
    levels = ear_levels(result, stems)
    loud = [
        k for k, stem in enumerate(stems)
        if 10 * math.log10(float(stem.square().mean() / mono.square().mean()) + 1e-12) > LOUD_DB
    ]  # fmt: skip
    leads = [k for k in loud if mix.kinds[k] == "lead"]
    places = usual_places(mix.kinds)
    truth = place_sources(stems, places, room_db=ROOM_DB)
    histogram = pan_histogram([result])
    return {
        "ear": min(-abs(levels[k]) for k in loud),
        "center": histogram.emptiest_center,
        "hard": histogram.hard_left + histogram.hard_right,
        "lead": max((abs(levels[k]) for k in leads), default=math.nan),
        "sum": 10 * math.log10(float(error.square().mean() / mono.square().mean()) + 1e-30),
        "artifact": float(artifact(result, mono, truth, RATE)),
        "upmix": _upmix_artifact(upmixer, mono, truth),
        "width": float(normalized_width(result)),
        "factor": factor,
        "errors": _errors(song.corrections, mix),
    }


def mix_table(rows: Sequence[dict[str, float | str]]) -> str:
    """A row a mix, then the worst and the mean."""
    lines = [["mix", *(heading for heading, _, _ in COLUMNS.values()), "lag and balance"]]
    for row in rows:
        cells = [_cell(key, row[key]) for key in COLUMNS]
        if float(row["artifact"]) <= float(row["upmix"]):
            cells[list(COLUMNS).index("artifact")] += " ✓"
        lines.append([str(row["mix"]), *cells, str(row["errors"])])
    values = {key: [float(row[key]) for row in rows] for key in COLUMNS}
    kept = {key: [x for x in column if not math.isnan(x)] for key, column in values.items()}
    lines.append(
        ["**worst**"]
        + [_cell(key, WORST[key](kept[key])) if key in WORST else NOTHING for key in COLUMNS]
        + [NOTHING]
    )
    means = [_cell(key, float(np.mean(kept[key])) if kept[key] else math.nan) for key in COLUMNS]
    lines.append(["**mean**", *means, NOTHING])
    return f"{len(rows)} mixes. ✓ meets a goal.\n\n{markdown(lines)}"


def modern_table(folder: Path, pieces: int, seconds: float) -> str:
    """How much modern stereo changes at the default amount."""
    lines = [["piece", "hard-panned", "IID error, dB (≤ 0.5)", "told"]]
    errors = []
    for clip in open_corpus(folder).clips[:pieces]:
        assert clip.mix is not None
        samples = read_excerpt(clip.mix, RATE, seconds)
        sound = Audio(samples, RATE)
        result = torch.tensor(restyle(sound).samples)
        with open_sound(sound) as reader:
            song = survey_song(reader, [0], RestyleOptions())
        errors.append(iid_error(result, torch.from_numpy(samples)))
        histogram = song.stage.histogram
        hard = f"{histogram.hard_left + histogram.hard_right:.2f}"
        met = " ✓" if errors[-1] <= 0.5 else ""
        told = f"{song.stage.describe()}; {song.corrections.describe()}"
        lines.append([clip.name, hard, f"{errors[-1]:.2f}{met}", told])
        print(lines[-1], flush=True)
    title = f"{len(errors)} modern pieces: IID error {np.mean(errors):.2f} dB on average."
    return f"{title}\n\n{markdown(lines)}"


def iid_error(result: torch.Tensor, source: torch.Tensor) -> float:
    """Mean |difference| of the IID of all tiles that sound, within ±20 dB."""
    made, own = encode_signal(result).iid, encode_signal(source).iid
    difference = (made.clamp(-20, 20) - own.clamp(-20, 20)).abs()
    return float(difference[torch.isfinite(difference)].mean())


def _errors(found: Corrections, mix: HardPanned) -> str:
    """Deviation of what was found from what was made."""
    if found.lag is None and found.gain_db is None:
        return "not measurable"
    parts = []
    for name, unit, value, true, limit in (
        ("lag", "samples", found.lag, mix.lag, 0.1),
        ("level", "dB", found.gain_db, mix.gain_db, 0.2),
    ):
        if value is None:
            parts.append(f"{name} not measurable")
        else:
            met = " ✓" if abs(value - true) <= limit else ""
            parts.append(f"{name} {value - true:+.2f} {unit}{met}")
    return ", ".join(parts)


def _upmix_artifact(upmixer: Upmixer | None, mono: torch.Tensor, truth: torch.Tensor) -> float:
    if upmixer is None:
        return math.nan
    stereo = torch.tensor(upmixer((mono.numpy(), RATE)).samples)
    return float(artifact(stereo, mono, truth, RATE))


def _mono(path: Path, seconds: float) -> Float[np.ndarray, " frames"]:
    return np.asarray(read_excerpt(path, RATE, seconds)).mean(axis=0)


def _equally_long(signals: Sequence[np.ndarray]) -> list[np.ndarray]:
    length = min(signal.size for signal in signals)
    return [signal[:length] for signal in signals]


def _cell(key: str, value: float | str) -> str:
    if isinstance(value, str) or math.isnan(value):
        return NOTHING
    _, digits, meets = COLUMNS[key]
    return f"{value:.{digits}f}{' ✓' if meets and meets(value) else ''}"


if __name__ == "__main__":
    main()
