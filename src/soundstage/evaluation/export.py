"""The tidy table of an evaluation: one value a row, as CSV and as Parquet."""

import math
from pathlib import Path
from typing import Any

from soundstage.atomic_files import AtomicFile
from soundstage.errors import missing_extra
from soundstage.evaluation.results import Results

NAME = "table"


def tidy_rows(results: Results) -> list[dict[str, object]]:
    """Clip values first, then those of the whole set, whose `clip` is empty.

    `low` and `high` bound the 95 % interval of a figure of the set, and are empty for a clip.
    """
    rows: list[dict[str, object]] = []
    for column in results.columns:
        head = {
            "metric": column.metric.name,
            "signal": column.signal,
            "unit": column.metric.unit,
            "better": column.metric.better,
        }
        for system in results.systems:
            for clip, value in zip(
                results.clips, results.scores.get((system, column.key), ()), strict=False
            ):
                if math.isfinite(value):
                    row = {"clip": clip, "system": system, **head, "value": float(value)}
                    rows.append({**row, "low": None, "high": None})
            summary = results.summaries.get((system, column.key))
            if summary and math.isfinite(summary.value):
                bounds = {name: _finite(getattr(summary, name)) for name in ("low", "high")}
                rows.append(
                    {"clip": "", "system": system, **head, "value": summary.value, **bounds}
                )
    return rows


def write_tidy(results: Results, folder: Path) -> tuple[Path, Path]:
    """Write `table.csv` and `table.parquet` by rename; returns both paths.

    Raises:
        OptionError: pyarrow is missing.
        OutputError: a file cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import csv, parquet
    except ModuleNotFoundError as error:
        raise missing_extra("eval", "pyarrow", "Writing the tables") from error
    text, number = pyarrow.string(), pyarrow.float64()
    schema: Any = pyarrow.schema(
        [(name, text) for name in ("clip", "system", "metric", "signal", "unit", "better")]
        + [(name, number) for name in ("value", "low", "high")]
    )
    table = pyarrow.Table.from_pylist(tidy_rows(results), schema=schema)
    targets = folder / f"{NAME}.csv", folder / f"{NAME}.parquet"
    for target, write in zip(targets, (csv.write_csv, parquet.write_table), strict=True):
        with AtomicFile(target) as temporary:
            write(table, temporary)
    return targets


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
