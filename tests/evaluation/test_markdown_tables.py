"""Tables in Markdown: what comes first, and what is marked."""

import numpy as np
import pytest

from making_results import all_columns, make_results
from soundstage.evaluation.markdown_tables import legend, results_table, summary_table
from soundstage.evaluation.results import CODER, FLOOR, MONO, TRUTH
from soundstage.evaluation.summary import compared
from soundstage.metrics.catalog import Column

SYSTEMS = (TRUTH, MONO, CODER, "one", "other")


@pytest.fixture(scope="module")
def results():
    return make_results(systems=SYSTEMS, excerpts=0)


def rows(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return {first: cells for first, *cells in lines}


def column(key: str) -> Column:
    return next(each for each in all_columns() if each.key == key)


@pytest.mark.parametrize("key", [each.key for each in all_columns() if each.key != "true_peak"])
def test_the_star_goes_to_a_system_that_turns_mono_into_stereo(results, key: str) -> None:
    marked = [
        name for name, cells in rows(results_table(results, [key])).items() if "*" in cells[0]
    ]
    assert marked in (["one"], ["other"])


def test_without_such_a_system_there_is_no_star() -> None:
    controls = make_results(systems=(TRUTH, MONO, CODER), excerpts=0)
    assert "*" not in results_table(controls, ["d_f", "width", "fold_down"])


def test_a_true_peak_ranks_nothing(results) -> None:
    table = results_table(results, ["true_peak"])
    assert "*" not in table
    assert "| true peak, dBTP |" in table
    scores = {(name, "true_peak"): np.arange(6.0) + i for i, name in enumerate(("one", "other"))}
    assert compared(scores, [column("true_peak")]) == []


def test_the_summary_has_the_headline_measures_and_explains_the_star(results) -> None:
    table, explained = summary_table(results).split("\n\n")
    titles = ["D_F ↓", "placement contrast ↑", "normalized width → true"]
    titles += ["IID fluctuation, dB → true"]
    titles += ["artifact, dB ↓", "fold-down error, dB ↓", "real-time factor ↓"]
    assert rows(table)["system"] == titles
    assert explained.startswith("* the best system that turns mono into stereo; true stereo, mono")


def test_the_legend_names_the_controls_that_are_there() -> None:
    assert "; mono is for comparison" in legend(make_results(systems=(MONO, "one"), excerpts=0))
    both = make_results(systems=(TRUTH, FLOOR, "one"), excerpts=0)
    assert "; true stereo and floor are for comparison" in legend(both)
