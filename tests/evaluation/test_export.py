"""The exported table: one value per row, the same in both files."""

import math
from csv import reader
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from making_results import make_results
from soundstage.errors import OutputError
from soundstage.evaluation.export import table_rows, write_table


def test_every_finite_value_has_one_row() -> None:
    results = make_results()
    rows = table_rows(results)
    of_clips = [row for row in rows if row["clip"]]
    finite = sum(np.isfinite(values).sum() for values in results.scores.values())
    assert len(of_clips) == finite
    places = {(row["clip"], row["system"], row["metric"], row["signal"]) for row in of_clips}
    assert len(places) == len(of_clips)
    of_sets = [row for row in rows if not row["clip"]]
    assert len(of_sets) == sum(math.isfinite(one.value) for one in results.summaries.values())


def test_both_files_have_the_same_rows(tmp_path: Path) -> None:
    results = make_results()
    csv, parquet = write_table(results, tmp_path)
    table = pyarrow.parquet.read_table(parquet)
    assert table.to_pylist() == table_rows(results)
    text = pyarrow.csv.read_csv(
        csv, convert_options=pyarrow.csv.ConvertOptions(column_types=table.schema)
    )
    assert text["value"].to_pylist() == pytest.approx(table["value"].to_pylist())
    assert text["system"].to_pylist() == table["system"].to_pylist()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_name_is_no_formula_in_a_spreadsheet(tmp_path: Path, name: str) -> None:
    results = make_results(systems=("mono", name), clips=3)
    csv, parquet = write_table(replace(results, clips=[name, "b", "c"]), tmp_path)
    with csv.open(encoding="utf-8", newline="") as lines:
        rows = list(reader(lines))
    assert {row[0] for row in rows} >= {f"'{name}", "b"}
    assert {row[1] for row in rows} == {"system", "mono", f"'{name}"}
    assert name in pyarrow.parquet.read_table(parquet)["clip"].to_pylist()


def test_a_file_in_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_table(make_results(), tmp_path / "file")
