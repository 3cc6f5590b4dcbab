"""Runs systems over a collection and measures what they make.

The collection is folded down; every system turns every clip back into stereo; what comes out is
measured beside the truth. One result of one clip is one file, so that a run that was stopped in any
way goes on where it was, and a system that is added later costs only its own work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio import Audio
from soundstage.corpora import Clip, Corpus, open_corpus
from soundstage.errors import InputError, OptionError, SoundstageError
from soundstage.evaluation.eval_items import load_case
from soundstage.evaluation.measures import Measured, measure
from soundstage.evaluation.results import FLOOR, TRUTH, Results
from soundstage.evaluation.store import Store, in_its_folder
from soundstage.evaluation.summary import (
    clip_columns,
    clip_scores,
    compared,
    mean_figures,
    set_jobs,
    summarize,
)
from soundstage.evaluation.systems import DEFAULT_BASELINES, System, find_systems
from soundstage.metrics.embeddings import Embedding, load_embedding
from soundstage.metrics.loudness import integrated_loudness
from soundstage.parallel import Mapper, parallel_map
from soundstage.stereo import RATE
from soundstage.upmixing import READY_METHODS

EXCERPT_SECONDS = 10
EXCERPT_LUFS = -23.0  # EBU R 128: equally loud, so that the louder one does not win by that alone
LAYOUT = 1  # of the numbers; one more makes older folders be measured again

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EvaluationOptions:
    """What is asked of an evaluation beside its data."""

    methods: tuple[str, ...] = tuple(READY_METHODS)
    baselines: tuple[str, ...] | None = None
    """None: `DEFAULT_BASELINES`, those left aside that the data has no truth for."""
    embeddings: tuple[str, ...] = ("tagger", "bands")
    """For the Fréchet audio distances; see `load_embedding`."""
    split: str | None = None
    """Of a collection that has splits."""
    limit: int = 0
    """How many clips, the first in order of name; 0 for all."""
    seconds: float = 30.0
    """Of the middle of each clip; 0 for all of it."""
    seed: int = 0
    takes: int = 4
    """Results of each method that E_min chooses the best of; the paper takes 128."""
    examples: int = 6
    """Clips with pictures and players in the report."""
    reference_free: bool = False
    """The data is mono: measure what can be said without a truth."""

    def __post_init__(self) -> None:
        if self.seconds < 0 or self.takes < 1 or self.examples < 0 or self.limit < 0:
            raise OptionError("seconds, limit and examples are 0 or more, takes at least 1.")
        if not np.isfinite(self.seconds) or 0 < self.seconds < 1:
            raise OptionError("A clip is measured over a second at least.")

    def systems(self) -> tuple[System, ...]:
        """What is run, in the order of the tables.

        Raises:
            OptionError: a name is unknown, or needs a true stereo that there is not.
        """
        free, baselines = self.reference_free, self.baselines
        if baselines is None:
            kept = (name for name in DEFAULT_BASELINES if not (free and System(name).needs_truth))
            baselines = tuple(kept)
        return find_systems((*baselines, *self.methods), reference_free=free)

    def numbers(self) -> dict[str, object]:
        """All that the numbers of one result depend on."""
        return {
            "layout": LAYOUT,
            "seconds": self.seconds,
            "seed": self.seed,
            "takes": self.takes,
            "embeddings": list(self.embeddings),
            "reference-free": self.reference_free,
        }


@dataclass(frozen=True)
class _Job:
    """All that a process needs to measure one clip."""

    clip: Clip
    systems: tuple[System, ...]
    folder: Path
    options: EvaluationOptions
    excerpts: bool


def evaluate(
    data: Path,
    output: Path,
    options: EvaluationOptions | None = None,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Results:
    """Measure systems on a collection; results that are in `output` already are kept.

    Args:
        data: folder of true stereo (or of mono recordings, where `reference_free`), in any layout
            that `open_corpus` knows.
        output: folder of the evaluation; see `Store`.
        options: what is asked.
        workers: processes.
        overwrite: whether an evaluation with other settings may be replaced.
        progress: told how many results are there, and of how many.

    Raises:
        InputError: the folder holds nothing that can be used.
        OptionError: a name is unknown, or the output holds an evaluation with other settings.
        OutputError: the output cannot be written.
    """
    options = options or EvaluationOptions()
    systems = options.systems()
    for name in options.embeddings:
        load_embedding(name)  # a wrong one is told before hours of work
    corpus = open_corpus(data, split=options.split, channels=1 if options.reference_free else 2)
    clips = corpus.clips[: options.limit or None]
    shown = _examples(clips, options.examples)
    store = Store(output, options.numbers())
    store.open(overwrite=overwrite)
    jobs = _missing(clips, systems, store, shown, options)
    todo = sum(len(job.systems) for job in jobs)
    total = len(clips) * len(systems)
    with parallel_map(workers) as each:
        failed = _measured(jobs, each, total - todo, total, progress)
        clips = tuple(clip for clip in clips if clip.name not in failed)
        if not clips:
            raise InputError(f"{data}: no clip could be measured; {next(iter(failed.values()))}")
        results = _results(corpus, clips, failed, systems, store, options, each)
    excerpts = {
        clip.name: {system.name: store.excerpt_path(clip, system) for system in systems}
        for clip in shown
        if clip.name not in failed
    }
    return replace(results, excerpts=excerpts)


def _missing(
    clips: Sequence[Clip],
    systems: Sequence[System],
    store: Store,
    shown: Sequence[Clip],
    options: EvaluationOptions,
) -> list[_Job]:
    jobs = []
    for clip in clips:
        excerpts = clip in shown
        missing = tuple(
            system
            for system in systems
            if store.read(clip, system) is None
            or (excerpts and not store.excerpt_path(clip, system).exists())
        )
        if missing:
            jobs.append(_Job(clip, missing, store.folder, options, excerpts))
    return jobs


def _examples(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Evenly spread over the list."""
    places = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    return [clips[place] for place in places]


def _measured(
    jobs: Sequence[_Job], each: Mapper, done: int, total: int, progress: Progress | None
) -> dict[str, str]:
    """Every job done; a sentence for every clip that failed, by its name."""
    failed = {}
    if progress:
        progress(done, total)
    for job, failure in zip(jobs, each(_attempt, jobs), strict=True):
        if failure:
            failed[job.clip.name] = failure
        done += len(job.systems)
        if progress:
            progress(done, total)
    return failed


def _attempt(job: _Job) -> str:
    """Why a clip cannot be measured; nothing if it was."""
    try:
        _measure_clip(job)
    except InputError as error:
        return str(error)
    return ""


def _measure_clip(job: _Job) -> None:
    options = job.options
    store = Store(job.folder, options.numbers())
    embeddings = [_embedding(name) for name in options.embeddings]
    case = load_case(job.clip, options.seconds)
    for system in job.systems:
        stereo, measured = measure(
            system,
            case,
            seed=system.seed(job.clip.name, options.seed),
            takes=options.takes,
            embeddings=embeddings,
        )
        if job.excerpts:
            _write_excerpt(store.excerpt_path(job.clip, system), stereo)
        store.write(job.clip, system, measured)


_EMBEDDINGS: dict[str, Embedding] = {}


def _embedding(name: str) -> Embedding:
    """Loaded once a process."""
    if name not in _EMBEDDINGS:
        _EMBEDDINGS[name] = load_embedding(name)
    return _EMBEDDINGS[name]


def _write_excerpt(path: Path, stereo: Float[Tensor, "2 frames"]) -> None:
    """The middle, as loud as every other excerpt unless that would pass full scale."""
    length = EXCERPT_SECONDS * RATE
    start = max((stereo.shape[1] - length) // 2, 0)
    middle = stereo[:, start : start + length]
    loudness = integrated_loudness(middle, RATE)
    gain = 10 ** ((EXCERPT_LUFS - loudness) / 20) if np.isfinite(loudness) else 1.0
    peak = float(middle.abs().max())
    if peak * gain > 1:
        gain = 0.999 / peak
    sound = Audio((gain * middle).numpy(), RATE)
    sound.write(in_its_folder(path), bit_depth=16)


def _results(
    corpus: Corpus,
    clips: Sequence[Clip],
    failed: dict[str, str],
    systems: Sequence[System],
    store: Store,
    options: EvaluationOptions,
    each: Mapper,
) -> Results:
    measures: dict[str, list[Measured]] = {system.name: [] for system in systems}
    for clip in clips:
        for system in systems:
            measured = store.read(clip, system)
            if measured is None:
                raise SoundstageError(
                    f"{store.path(clip, system)} went away while it was needed: run again."
                )
            measures[system.name].append(measured)
    columns = clip_columns(measures)
    scores = clip_scores(measures, columns)
    jobs = set_jobs(measures)
    summaries = summarize(jobs, each) | mean_figures(scores)
    set_columns = list(dict.fromkeys(job.column for job in jobs))
    names = [system.name for system in systems]
    if not options.reference_free:
        names.insert(1, FLOOR)
    return Results(
        title=f"Evaluation of {corpus.folder.resolve().name}",
        settings=_settings(corpus, clips, options),
        systems=names,
        clips=[clip.name for clip in clips],
        columns=set_columns + columns,
        scores=scores,
        summaries=summaries,
        comparisons=compared(scores, columns),
        left_out=(*corpus.skipped, *failed.values()),
    )


def _settings(corpus: Corpus, clips: Sequence[Clip], options: EvaluationOptions) -> dict[str, str]:
    from importlib.metadata import version

    whole = "the whole clip" if not options.seconds else f"the middle {options.seconds:g} s at most"
    return {
        "data": f"{corpus.folder.resolve().name} ({corpus.layout})",
        "clips": str(len(clips)),
        "measured": whole,
        "seed": str(options.seed),
        "takes for E_min": str(options.takes),
        "rate": f"{RATE} Hz",
        "truth": "none (reference-free)" if options.reference_free else TRUTH,
        "excerpts": f"{EXCERPT_SECONDS} s, each at {EXCERPT_LUFS:g} LUFS",
        "version": f"soundstage {version('soundstage')}, torch {torch.__version__}",
    }
