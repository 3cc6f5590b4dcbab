"""DualSpec's tables: the printed rows as in the paper, then ours."""

from soundstage.evaluation.dualspec_tables import (
    COUNTERPARTS,
    TABLE_1,
    TABLE_2,
    TABLE_3,
    curve_table,
    direction_table,
    table_1,
    table_2,
    table_3,
)

ROW = {
    "tagger fd": 12.345,
    "tagger kl": 1.5,
    "tagger is": 9.0,
    "tagger named": 0.515,
    "acc": 0.7902,
    "mae": 13.16,
    "parameters": 1.5e6,
    "gflop": 20.0,
    "rtf": 0.25,
    "image psnr": 30.0,
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_line_of_a_table_has_the_columns_of_its_heading():
    kinds = {("dualspec", kind): ROW for kind in ("doa", "clock", "general")}
    for text in (
        table_1({"stft-vae": ROW}, "tagger"),
        table_2({"dualspec": ROW, "library + hrtf": {}}, "tagger"),
        table_3(kinds, "tagger"),
        direction_table({"dualspec": ROW}),
        curve_table("steps", [(4, ROW), (16, ROW)], "tagger"),
    ):
        lines = text.splitlines()
        assert len({len(cells(line)) for line in lines}) == 1, lines


def test_printed_rows_come_first_and_ours_follow_with_shares_in_percent():
    lines = table_2({"dualspec": ROW, "library + hrtf": {"acc": 1.0}}, "tagger").splitlines()
    assert lines[2].startswith("| AudioLDM (printed) | 809 | 452 |")
    assert cells(lines[8])[0] == "DualSpec (printed)"
    assert cells(lines[-2])[0] == "`dualspec`"
    ours = ["`dualspec`", "1.50", "20.0", "0.250", "12.35", "1.500", "9.00", "13.2", "79.0", "51.5"]
    assert cells(lines[-2]) == ours
    assert cells(lines[-1]) == ["library + hrtf", *["–"] * 7, "100.0", "–"]


def test_the_printed_orders_are_those_that_the_paper_draws_its_conclusions_from():
    second = {name: values for name, *values in TABLE_2}
    distance = {name: float(values[3]) for name, values in second.items()}
    accuracy = {name: float(values[7]) for name, values in second.items() if values[7] != "–"}
    assert min(distance, key=distance.get) == "Mel-base"
    assert sorted(accuracy, key=accuracy.get) == [
        "Mel-base",
        "DualSpec-D",
        "DualSpec",
        "DualSpec-P",
        "STFT-base",
    ]
    first = {name: float(values[-1]) for name, *values in TABLE_1}
    assert first["Mel-VAE"] < first["Dual-VAE"] < first["STFT-VAE"]
    for model in dict.fromkeys(row[0] for row in TABLE_3):
        found = {kind: float(values[-1]) for name, kind, *values in TABLE_3 if name == model}
        assert found["general"] == min(found.values())
    assert set(COUNTERPARTS.values()) == {*first, *list(accuracy)}
