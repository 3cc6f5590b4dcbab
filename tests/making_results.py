"""A small evaluation with everything in it, made in a second."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, sosfilt
from scipy.stats import wilcoxon

from sounds import RATE, noise, stereo_scene
from soundstage.evaluation.results import TRUTH, Comparison, Estimate, Results
from soundstage.metrics.catalog import (
    CLIP_METRICS,
    SET_METRICS,
    Column,
    Metric,
    frechet_audio_metrics,
)

NASTY = "</script><b>\"&'$x$"  # a name that HTML, SVG or JavaScript might choke on
SYSTEMS = (TRUTH, "mono", "nearest", NASTY)
CENTERS = {"lower": 2.0, "higher": 8.0, "truth": 0.7, "neither": -1.0}
WIDTHS = {TRUTH: 1.0, "mono": 0.0, "nearest": 0.6, NASTY: 1.4}


def columns_of(metrics: Sequence[Metric]) -> list[Column]:
    return [Column(metric, signal) for metric in metrics for signal in metric.signals]


def all_columns() -> list[Column]:
    return columns_of([*SET_METRICS, *CLIP_METRICS, *frechet_audio_metrics("tagger")])


def make_results(
    folder: Path | None = None,
    *,
    systems: Sequence[str] = SYSTEMS,
    columns: Sequence[Column] | None = None,
    clips: int = 7,
    excerpts: int = 2,
    seconds: float = 3.0,
) -> Results:
    """Results with made-up scores that differ by system, and real sound in `folder`."""
    columns = all_columns() if columns is None else columns
    names = [f"clip {i}" for i in range(clips - 1)] + [f"song & {NASTY}.flac"]
    scores = {
        (system, column.key): _scores(row, system, column, clips)
        for row, system in enumerate(systems)
        for column in columns
        if column.metric.over == "clip"
    }
    rng = np.random.default_rng(1)
    summaries = {key: _estimate(values, rng) for key, values in scores.items()}
    for row, system in enumerate(systems):
        for column in columns:
            if column.metric.over == "set":
                summaries[system, column.key] = Estimate(1.5 * row, 1.4 * row, 1.7 * row)
    shown = names[-excerpts:] if excerpts else []
    return Results(
        title=f"Seven clips {NASTY}",
        settings={"data": f"made up {NASTY}", "seed": "0"},
        systems=systems,
        clips=names,
        columns=columns,
        scores=scores,
        summaries=summaries,
        comparisons=_comparisons(systems, columns, scores),
        excerpts={
            clip: _sounds(folder, i, systems, seconds) for i, clip in enumerate(shown) if folder
        },
        skipped=[f"broken {NASTY}.wav holds no sound."],
    )


def _scores(row: int, system: str, column: Column, clips: int) -> np.ndarray:
    better = column.metric.better
    if system == TRUTH and column.metric.needs != "nothing" and better != "truth":
        return np.full(clips, 0.0 if better == "lower" else np.inf)
    rng = np.random.default_rng([row, sum(column.key.encode())])
    values = CENTERS[better] + 0.4 * row + 0.5 * rng.standard_normal(clips)
    if system == "mono" and column.key in {"si_snr_side", "e_min"}:
        values[:] = np.nan
    if column.key == "iid_fluctuation" and row == 2:
        values[0] = np.nan
    return values


def _estimate(values: np.ndarray, rng: np.random.Generator) -> Estimate:
    values = values[~np.isnan(values)]
    if not values.size:
        return Estimate(np.nan)
    if not np.isfinite(values).all():
        return Estimate(float(values.mean()))
    means = values[rng.integers(len(values), size=(500, len(values)))].mean(axis=1)
    return Estimate(float(values.mean()), *np.quantile(means, (0.025, 0.975)).tolist())


def _comparisons(systems, columns, scores) -> list[Comparison]:
    found = []
    for column in columns:
        if column.metric.over == "set":
            continue
        tests = []
        for first, second in combinations([s for s in systems if s != TRUTH], 2):
            one, other = scores[first, column.key], scores[second, column.key]
            both = np.isfinite(one) & np.isfinite(other)
            if both.sum() < 2:
                continue
            p = float(wilcoxon(one[both], other[both]).pvalue)
            lower = bool(np.median(one[both] - other[both]) < 0)
            ahead = first if lower == (column.metric.better != "higher") else second
            tests.append((p, first, second, ahead, int(both.sum())))
        held = 0.0
        for rank, (p, first, second, ahead, count) in enumerate(sorted(tests)):
            held = max(held, min(1.0, p * (len(tests) - rank)))
            better = ahead if held < 0.05 else ""
            found.append(Comparison(column.key, first, second, held, better, count))
    return found


def _sounds(folder: Path, clip: int, systems: Sequence[str], seconds: float) -> dict[str, Path]:
    dull = butter(2, 4000, fs=RATE, output="sos")  # music has little above; MP3 leaves it out
    left, right = sosfilt(dull, stereo_scene(round(seconds * RATE), seed=clip).numpy())
    mid, side = (left + right) / 2, (left - right) / 2
    breath = 1 + 0.5 * np.sin(np.arange(len(mid)) * 2 * np.pi * 1.5 / RATE)
    paths = {}
    for row, system in enumerate(systems):
        extra = sosfilt(dull, noise(len(mid), seed=10 * clip + row, level=0.02).numpy()) * breath
        wanted = WIDTHS.get(system, 1.0)
        made = wanted * side + (extra if wanted not in (0, 1) else 0)
        path = folder / f"excerpt-{clip}-{row}.flac"
        soundfile.write(path, np.stack([mid + made, mid - made], axis=1), RATE, "PCM_24")
        paths[system] = path
    return paths
