"""Evaluate methods on a collection: measure, then write the tables and the report."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from soundstage.atomic_files import write_atomically
from soundstage.evaluation.export import write_table
from soundstage.evaluation.markdown_tables import (
    results_table,
    significance_lines,
    summary_table,
)
from soundstage.evaluation.own_systems import OwnSystems
from soundstage.evaluation.paper_tables import paper_tables
from soundstage.evaluation.results import Results
from soundstage.evaluation.run import EvaluationOptions, measure_corpus
from soundstage.precision import in_single_precision

if TYPE_CHECKING:
    from soundstage.parallel import Progress

REPORT_SHARE = 0.05  # of the progress


@in_single_precision
def evaluate(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str] = "evaluation",
    *,
    methods: Sequence[str] | None = None,
    baselines: Sequence[str] | None = None,
    systems: OwnSystems = (),
    embeddings: Sequence[str] = ("tagger", "bands"),
    split: str | None = None,
    limit: int = 0,
    seconds: float = 30.0,
    seed: int = 0,
    takes: int = 4,
    examples: int = 6,
    reference_free: bool = False,
    report: bool = True,
    jobs: int = 1,
    device: str = "auto",
    overwrite: bool = False,
    progress: "Progress | None" = None,
) -> Results:
    """Upmix the fold-down of true stereo with several methods and measure the results.

    Writes `table.csv`, `table.parquet`, `tables.md` and `report.html` into the output folder. An
    interrupted run continues where it stopped; an added method costs only its own work.

    Args:
        data: folder of stereo tracks: plain, MUSDB18-HQ, or with a `manifest.csv`.
        output: folder for tables and report.
        methods: names; by default all pretrained methods.
        baselines: "mono", "coder", "coder-mixing", "ffmpeg-haas", "ffmpeg-adecorrelate",
            "ffmpeg-stereowiden" or "ffmpeg-extrastereo"; by default all but "coder-mixing" and
            the last two.
        systems: of your own, beside the methods: names of registered methods, "NAME=FOLDER" for
            results of any program, "path/to/file.py:CLASS", "module:CLASS", or "METHOD=FILE" for
            your own weights; or by name a folder, a class or a function. See docs/own-methods.md.
        embeddings: for the Fréchet audio distance: "tagger", "bands", "vggish=FILE", "panns=FILE",
            "efficientat=FILE" or "clap=FOLDER".
        split: part of the collection, such as "test".
        limit: number of clips, the first by name; 0 for all.
        seconds: length of the excerpt measured, from the middle of each clip; 0 for the whole clip.
        seed: of the methods.
        takes: results per method from which E_min takes the best.
        examples: clips with pictures and players in the report.
        reference_free: the data is mono; use only metrics without a reference.
        report: write `report.html`.
        jobs: number of processes.
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: replace an evaluation with other settings.
        progress: called with the fraction done, 0 to 1.

    Raises:
        InputError: the folder has no usable file.
        OptionError: an option is invalid, the output folder has an evaluation with other settings,
            or a package of the extra `eval` is not installed.
        OutputError: the output cannot be written.
        WeightsError: weights are missing or damaged.
        MethodError: a method of your own cannot be imported, or failed.
    """
    chosen = EvaluationOptions(
        methods=None if methods is None else tuple(methods),
        baselines=None if baselines is None else tuple(baselines),
        own=systems if isinstance(systems, Mapping) else tuple(systems),
        embeddings=tuple(embeddings),
        split=split,
        limit=limit,
        seconds=seconds,
        seed=seed,
        takes=takes,
        examples=examples,
        reference_free=reference_free,
        device=device,
    )
    folder = Path(output)
    results = measure_corpus(
        Path(data),
        folder,
        chosen,
        jobs=jobs,
        overwrite=overwrite,
        progress=_part(progress, 0, 1 - REPORT_SHARE),
    )
    files = [*write_table(results, folder), folder / "tables.md"]
    write_atomically(files[-1], _tables_page(results))
    if report:
        from soundstage.evaluation.report import write_report

        files.append(folder / "report.html")
        write_report(
            results,
            files[-1],
            overwrite=True,
            progress=_part(progress, 1 - REPORT_SHARE, REPORT_SHARE),
        )
    return replace(results, files=tuple(files))


def _tables_page(results: Results) -> str:
    """All values in Markdown, significant differences, and the tables of the papers."""
    keys = [column.key for column in results.columns]
    facts = "\n".join(f"- {name}: {value}" for name, value in results.settings.items())
    parts = [f"# {results.title}", facts, "## At a glance", summary_table(results)]
    parts.append("## All measures")
    parts += [results_table(results, keys[start : start + 6]) for start in range(0, len(keys), 6)]
    differences = significance_lines(results, keys)
    if differences:
        title = "Significant differences over clips (Wilcoxon, Holm-Bonferroni, p < 0.05):"
        parts.append("\n".join([title, "", *differences]))
    if "e_min" in keys:
        parts.append(paper_tables(results))
    return "\n\n".join(parts) + "\n"


def _part(progress: "Progress | None", start: float, share: float) -> Callable[[float], None]:
    """Progress of one part of the work."""
    if progress is None:
        return lambda _: None
    return lambda fraction: progress(start + share * fraction)
