from dataclasses import replace

import numpy as np
import pytest
import soundfile

from sounds import RATE, song
from soundstage.errors import OptionError, OutputError
from soundstage.evaluation.plots.contact_sheet import ContactSheet, _bounded
from soundstage.evaluation.plots.plotting import WIDTH, Canvas
from soundstage.evaluation.plots.stage_diagram import (
    CENTER_COLOR,
    draw_stage,
    position_color,
    stage_height,
)
from soundstage.separation.separator import SourceInfo
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.plan import PlacedSource, make_plan
from soundstage.upmixing.upmix_files import upmix_to_files
from tiny import UPMIXERS

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def drawn(monkeypatch):
    figures, save = [], Canvas.save

    def keep(canvas):
        figures.append(canvas._figure)
        save(canvas)

    monkeypatch.setattr(Canvas, "save", keep)
    return figures


def draw(folder, count, *, sound=None):
    source, target = folder / "mono.wav", folder / "sheet.png"
    made = 0.5 * song(RATE // 2).numpy() if sound is None else sound
    soundfile.write(source, made, RATE)
    paths = {seed: folder / f"{seed}.wav" for seed in range(10, 10 + count)}
    options = FileOptions(overwrite=True, method="nearest")
    takes = upmix_to_files(source, paths, lambda: UPMIXERS["nearest"], options)
    sheet = ContactSheet(target, takes=count, title="mono.wav")
    sheet.draw(takes.reports, takes.comparison)
    return target, takes


def texts(figure):
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("count", [2, 13])
def test_every_take_has_its_panels_inside_the_picture_up_to_twelve(tmp_path, drawn, count):
    target, takes = draw(tmp_path, count)
    (figure,) = drawn
    shown = min(count, 12)
    assert len(figure.axes) == 2 * shown + 1  # a stage and a curve for each, and the colors
    for take, report in enumerate(takes.reports[:shown], start=1):
        assert f"Take {take}" in texts(figure)
        assert f"seed {report.seed}" in texts(figure)
        assert any(f"width {report.width:.2f}" in text for text in texts(figure))
    assert ("The first 12 are drawn." in texts(figure)) == (count > 12)
    figure.canvas.draw()
    height = figure.bbox.height
    for part in [*figure.axes, *figure.texts]:
        box = part.get_tightbbox()
        assert 0 <= box.x0 <= box.x1 <= WIDTH
        assert 0 <= box.y0 <= box.y1 <= height
    from matplotlib.image import imread

    assert imread(target).shape[:2] == (round(height), WIDTH)


def test_left_is_drawn_at_the_left_and_brighter_where_energy_lies(tmp_path, drawn):
    _, takes = draw(tmp_path, 2)
    axes = drawn[0].axes[0]
    assert axes.get_xlim()[0] > 0 > axes.get_xlim()[1]  # decibels of left over right
    shares = axes.collections[0].get_array()
    places = takes.comparison.stages[0].places
    assert np.array_equal(shares.argmax(axis=1)[3:], places.argmax(axis=1)[3:])
    assert shares.max() <= 0


def test_the_curve_shows_every_width_up_to_infinity(tmp_path, drawn):
    """An axis that ended at 3 would show 3, 30 and a side without mid as one."""
    places = _bounded(np.array([0.0, 2.0, 3.0, 30.0, np.inf]))
    assert places[[0, 1, 4]] == pytest.approx([0, 0.5, 1])
    assert (np.diff(places) > 0.02).all()
    draw(tmp_path, 2)
    stage, curve = drawn[0].axes[:2]
    assert [tick.get_text() for tick in curve.get_xticklabels()] == ["0", "2", "∞"]
    assert [tick.get_text() for tick in stage.get_xticklabels()] == ["+10", "0", "−10"]


def test_silence_is_drawn(tmp_path, drawn):
    target, _ = draw(tmp_path, 2, sound=np.zeros(5_000))
    assert target.exists()
    assert np.ma.getmaskarray(drawn[0].axes[0].collections[0].get_array()).all()


def test_an_existing_sheet_is_refused_before_anything_is_made(tmp_path):
    target = tmp_path / "sheet.png"
    target.write_bytes(b"precious")
    with pytest.raises(OutputError, match="no contact sheet"):
        ContactSheet(target, takes=3, title="x")
    with pytest.raises(OptionError, match="PNG"):
        ContactSheet(tmp_path / "sheet.jpg", takes=3, title="x")
    assert target.read_bytes() == b"precious"


def planned(reports, count):
    """The reports with plans of `count` sources, on alternate sides by the seed."""
    infos = [SourceInfo(f"other-{n}", "object", 0.5 / (n + 1), 900.0 + n) for n in range(count)]
    return [replace(report, plan=make_plan(infos, report.seed)) for report in reports]


@pytest.mark.parametrize(("count", "sources"), [(2, 3), (12, 14)])
def test_a_stage_shows_who_stands_where_in_each_take(tmp_path, drawn, count, sources):
    _, takes = draw(tmp_path, count)
    reports = planned(takes.reports, sources)
    target = tmp_path / "places.png"
    sheet = ContactSheet(target, takes=count, title="mono.wav")
    sheet.draw(reports, takes.comparison)
    figure = drawn[1]
    assert len(figure.axes) == 3 * count + 1
    assert any(text.startswith("Places of two takes differ by") for text in texts(figure))
    for take in range(count):
        stage, energy = figure.axes[3 * take : 3 * take + 2]
        assert stage.get_xlim()[0] > 0 > stage.get_xlim()[1]
        shown = min(sources, 10)
        names = [text.get_text() for text in stage.texts]
        assert names == [source.name for source in reports[take].plan.sources[:shown]]
        drawn_pans = [dot.get_offsets()[0][0] for dot in stage.collections]
        assert drawn_pans == [source.pan_db for source in reports[take].plan.sources[:shown]]
        areas = [dot.get_sizes()[0] for dot in stage.collections]
        assert areas == sorted(areas, reverse=True)
        assert stage.get_position().y0 > energy.get_position().y1
    figure.canvas.draw()
    height = figure.bbox.height
    for part in [*figure.axes, *figure.texts]:
        box = part.get_tightbbox()
        assert 0 <= box.x0 <= box.x1 <= WIDTH
        assert 0 <= box.y0 <= box.y1 <= height


def test_names_stay_on_the_stage_and_a_blur_is_as_wide_as_the_source_is_diffuse(drawn):
    canvas = Canvas("stage.png", height=300, overwrite=True)
    axes = canvas.panel(100, 20, 230, stage_height(4))
    sources = [
        PlacedSource("a source with a long name", "object", 12.0, 3.0, 0.5),
        PlacedSource("b", "object", -12.0, 0.0, 0.1),
        PlacedSource("$math$ in a very long name", "lead", 0.0, 1.0, 1.0),
        PlacedSource("d", "object", -3.0, 1.0, 0.0),
    ]
    draw_stage(axes, sources)
    canvas._figure.canvas.draw()
    box = axes.get_window_extent()
    for text in axes.texts:
        assert box.x0 <= text.get_window_extent().x0
        assert text.get_window_extent().x1 <= box.x1
    (image,) = axes.images
    widths = (image.get_array()[..., 3] > 0.17).sum(axis=1)
    assert widths[0] > widths[2] > widths[1] > 0
    left, right = position_color(12.0), position_color(-12.0)
    assert left[2] > left[0]
    assert right[0] > right[2]
    assert position_color(0.0) == CENTER_COLOR
