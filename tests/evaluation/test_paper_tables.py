"""Printed values of the papers and ours in the right cells."""

import numpy as np

from making_results import all_columns, make_results
from soundstage.evaluation.markdown_tables import (
    NOTHING,
    heading,
    results_table,
    significance_lines,
)
from soundstage.evaluation.paper_tables import paper_tables, parameter_count
from soundstage.evaluation.results import FLOOR, TRUTH, Comparison, Estimate, Results
from soundstage.weights import model_card

SYSTEMS = (TRUTH, FLOOR, "mono", "nearest", "decorrelate", "comb")


def cells(page: str, start: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {start} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def results() -> Results:
    return make_results(systems=SYSTEMS)


def test_the_first_table_of_parametric_stereo() -> None:
    found = results()
    page = paper_tables(found)
    row = cells(page, "Mono")
    e_min = found.summaries["mono", "e_min"].value
    assert row[:3] == ["Mono", "`mono`", "0.104"]
    assert row[3] == (NOTHING if np.isnan(e_min) else f"{e_min:.3f}")
    assert row[4:] == ["20.89", f"{found.summaries['mono', 'd_f'].value:.2f}", "0.090 ± 0.042"]


def test_the_row_stereo_has_the_error_of_the_truth_and_the_distance_of_the_floor() -> None:
    found = results()
    row = cells(paper_tables(found), "Stereo")
    assert row[3] == f"{found.summaries[TRUTH, 'e_min'].value:.3f}"
    assert row[5] == f"{found.summaries[FLOOR, 'd_f'].value:.2f}"


def test_methods_without_results_are_marked() -> None:
    row = cells(paper_tables(results()), "diffstereo, not implemented")
    assert set(row[1:]) == {NOTHING}


def test_diffstereo_has_printed_rows_and_one_for_each_of_our_systems() -> None:
    found = results()
    page = paper_tables(found)
    second = page[page.index("### DiffStereo, Table 2") :]
    row = cells(second, "comb (as Waves PS22)")
    wanted = [f"{found.summaries['comb', key].value:.3f}" for key in ("width", "correlation")]
    assert row[1:3] == wanted
    assert row[4] == f"{found.summaries['comb', 'fad_tagger_mid'].value:.2f}"
    assert cells(second, "Ground Truth (printed)")[1:4] == ["0.715", "0.761", "0.238"]
    assert cells(second, "ambisonic, not measured")[1:] == [NOTHING] * 7
    assert f"| {FLOOR} " not in second


def test_every_table_has_as_many_cells_in_every_row() -> None:
    page = paper_tables(results())
    for table in page.split("\n\n"):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_parameter_counts_come_from_the_cards() -> None:
    assert parameter_count("nearest") == f"{model_card('nearest')['parameters'] / 1e6:.1f} M"
    assert parameter_count("decorrelate") == str(model_card("decorrelate")["parameters"])
    assert parameter_count("nobody") == NOTHING


def test_the_best_of_a_column_except_the_truth_is_marked() -> None:
    column = next(column for column in all_columns() if column.key == "width")
    summaries = {
        (TRUTH, "width"): Estimate(0.7, 0.6, 0.8),
        ("a", "width"): Estimate(0.9, 0.8, 1.0),
        ("b", "width"): Estimate(0.6, 0.5, 0.65),
    }
    found = Results("t", {}, [TRUTH, "a", "b"], [], [column], {}, summaries)
    table = results_table(found, ["width", "unknown"]).splitlines()
    assert heading(column, truth=True) == "normalized width → true"
    assert heading(column, truth=False) == "normalized width"
    assert table[2] == "| true stereo | 0.700 [0.600, 0.800] |"
    assert table[4] == "| b | 0.600 [0.500, 0.650] * |"
    assert table[3] == "| a | 0.900 [0.800, 1.000] |"


def test_significance_lines_start_with_the_better_system() -> None:
    found = results()
    comparisons = [
        Comparison("lsd_mid", "nearest", "comb", 0.01, "comb", 7),
        Comparison("lsd_mid", "mono", "comb", 0.01, "comb", 7),
        Comparison("lsd_mid", "mono", "nearest", 0.6, "", 7),
    ]
    compared = Results(
        found.title,
        found.settings,
        SYSTEMS,
        found.clips,
        found.columns,
        found.scores,
        found.summaries,
        comparisons,
    )
    (line,) = significance_lines(compared, ["lsd_mid", "lsd_side"])
    assert line == "- log-spectral distance, mid: comb over nearest, mono."
