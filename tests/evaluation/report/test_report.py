import base64
import io
import math
import re
import sys
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from making_results import NASTY, SYSTEMS, all_columns, columns_of, make_results
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.evaluation.report import pictures, write_report
from soundstage.evaluation.report.charts import charts
from soundstage.evaluation.report.formatting import printed, ticks
from soundstage.evaluation.report.pictures import clip_pictures
from soundstage.evaluation.report.score_tables import clip_table, families, main_tables, matrices
from soundstage.evaluation.report.series_styles import COLORS, MARKERS, styles_of
from soundstage.evaluation.report.sound import BUDGET, mp3_base64, quality_for
from soundstage.evaluation.results import TRUTH, Estimate
from soundstage.metrics.catalog import CLIP_METRICS, Column, Metric

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

BY_NAME = {metric.name: metric for metric in CLIP_METRICS}
LSD, SNR, WIDTH = (Column(BY_NAME[name]) for name in ("lsd", "si_snr", "width"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("sounds"), seconds=1.0)


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    target = tmp_path_factory.mktemp("page") / "report.html"
    write_report(results, target)
    return target.read_text(encoding="utf-8")


def with_summaries(column, values, *, digits=None):
    """Results of one column whose summaries are `values` by system."""
    if digits is not None:
        column = Column(replace(column.metric, digits=digits), column.signal)
    made = make_results(systems=list(values), columns=[column], clips=2, excerpts=0)
    summaries = {(system, column.key): Estimate(value) for system, value in values.items()}
    return replace(made, summaries=summaries)


def cells(results):
    """The cells of the only column, by system."""
    *_, table = main_tables(results, styles_of(results.systems))
    return {row.style.name: row.cells[0] for row in table.rows}


def visible_text(page):
    """What stands between the tags."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", body)


# ---- The file -----------------------------------------------------------------------------


def test_the_page_is_self_contained(page):
    assert not re.search(r"""(?:src|href|action|data)\s*=\s*["'](?!#|data:)""", page)
    assert not re.search(r"@import|url\((?!#)|https?://", page)


def test_names_cannot_become_markup(page):
    assert NASTY not in page
    assert page.count("&lt;/script&gt;&lt;b&gt;") > 10
    assert page.count("<script") == page.count("</script>") == 2 + 2 * len(SYSTEMS)


def test_sections_are_in_order(page):
    anchors = re.findall(r'<section id="([a-z]+)"', page)
    wanted = ["measured", "reading", "headline", "image", "spectra", "fad", "artifacts", "other"]
    assert anchors == [*wanted, "pairs", "distributions", "excerpts", "clips"]


def test_settings_and_skipped_files_are_listed(page, results):
    text = visible_text(page)
    assert "made up" in text
    assert "1 file skipped" in text
    assert "holds no sound." in text
    assert all(f"clip {i}" in text for i in range(len(results.clips) - 1))


def test_an_interrupted_report_leaves_no_file(results, tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(results, tmp_path / "report.html", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_when_asked(tmp_path):
    results, target = make_results(columns=[LSD]), tmp_path / "report.html"
    target.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        write_report(results, target)
    assert target.read_text() == "mine"
    write_report(results, target, overwrite=True)
    assert "<!doctype html>" in target.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_target_that_cannot_be_is_refused(tmp_path):
    results = make_results(columns=[LSD])
    with pytest.raises(OutputError, match="is a folder"):
        write_report(results, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is not a folder"):
        write_report(results, tmp_path / "file" / "report.html")


def test_a_missing_excerpt_is_an_input_error(results, tmp_path):
    excerpts = {"clip 0": {"mono": tmp_path / "gone.flac"}}
    with pytest.raises(InputError, match=r"gone\.flac"):
        write_report(replace(results, excerpts=excerpts), tmp_path / "report.html")


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named_with_its_remedy(library, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(OptionError, match=rf"{library}.*extra eval"):
        write_report(make_results(columns=[LSD]), tmp_path / "report.html")


def test_progress_only_grows_and_ends_at_one(results, tmp_path):
    reported = []
    write_report(results, tmp_path / "report.html", progress=reported.append)
    assert reported == sorted(reported)
    assert len(reported) == 1 + 2 * 2 * len(SYSTEMS)
    assert reported[-1] == 1.0


@pytest.mark.parametrize(
    "given_",
    [
        make_results(systems=["mono", "nearest"]),
        make_results(columns=[]),
        make_results(columns=[LSD], clips=1),
        make_results(columns=columns_of([BY_NAME["width"]]), excerpts=0),
        replace(make_results(columns=[LSD]), summaries={}, scores={}, comparisons=()),
        replace(make_results(systems=[], columns=[LSD]), clips=[], settings={}, skipped=()),
    ],
    ids=["no truth", "no columns", "one clip", "one column", "no numbers", "nothing at all"],
)
def test_missing_values_are_omitted_or_dashes(given_, tmp_path):
    write_report(given_, tmp_path / "report.html")
    text = visible_text((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "nan" not in re.findall(r"\w+", text.lower())
    assert "None" not in text
    if TRUTH not in given_.systems:
        assert "→ true" not in text
        assert "no true stereo" in text


# ---- Tables -------------------------------------------------------------------------------


def test_every_column_is_in_one_table():
    columns = [*all_columns(), Column(Metric("novel", "novel", "", "lower", 1, "new"))]
    placed = {anchor: [c.key for c in found] for anchor, _, found in families(columns)}
    assert sorted(chain.from_iterable(placed.values())) == sorted(column.key for column in columns)
    assert "novel" in placed["other"]
    assert {"d_f", "d_f_inf", "width", "side_balance_error"} <= set(placed["image"])
    assert {"lsd_mid", "si_snr_right", "mrstft"} <= set(placed["spectra"])
    assert placed["fad"] == [c.key for c in columns if c.key.startswith("fad_")]
    assert {"artifact", "fold_down", "placement_time"} <= set(placed["artifacts"])


@pytest.mark.parametrize(
    ("column", "best", "order"),
    [
        (LSD, "b", [TRUTH, "b", "c", "a"]),
        (SNR, "a", ["a", "c", "b", TRUTH]),
        (WIDTH, "b", [TRUTH, "b", "c", "a"]),
    ],
)
def test_ranks_sort_the_best_first_and_never_mark_the_truth(column, best, order):
    found = cells(with_summaries(column, {TRUTH: 0.1, "a": 3.0, "b": 0.2, "c": 1.0}))
    assert [name for name, cell in found.items() if cell.best] == [best]
    assert sorted(found, key=lambda name: float(found[name].rank)) == order


def test_systems_with_equal_printed_values_are_equally_best():
    found = cells(with_summaries(LSD, {"a": 1.001, "b": 1.004, "c": 1.006}, digits=2))
    assert [name for name, cell in found.items() if cell.best] == ["a", "b"]


def test_nan_is_a_dash_without_rank_interval_or_star():
    cell = cells(with_summaries(LSD, {"a": math.nan, "b": 1.0}))["a"]
    assert (cell.text, cell.rank, cell.interval, cell.best) == ("–", "", "", False)


def test_intervals_are_printed_beneath_their_values(page, results):
    estimate = results.summaries["nearest", "width"]
    wanted = f"{printed(estimate.low, 3)} to {printed(estimate.high, 3)}"
    assert f"<small>{wanted}</small>" in page


def test_the_scores_of_a_clip_are_its_own(results):
    table = clip_table(results, 3, styles_of(results.systems))
    index = [header.column.key for header in table.headers].index("iid_fluctuation")
    shown = [row.cells[index].text for row in table.rows]
    assert shown == [printed(results.scores[s, "iid_fluctuation"][3], 2) for s in results.systems]


def test_a_matrix_is_consistent_for_both_directions_of_a_pair(results):
    opposite = {"better": "worse", "worse": "better", "no difference": "no difference"}
    seen = set()
    for matrix in matrices(results, styles_of(results.systems)):
        for i, (_, row) in enumerate(matrix.rows):
            for j, verdict in enumerate(row):
                other = matrix.rows[j][1][i]
                assert (verdict is None) == (other is None)
                if verdict and other:
                    seen.add(verdict.word)
                    assert (other.word, other.p) == (opposite[verdict.word], verdict.p)
    assert seen == set(opposite)


def test_a_matrix_names_the_better_system(results):
    known = {(c.column, c.first, c.second): c for c in results.comparisons if c.better}
    for matrix in matrices(results, styles_of(results.systems)):
        for style, row in matrix.rows:
            for other, verdict in zip(matrix.styles, row, strict=True):
                pair = known.get((matrix.header.column.key, style.name, other.name))
                if pair and verdict:
                    assert (verdict.word == "better") == (pair.better == style.name)


# ---- Numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "digits", "wanted"),
    [
        (math.nan, 2, "–"),
        (-math.inf, 2, "−∞"),
        (math.inf, 2, "∞"),
        (-1.25, 1, "−1.2"),
        (-0.001, 2, "0.00"),
        (2.0, 0, "2"),
    ],
)
def test_numbers_have_a_typographic_minus(value, digits, wanted):
    assert printed(value, digits) == wanted


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(3, 8))
def test_ticks_are_few_even_and_within(low, length, most):
    found = ticks(low, low + length, most=most)
    assert 1 <= len(found) <= most
    slack = 1e-6 * length + 1e-9 * abs(low)
    assert low - slack <= found[0] <= found[-1] <= low + length + slack
    assert np.allclose(np.diff(found, 2), 0, atol=slack)


# ---- Charts -------------------------------------------------------------------------------


def one_chart(scores, column=LSD):
    made = make_results(systems=list(scores), columns=[column], excerpts=0)
    keyed = {(system, column.key): np.array(values) for system, values in scores.items()}
    return charts(replace(made, scores=keyed), styles_of(made.systems))


def test_boxes_span_quartiles_and_whiskers_exclude_outliers():
    (chart,) = one_chart({"a": [0.0, 1.0, 2.0, 3.0, 4.0, 8.0], "b": [5.0] * 6})
    box = chart.strips[0].box

    def value(place):  # the axis runs from 0 to 8
        return 8 * (place - chart.left - 6) / (chart.right - chart.left - 12)

    found = [value(x) for x in (box.low, box.first, box.median, box.third, box.high)]
    assert found == pytest.approx([0, 1.25, 2.5, 3.75, 4])


def test_every_finite_score_is_a_dot_and_the_others_are_counted():
    (chart,) = one_chart(
        {"a": [1.0, math.nan, 2.0], "b": [math.inf, 1.5, 3.0], "c": [math.nan] * 3}
    )
    assert [strip.dots.count("M") for strip in chart.strips] == [2, 2, 0]
    assert chart.missing == 5
    assert chart.strips[2].box is None


def test_equal_scores_still_have_an_axis():
    (chart,) = one_chart({"a": [0.0, 0.0], "b": [0.0, 0.0]})
    assert chart.ticks


def test_the_truth_is_drawn_only_in_columns_relative_to_it():
    (chart,) = one_chart({TRUTH: [0.0, 0.0], "a": [1.0, 2.0]})
    assert [strip.style.name for strip in chart.strips] == ["a"]
    (chart,) = one_chart({TRUTH: [0.0, 0.0], "a": [1.0, 2.0]}, WIDTH)
    assert [strip.style.name for strip in chart.strips] == [TRUTH, "a"]


def test_a_column_without_scores_has_no_chart():
    assert one_chart({"a": [math.nan, math.nan]}) == []


def test_many_systems_all_look_different():
    styles = styles_of([str(i) for i in range(COLORS * len(MARKERS))])
    assert len({(style.color, style.marker) for style in styles.values()}) == len(styles)


# ---- Pictures -----------------------------------------------------------------------------


def pixels(uri):
    from PIL import Image

    kind, data = re.fullmatch(r"data:image/(webp|png);base64,(.*)", uri).groups()
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)), formats=[kind.upper()]))


def test_pictures_show_what_is_in_the_side(results):
    drawn = clip_pictures(results.excerpts["clip 5"])
    sides = {panel.system: panel for panel in drawn.sides}
    assert list(sides) == list(SYSTEMS)
    assert "no side" in sides["mono"].note
    assert sides["nearest"].note == ""
    brightness = {name: pixels(panel.uri)[..., 1].mean() for name, panel in sides.items()}
    assert brightness["mono"] < 5 < brightness["nearest"] < brightness[NASTY]
    assert drawn.mid.system == TRUTH
    assert pixels(drawn.mid.uri).std() > 5


def test_a_pure_tone_is_a_line_at_its_tick(tmp_path):
    time = np.arange(44_100) / 44_100
    left = 0.5 * np.sin(2 * np.pi * 1000 * time)
    soundfile.write(tmp_path / "a.flac", np.stack([left, 0 * left], axis=1), 44_100)
    drawn = clip_pictures({"a": tmp_path / "a.flac"})
    rows = pixels(drawn.sides[0].uri)[..., 0].mean(axis=1)  # red: only the brightest have much
    height = 1 - (np.argmax(rows) + 0.5) / len(rows)
    assert height == pytest.approx(dict((n, at) for at, n in drawn.hertz)["1k"], abs=0.01)
    assert not drawn.mid_of_input


def test_a_goniometer_puts_left_to_the_left(tmp_path):
    noise = 0.2 * np.random.default_rng(0).standard_normal(44_100)
    soundfile.write(tmp_path / "a.flac", np.stack([noise, 0 * noise], axis=1), 44_100)
    shown = pixels(clip_pictures({"a": tmp_path / "a.flac"}).goniometers[0].uri)[..., 1]
    half = shown.shape[0] // 2
    assert shown[: half - 5, : half - 5].mean() > 2 * shown[: half - 5, half + 5 :].mean()


def test_silence_has_pictures(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros((44_100, 2)), 44_100)
    drawn = clip_pictures({"a": tmp_path / "a.flac"})
    assert drawn.sides[0].note == drawn.goniometers[0].note == "silent"
    assert drawn.border == ""


def test_pictures_are_png_where_webp_is_missing(results, monkeypatch):
    from PIL import features

    monkeypatch.setattr(features, "check", lambda _: False)
    found = results.excerpts["clip 5"]
    drawn = pictures.clip_pictures({"mono": found["mono"]})
    assert drawn.mid.uri.startswith("data:image/png;")
    assert pixels(drawn.mid.uri).shape[-1] == 3


# ---- Sound --------------------------------------------------------------------------------


def decoded(path, quality):
    return soundfile.read(
        io.BytesIO(base64.b64decode(mp3_base64(Audio.read(path), quality))), always_2d=True
    )


def rms_db(samples):
    return 10 * np.log10(np.mean(samples**2))


def test_mp3_keeps_level_side_and_length(results):
    quality = 0.3
    for path in results.excerpts["clip 5"].values():
        original, rate = soundfile.read(path, always_2d=True)
        coded, coded_rate = decoded(path, quality)
        assert (coded_rate, coded.shape) == (rate, original.shape)
        assert rms_db(coded) == pytest.approx(rms_db(original), abs=0.1)
        sides = [samples[:, 0] - samples[:, 1] for samples in (original, coded)]
        if sides[0].any():
            assert rms_db(sides[1]) == pytest.approx(rms_db(sides[0]), abs=0.5)
            assert np.corrcoef(*sides)[0, 1] > 0.9  # the same instant, not a frame later
        else:
            assert rms_db(sides[1] + 1e-9) < rms_db(original) - 60


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000])
def test_every_rate_can_be_encoded(rate, tmp_path):
    tone = 0.1 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate)
    soundfile.write(tmp_path / "a.flac", np.stack([tone, tone], axis=1), rate)
    coded, coded_rate = decoded(tmp_path / "a.flac", 0.0)
    assert coded_rate == min(rate, 48_000)
    assert len(coded) == coded_rate
    assert rms_db(coded) == pytest.approx(rms_db(tone), abs=0.1)


def test_a_libsndfile_without_mp3_is_named(results, monkeypatch):
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"FLAC": ""})
    with pytest.raises(OptionError, match="upgrade the package soundfile"):
        mp3_base64(Audio.read(next(iter(results.excerpts["clip 5"].values()))), 0.0)


def test_more_sound_is_coded_smaller_and_a_usual_report_fits():
    levels = [quality_for(seconds) for seconds in (10, 470, 540, 3000)]
    assert levels == sorted(levels)
    assert levels[0] == 0.0
    assert 540 * 200_000 / 8 <= BUDGET < 20e6 * 3 / 4
