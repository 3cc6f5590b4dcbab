"""Run all systems over a collection and measure the results.

Every clip is folded down and upmixed by every system; the results are measured against the true
stereo. Each result of a clip is one file: an interrupted run continues where it stopped, and an
added system costs only its own work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio import Audio
from soundstage.corpora import Clip, Corpus, open_corpus
from soundstage.errors import InputError, MethodError, OptionError, SoundstageError, printable
from soundstage.evaluation.eval_items import load_eval_item
from soundstage.evaluation.measures import Measures, measure
from soundstage.evaluation.own_systems import OwnSystems, find_systems
from soundstage.evaluation.result_folders import read_result
from soundstage.evaluation.results import FLOOR, TRUTH, Results
from soundstage.evaluation.store import Store, with_folder
from soundstage.evaluation.summary import (
    clip_columns,
    clip_scores,
    compared,
    mean_values,
    set_jobs,
    summarize,
)
from soundstage.evaluation.systems import DEFAULT_BASELINES, System
from soundstage.metrics.embeddings import Embedding, load_embedding
from soundstage.metrics.loudness import integrated_loudness
from soundstage.parallel import Mapper, Progress, parallel_map, resolve_device
from soundstage.stereo import RATE
from soundstage.upmixing import READY_METHODS

EXCERPT_SECONDS = 10
EXCERPT_LUFS = -23.0  # EBU R 128; equal loudness for a fair comparison
LAYOUT = 2  # version of the stored values; a new one invalidates older folders


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of `evaluate`, which documents them."""

    methods: tuple[str, ...] | None = None
    """None: all pretrained methods."""
    baselines: tuple[str, ...] | None = None
    """None: the `DEFAULT_BASELINES`; with `reference_free`, those without a truth."""
    own: OwnSystems = ()
    """Systems of a user, as `own_systems` describes them."""
    embeddings: tuple[str, ...] = ("tagger", "bands")
    split: str | None = None
    limit: int = 0
    seconds: float = 30.0
    seed: int = 0
    takes: int = 4
    examples: int = 6
    reference_free: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.seconds < 0 or self.takes < 1 or self.examples < 0 or self.limit < 0:
            raise OptionError(
                "`seconds`, `limit` and `examples` must be at least 0, and `takes` at least 1."
            )
        if not np.isfinite(self.seconds) or 0 < self.seconds < 1:
            raise OptionError("`seconds` must be 0 or at least 1.")

    def systems(self) -> tuple[System, ...]:
        """The systems, in the order of the tables.

        Raises:
            OptionError: a name is unknown, or requires true stereo with `reference_free`.
            MethodError: a method of a user cannot be imported or made.
        """
        free, baselines = self.reference_free, self.baselines
        if baselines is None:
            kept = (name for name in DEFAULT_BASELINES if not (free and System(name).needs_truth))
            baselines = tuple(kept)
        methods = tuple(READY_METHODS) if self.methods is None else self.methods
        return find_systems((*baselines, *methods), own=self.own, reference_free=free)

    def settings(self) -> dict[str, object]:
        """All settings that the values of one result depend on."""
        device = resolve_device(self.device).type
        return {
            "layout": LAYOUT,
            "seconds": self.seconds,
            "seed": self.seed,
            "takes": self.takes,
            "embeddings": list(self.embeddings),
            "reference-free": self.reference_free,
        } | ({} if device == "cpu" else {"device": device})


@dataclass(frozen=True)
class _Job:
    """The systems to run on one clip."""

    clip: Clip
    systems: tuple[System, ...]
    folder: Path
    options: EvaluationOptions
    excerpts: bool


def measure_corpus(
    data: Path,
    output: Path,
    options: EvaluationOptions,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Results:
    """Measure all systems on a collection; results already in `output` are kept.

    Args:
        data: folder in a layout known to `open_corpus`: true stereo, or mono recordings with
            `reference_free`.
        output: folder of the evaluation; see `Store`.
        options: methods, metrics and settings.
        jobs: number of processes.
        overwrite: replace an evaluation with other settings.
        progress: called with the fraction of finished results.

    Raises:
        InputError: the folder has no usable file.
        OptionError: a name is unknown, or the output has an evaluation with other settings.
        OutputError: the output cannot be written.
        MethodError: a method of a user failed.
    """
    systems = options.systems()
    for name in options.embeddings:
        load_embedding(name)  # to report unusable ones early
    corpus = open_corpus(data, split=options.split, channels=1 if options.reference_free else 2)
    clips = tuple(
        replace(clip, name=printable(clip.name)) for clip in corpus.clips[: options.limit or None]
    )
    systems = tuple(system.with_results(clips) for system in systems)
    examples = _examples(clips, options.examples)
    store = Store(output, options.settings())
    store.open(overwrite=overwrite)
    missing = _missing(clips, systems, store, examples, options)
    with parallel_map(jobs) as each:
        failed = _run_jobs(missing, each, len(clips) * len(systems), progress)
        clips = tuple(clip for clip in clips if clip.name not in failed)
        if not clips:
            raise InputError(f"{data}: no clip could be measured; {next(iter(failed.values()))}")
        results = _results(corpus, clips, failed, systems, store, options, each)
    excerpts = {
        clip.name: {system.name: store.excerpt_path(clip, system) for system in systems}
        for clip in examples
        if clip.name not in failed
    }
    return replace(results, excerpts=excerpts)


def _missing(
    clips: Sequence[Clip],
    systems: Sequence[System],
    store: Store,
    examples: Sequence[Clip],
    options: EvaluationOptions,
) -> list[_Job]:
    jobs = []
    for clip in clips:
        excerpts = clip in examples
        missing = tuple(
            system
            for system in systems
            if store.read(clip, system) is None
            or (excerpts and not store.excerpt_path(clip, system).exists())
        )
        if missing:
            missing = tuple(system.for_clip(clip) for system in missing)
            jobs.append(_Job(clip, missing, store.folder, replace(options, own=()), excerpts))
    return jobs


def _examples(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Clips evenly spread over the list."""
    places = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    return [clips[place] for place in places]


def _run_jobs(
    jobs: Sequence[_Job], each: Mapper, total: int, progress: Progress | None
) -> dict[str, str]:
    """Run all jobs; returns an error message for each failed clip, by its name."""
    failed = {}
    done = total - sum(len(job.systems) for job in jobs)
    if progress:
        progress(done / total)
    for job, failure in zip(jobs, each(_attempt, jobs), strict=True):
        if failure:
            failed[job.clip.name] = failure
        done += len(job.systems)
        if progress:
            progress(done / total)
    return failed


def _attempt(job: _Job) -> str:
    """Measure a clip; returns an error message, or ""."""
    try:
        _measure_clip(job)
    except InputError as error:
        return str(error)
    return ""


def _measure_clip(job: _Job) -> None:
    options = job.options
    store = Store(job.folder, options.settings())
    embeddings = [_embedding(name) for name in options.embeddings]
    item = load_eval_item(job.clip, options.seconds)
    for system in job.systems:
        made = None
        if path := system.results.get(job.clip.name):
            made = read_result(path, job.clip, options.seconds, item.mono.shape[0])
        try:
            stereo, measures = measure(
                system,
                item,
                made=made,
                seed=system.seed(job.clip.name, options.seed),
                takes=options.takes,
                embeddings=embeddings,
                device=options.device,
            )
        except MethodError as error:
            raise MethodError(f"{job.clip.name}: {error}") from error
        if job.excerpts:
            _write_excerpt(store.excerpt_path(job.clip, system), stereo)
        store.write(job.clip, system, measures)


@cache
def _embedding(name: str) -> Embedding:
    """Loaded once per process."""
    return load_embedding(name)


def _write_excerpt(path: Path, stereo: Float[Tensor, "2 frames"]) -> None:
    """Write the middle, normalized in loudness as far as full scale permits."""
    length = EXCERPT_SECONDS * RATE
    start = max((stereo.shape[1] - length) // 2, 0)
    middle = stereo[:, start : start + length]
    loudness = integrated_loudness(middle, RATE)
    gain = 10 ** ((EXCERPT_LUFS - loudness) / 20) if np.isfinite(loudness) else 1.0
    peak = float(middle.abs().max())
    if peak * gain > 1:
        gain = 0.999 / peak
    sound = Audio((gain * middle).numpy(), RATE)
    sound.write(with_folder(path), bit_depth=16)


def _results(
    corpus: Corpus,
    clips: Sequence[Clip],
    failed: dict[str, str],
    systems: Sequence[System],
    store: Store,
    options: EvaluationOptions,
    each: Mapper,
) -> Results:
    measures: dict[str, list[Measures]] = {system.name: [] for system in systems}
    for clip in clips:
        for system in systems:
            stored = store.read(clip, system)
            if stored is None:
                raise SoundstageError(
                    f"{store.path(clip, system)} was removed during the run: run again."
                )
            measures[system.name].append(stored)
    columns = clip_columns(measures)
    scores = clip_scores(measures, columns)
    jobs = set_jobs(measures)
    summaries = summarize(jobs, each) | mean_values(scores)
    set_columns = list(dict.fromkeys(job.column for job in jobs))
    names = [system.name for system in systems]
    if not options.reference_free:
        names.insert(1, FLOOR)
    return Results(
        title=f"Evaluation of {printable(corpus.folder.resolve().name)}",
        settings=_settings(corpus, clips, options),
        systems=names,
        clips=[clip.name for clip in clips],
        columns=set_columns + columns,
        scores=scores,
        summaries=summaries,
        comparisons=compared(scores, columns),
        skipped=(*corpus.skipped, *failed.values()),
    )


def _settings(corpus: Corpus, clips: Sequence[Clip], options: EvaluationOptions) -> dict[str, str]:
    from importlib.metadata import version

    measured = f"the middle {options.seconds:g} s at most" if options.seconds else "the whole clip"
    return {
        "data": f"{printable(corpus.folder.resolve().name)} ({corpus.layout})",
        "clips": str(len(clips)),
        "measured": measured,
        "seed": str(options.seed),
        "takes for E_min": str(options.takes),
        "rate": f"{RATE} Hz",
        "truth": "none (reference-free)" if options.reference_free else TRUTH,
        "excerpts": f"{EXCERPT_SECONDS} s, each at {EXCERPT_LUFS:g} LUFS",
        "version": f"soundstage {version('soundstage')}, torch {torch.__version__}",
    }
