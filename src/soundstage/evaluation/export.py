"""The table of an evaluation in long form, one value per row, as CSV and Parquet.

A spreadsheet takes a cell that begins with one of `FORMULA` for a formula. Names of clips come from
files of others, so in the CSV such a name has an apostrophe in front, which spreadsheets hide.
"""

import math
from pathlib import Path
from typing import Any

from soundstage.atomic_files import AtomicFile
from soundstage.errors import missing_extra
from soundstage.evaluation.results import Results

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table_rows(results: Results) -> list[dict[str, object]]:
    """Rows of clips, then rows of the whole set with an empty `clip`.

    `low` and `high` are the 95 % interval of a value of the set.
    """
    rows: list[dict[str, object]] = []
    for column in results.columns:
        common = {
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
                    row = {"clip": clip, "system": system, **common, "value": float(value)}
                    rows.append({**row, "low": None, "high": None})
            summary = results.summaries.get((system, column.key))
            if summary and math.isfinite(summary.value):
                bounds = {name: _finite(getattr(summary, name)) for name in ("low", "high")}
                rows.append(
                    {"clip": "", "system": system, **common, "value": summary.value, **bounds}
                )
    return rows


def write_table(results: Results, folder: Path) -> tuple[Path, Path]:
    """Write `table.csv` and `table.parquet`; returns both paths.

    Raises:
        OptionError: pyarrow is not installed.
        OutputError: a file cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import csv, parquet
    except ModuleNotFoundError as error:
        raise missing_extra("eval", "pyarrow", "Writing the tables") from error
    text, real = pyarrow.string(), pyarrow.float64()
    schema: Any = pyarrow.schema(
        [(name, text) for name in ("clip", "system", "metric", "signal", "unit", "better")]
        + [(name, real) for name in ("value", "low", "high")]
    )
    rows = table_rows(results)
    targets = folder / "table.csv", folder / "table.parquet"
    with AtomicFile(targets[0]) as temporary:
        safe = [
            {**row, **{name: _as_text(row[name]) for name in ("clip", "system")}} for row in rows
        ]
        csv.write_csv(pyarrow.Table.from_pylist(safe, schema=schema), temporary)
    with AtomicFile(targets[1]) as temporary:
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), temporary)
    return targets


def _as_text(name: object) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if str(name).startswith(FORMULA) else str(name)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
