"""Where the sources of real music stand: |pan| and diffuseness by kind, through a separator.

    python benchmarks/places_of_music.py --data FOLDER [--songs N] [--write]
    python benchmarks/places_of_music.py --table

Every stereo recording below FOLDER is separated, or N of them. A source owns the bins of the
spectrogram in which it has over 70 % of the power, and is measured there on the recording itself,
in each band of the balance and each segment of six seconds in which it has 1 % of the recording's
mean energy. With E, A and Q the energy of the mid, its product with the side, and the energy of the
side, summed over these bins,

    a = A/E,   pan = 40/ln 10 · artanh a,   β² = Σ (Q − A²/E) / Σ E

β² is taken with the sums in the tiles of the coder, and the diffuseness is β over that of all bins
of the same band and segment. The balance is the level of left over right of the whole recording,
of the one of its bands that leans most, those under −40 dB of its energy left out, and of the worst
octave of its middle, as in row 3 of the fitness table.

With --write the percentiles go into `places.json`, from which the takes of a song draw their
places, and into docs/placement.md; without, they are only printed. --table only writes the tables
of the page that need no measurement.
"""

import argparse
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float
from pages import write_page
from scipy.signal import welch
from torch import Tensor

from soundstage.corpora.layouts import read_excerpt, stereo_tracks
from soundstage.evaluation.complaints.sounds import SECONDS as SONG_SECONDS
from soundstage.evaluation.markdown_tables import markdown
from soundstage.metrics.defects import octave_imbalance
from soundstage.separation import place_prior
from soundstage.separation.place_prior import OFF_CENTER_DB, PERCENTILES
from soundstage.separation.placement import AMOUNTS_DB, DIFFUSENESS
from soundstage.separation.registry import load_separator
from soundstage.separation.separator import Separator, SongSeparator
from soundstage.separation.sound_sources import SoundSources, fit_to_sound
from soundstage.separation.stage_balance import BALANCE_EDGES, band_energies
from soundstage.stereo.encoding import RATE, TRANSFORM, band_sums
from soundstage.upmixing.place_words import PLACE_WORDS, SOURCE_WORDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "placement.md"
STORED = Path(place_prior.__file__).with_name(place_prior.TABLE)
OWNED = 0.7  # share of the power in a bin
LEAST_ENERGY = 0.01  # of the recording's mean energy in the time of a segment
FAINT_BAND = 1e-4  # share of the energy
SEGMENT = 258  # frames, 6 s
SECONDS = 60.0
LIMIT = 0.999  # of a gain: hard panning is 66 dB
LEAST_OUTER = 50  # places off the center
LEAST = 100  # places of a kind; fewer are no distribution


class Measured(NamedTuple):
    """A source in one band and segment of a recording."""

    kind: str
    pan_db: float
    diffuseness: float


def measure_recording(
    stereo: Float[np.ndarray, "2 frames"], separator: Separator | SongSeparator
) -> list[Measured]:
    """The places of the sources of a recording at 44.1 kHz."""
    fitted = fit_to_sound(separator, [stereo], RATE)
    sources = SoundSources(fitted, RATE, 2)
    parts = np.concatenate([sources.push(stereo), sources.finish()], axis=-1)
    left, right = TRANSFORM.analyze(torch.from_numpy(stereo))
    spectra = [TRANSFORM.analyze(torch.from_numpy(each)).mean(dim=0) for each in parts]
    power = torch.stack([_power(spectrum) for spectrum in spectra])
    owned = power > OWNED * power.sum(dim=0)
    return measure_owned([source.kind for source in sources.sources], owned, left, right)


def measure_owned(
    kinds: Sequence[str],
    owned: Bool[Tensor, "sources bins frames"],
    left: Complex[Tensor, "bins frames"],
    right: Complex[Tensor, "bins frames"],
) -> list[Measured]:
    """The places of sources in the bins that they own, in each band and segment."""
    mid, side = (left + right) / 2, (left - right) / 2
    energy, side_energy = _power(mid), _power(side)
    product = side.real * mid.real + side.imag * mid.imag
    sums = torch.stack([energy, product, side_energy])
    frequencies = torch.arange(TRANSFORM.bins) * (RATE / TRANSFORM.frame)
    least = LEAST_ENERGY * float(energy.sum()) * SEGMENT / energy.shape[-1]
    measured = []
    for start in range(0, energy.shape[-1], SEGMENT):
        segment = slice(start, start + SEGMENT)
        for low, high in itertools.pairwise(BALANCE_EDGES):
            band = (frequencies >= low) & (frequencies < high)
            tile = torch.where(band[:, None], sums[:, :, segment], 0.0)
            typical = _diffuse(tile)
            for kind, bins in zip(kinds, owned[:, :, segment], strict=True):
                own = tile * bins
                total, cross, _ = own.sum(dim=(1, 2)).tolist()
                if total <= least:
                    continue
                gain = min(max(cross / total, -LIMIT), LIMIT)
                diffuseness = math.sqrt(_diffuse(own) / max(typical, 1e-12))
                pan_db = 40 / math.log(10) * math.atanh(gain)
                measured.append(Measured(kind, pan_db, diffuseness))
    return measured


def balance(stereo: Float[np.ndarray, "2 frames"]) -> tuple[float, float]:
    """|Level of left over right| of a recording and of its worst audible band, in dB."""
    frequencies, power = welch(stereo, RATE, nperseg=TRANSFORM.frame)
    energies = band_energies(power, frequencies)
    whole = energies.sum(axis=0)
    audible = energies[:, whole > FAINT_BAND * whole.sum()]
    columns = np.column_stack([energies.sum(axis=1), audible]) + 1e-12 * whole.sum()
    levels = np.abs(10 * np.log10(columns[0] / columns[1]))
    return float(levels[0]), float(levels[1:].max())


def middle(stereo: Float[np.ndarray, "2 frames"], seconds: float) -> Float[np.ndarray, "2 excerpt"]:
    """The middle of a recording, or all of a shorter one."""
    length = round(seconds * RATE)
    start = max((stereo.shape[1] - length) // 2, 0)
    return stereo[:, start : start + length]


def _power(spectrogram: Complex[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    return spectrogram.real.square() + spectrogram.imag.square()


def _diffuse(sums: Float[Tensor, "3 bins frames"]) -> float:
    """β²: energy of the side that no gain of the mid explains in its tile, over that of the mid."""
    energy, product, side_energy = band_sums(sums)
    rest = (side_energy - product.square() / energy.clamp(min=1e-12)).clamp(min=0)
    return float(rest.sum() / energy.sum().clamp(min=1e-12))


def summary(measured: Sequence[Measured]) -> dict[str, dict[str, Any]]:
    """The distributions of every kind with enough places."""
    rows: dict[str, dict[str, Any]] = {}
    for kind in sorted({each.kind for each in measured}):
        of_kind = [each for each in measured if each.kind == kind]
        pans = np.array([abs(each.pan_db) for each in of_kind])
        outer = pans[pans > OFF_CENTER_DB]
        if len(of_kind) < LEAST:
            continue
        rows[kind] = {
            "places": len(of_kind),
            "off_center": round(len(outer) / len(of_kind), 3),
            "pan_db": _percentiles(pans),
            "off_center_db": _percentiles(outer) if len(outer) >= LEAST_OUTER else None,
            "diffuseness": _percentiles([each.diffuseness for each in of_kind]),
        }
    return rows


def _percentiles(values: Any) -> list[float]:
    return [round(float(value), 2) for value in np.percentile(values, PERCENTILES)]


def table(content: dict[str, Any]) -> str:
    """The table of the page."""
    rows = [["kind", "places", "", *(f"{each} %" for each in PERCENTILES)]]
    rows.append(["all", str(content["recordings"]), "balance, dB", *_cells(content["balance_db"])])
    rows.append(["", "", "balance of the worst band, dB", *_cells(content["worst_band_db"])])
    rows.append(
        [
            "",
            "",
            f"balance of the worst octave in {SONG_SECONDS:g} s, dB",
            *_cells(content["worst_octave_db"]),
        ]
    )
    for kind, row in content["kinds"].items():
        rows.append([kind, str(row["places"]), "pan, dB", *_cells(row["pan_db"])])
        if row["off_center_db"]:
            share = f"pan of the {100 * row['off_center']:.0f} % off the center, dB"
            rows.append(["", "", share, *_cells(row["off_center_db"])])
        rows.append(["", "", "diffuseness", *_cells(row["diffuseness"])])
    head = (
        f"{content['recordings']} recordings, and the sources of {content['separated']} of them by "
        f"`{content['separator']}`."
    )
    return f"{head}\n\n{markdown(rows)}"


def _cells(values: Sequence[float]) -> list[str]:
    return [f"{value:.2f}" for value in values]


def kinds_table() -> str:
    """Amounts and diffuseness of the rules by kind."""
    rows = [["kind", "pan to either side, dB", "diffuseness"]]
    for kind, diffuseness in DIFFUSENESS.items():
        low, high = AMOUNTS_DB.get(kind, (0.0, 0.0))
        amount = f"{low:g} to {high:g}" if high else "0"
        rows.append([kind, amount, f"{diffuseness:g}"])
    return markdown(rows)


def places_table() -> str:
    """The words for places."""
    rows = [["place", "also", "meaning"]]
    rows += [[name, ", ".join(word.also), word.meaning] for name, word in PLACE_WORDS.items()]
    return markdown(rows, texts=3)


def names_table() -> str:
    """The words for sources, by kind."""
    words: dict[tuple[str, ...], list[str]] = {}
    for word, kinds in SOURCE_WORDS.items():
        words.setdefault(kinds, []).append(word)
    rows = [["name", "also", "kinds of sources"]]
    rows += [[first, ", ".join(also), ", ".join(kinds)] for kinds, (first, *also) in words.items()]
    return markdown(rows, texts=3)


def tables(content: dict[str, Any]) -> dict[str, str]:
    """All tables of the page."""
    return {
        "kinds": kinds_table(),
        "places": places_table(),
        "names": names_table(),
        "music": table(content),
    }


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=None, help="folder of stereo music")
    parser.add_argument("--table", action="store_true", help="only the tables without measurements")
    parser.add_argument("--separator", default="stems")
    parser.add_argument("--weights", default=None, help="of the separator")
    parser.add_argument(
        "--songs", type=int, default=0, help="to separate, evenly spaced; by default all"
    )
    parser.add_argument(
        "--write", action="store_true", help="the table of the package and the page"
    )
    options = parser.parse_args()
    if options.table:
        write_page(PAGE, tables(place_prior.stored_table()))
        return
    if options.data is None:
        parser.error("--data is missing")
    paths, _ = stereo_tracks(options.data)
    step = max(len(paths) // options.songs, 1) if options.songs else 1
    separated = set(paths[::step])
    separator = load_separator(options.separator, weights=options.weights)
    measured: list[Measured] = []
    balances: list[tuple[float, float]] = []
    octaves: list[float] = []
    for path in paths:
        stereo = read_excerpt(path, RATE, SECONDS).astype(np.float32)
        balances.append(balance(stereo))
        octaves.append(octave_imbalance(middle(stereo, SONG_SECONDS), RATE))
        if path in separated:
            found = measure_recording(stereo, separator)
            measured += found
            print(f"{path.stem}: {len(found)} places", flush=True)
    content = {
        "separator": options.separator,
        "recordings": len(paths),
        "separated": len(separated),
        "balance_db": _percentiles([whole for whole, _ in balances]),
        "worst_band_db": _percentiles([worst for _, worst in balances]),
        "worst_octave_db": _percentiles(octaves),
        "kinds": summary(measured),
    }
    print(table(content))
    if options.write:
        STORED.write_text(json.dumps(content) + "\n", encoding="utf-8")
        write_page(PAGE, tables(content))


if __name__ == "__main__":
    main()
