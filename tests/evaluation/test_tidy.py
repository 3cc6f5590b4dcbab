"""One value a row, the same in both files."""

import math
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from making_results import make_results
from soundstage.errors import OutputError
from soundstage.evaluation.export import tidy_rows, write_tidy


def test_every_finite_value_is_there_once_and_no_other() -> None:
    results = make_results()
    rows = tidy_rows(results)
    of_clips = [row for row in rows if row["clip"]]
    finite = sum(np.isfinite(values).sum() for values in results.scores.values())
    assert len(of_clips) == finite
    places = {(row["clip"], row["system"], row["metric"], row["signal"]) for row in of_clips}
    assert len(places) == len(of_clips)
    of_sets = [row for row in rows if not row["clip"]]
    assert len(of_sets) == sum(math.isfinite(one.value) for one in results.summaries.values())


def test_both_files_hold_the_same_rows(tmp_path: Path) -> None:
    results = make_results()
    csv, parquet = write_tidy(results, tmp_path)
    table = pyarrow.parquet.read_table(parquet)
    assert table.to_pylist() == tidy_rows(results)
    text = pyarrow.csv.read_csv(
        csv, convert_options=pyarrow.csv.ConvertOptions(column_types=table.schema)
    )
    assert text["value"].to_pylist() == pytest.approx(table["value"].to_pylist())
    assert text["system"].to_pylist() == table["system"].to_pylist()
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_tidy(make_results(), tmp_path / "none")
