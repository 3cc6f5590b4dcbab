import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import RATE, noise, song, stereo_scene, tone
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.evaluation import plot_analysis, plot_comparison, plot_side_by_side
from soundstage.evaluation.plots.plotting import BAND_TICKS, Canvas

matplotlib = pytest.importorskip("matplotlib")


def image(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


def scene(seconds=1.0, rate=RATE):
    return Audio(stereo_scene(round(seconds * rate)).numpy(), rate)


@pytest.fixture
def drawn(monkeypatch):
    """The figures of every canvas saved, beside the files."""
    figures, save = [], Canvas.save

    def keep(canvas):
        figures.append(canvas._figure)
        save(canvas)

    monkeypatch.setattr(Canvas, "save", keep)
    return figures


def panels(figure):
    """Images by the panel's order: mid, side, goniometer, IID, IC (color bars have none)."""
    return [axes.images[0] for axes in figure.axes if axes.images]


ODD = {
    "scene": scene(),
    "one sample": Audio(np.array([[0.5], [-0.1]], np.float32), RATE),
    "silent": Audio(np.zeros((2, RATE), np.float32), RATE),
    "mono": Audio(song(RATE).numpy()[None], RATE),
    "inverted": Audio(np.stack([song(RATE).numpy(), -song(RATE).numpy()]), RATE),
    "8 kHz": scene(1.0, 8_000),
    "minutes": Audio(noise(95 * 8_000).numpy()[None], 8_000),
}


@pytest.mark.parametrize("kind", ODD)
def test_any_sound_makes_a_picture_without_overlapping_text(kind, drawn, tmp_path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    target = tmp_path / "picture.png"
    title = "a name with $\\nonsense$ and {braces} and " + 10 * "much more "
    plot_analysis(ODD[kind], target, title=title)
    pixels = image(target)
    assert pixels.shape[1] == 1280
    assert pixels.std() > 0.1
    (figure,) = drawn
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert len(boxes) > 20
    for one, box in enumerate(boxes):
        assert (box.x0 >= 0, box.x1 <= 1280, box.y0 >= 0) == (True, True, True), texts[one]
        for other in range(one):
            both = min(box.x1, boxes[other].x1) - max(box.x0, boxes[other].x0)
            tall = min(box.y1, boxes[other].y1) - max(box.y0, boxes[other].y0)
            assert both <= 0 or tall <= 0 or both * tall < 12, (texts[one], texts[other])


@pytest.mark.slow
def test_pictures_are_reproducible_and_depend_on_the_sound(tmp_path):
    first, again, other = (tmp_path / f"{name}.png" for name in ("first", "again", "other"))
    for target in (first, again):
        plot_analysis(scene(), target, title="a scene")
    plot_analysis(Audio(song(RATE).numpy()[None], RATE), other, title="a scene")
    assert first.read_bytes() == again.read_bytes()
    assert np.abs(image(first) - image(other)).mean() > 0.02


def test_plotting_returns_the_analysis(tmp_path):
    result = plot_analysis(scene(), tmp_path / "picture.png")
    assert result.frames == RATE
    assert result.width > 0.1


def test_both_spectrograms_share_their_colors(drawn, tmp_path):
    plot_analysis(scene(), tmp_path / "picture.png")
    mid, side = panels(drawn[0])[:2]
    assert mid.get_clim() == side.get_clim()
    assert mid.get_array().max() > side.get_array().max()
    assert mid.get_clim()[1] >= mid.get_array().max()


def test_a_panned_tone_is_colored_in_its_band_and_gray_elsewhere(drawn, tmp_path):
    source = tone(RATE, hz=1000, level=0.5).numpy()
    plot_analysis(Audio(np.stack([source, 0.5 * source]), RATE), tmp_path / "picture.png")
    level, coherence = panels(drawn[0])[3:]
    middle = level.get_array()[:, level.get_array().shape[1] // 2]
    row = int(level.axes.get_yticks()[BAND_TICKS.index(1000)])
    assert middle[row] == pytest.approx(6.02, abs=0.01)
    assert coherence.get_array()[row].mean() == pytest.approx(1, abs=1e-3)
    assert middle.mask.sum() > 25
    assert level.get_cmap()(level.norm(6.0))[2] > 0.7 > level.get_cmap()(level.norm(-6.0))[2]


def test_ticks_stand_at_their_frequencies(drawn, tmp_path):
    plot_analysis(scene(), tmp_path / "picture.png")
    spectrum, level = panels(drawn[0])[0].axes, panels(drawn[0])[3].axes
    names = [t.get_text() for t in spectrum.get_yticklabels()]
    heights = dict(zip(names, spectrum.get_yticks(), strict=True))
    assert heights["20k"] == pytest.approx(256)
    assert heights["10k"] - heights["1k"] == pytest.approx(heights["1k"] - heights["100"])
    names = [t.get_text() for t in level.get_yticklabels()]
    assert names == ["100", "500", "1k", "2k", "5k", "10k", "20k"]


def test_an_existing_picture_is_replaced_only_on_request(tmp_path):
    target = tmp_path / "picture.png"
    target.write_bytes(b"a picture of somebody")
    with pytest.raises(OutputError, match=r"picture\.png exists"):
        plot_analysis(scene(), target)
    assert target.read_bytes() == b"a picture of somebody"
    plot_analysis(scene(), target, overwrite=True)
    assert image(target).shape[1] == 1280


def test_a_failed_picture_leaves_nothing_and_keeps_the_old_one(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fail(figure, path, **options):
        Path(path).write_bytes(b"half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    target = tmp_path / "picture.png"
    with pytest.raises(OutputError, match="disk is full"):
        plot_analysis(scene(), target)
    assert list(tmp_path.iterdir()) == []
    target.write_bytes(b"old")
    with pytest.raises(OutputError):
        plot_analysis(scene(), target, overwrite=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_sound_that_cannot_be_drawn_leaves_nothing(tmp_path):
    soundfile.write(tmp_path / "surround.wav", np.zeros((100, 3)), RATE)
    with pytest.raises(InputError, match="3 channels"):
        plot_analysis(tmp_path / "surround.wav", tmp_path / "picture.png")
    assert [path.name for path in tmp_path.iterdir()] == ["surround.wav"]


@pytest.mark.parametrize(
    ("name", "error"), [("picture.pdf", OptionError), ("file/picture.png", OutputError)]
)
def test_a_bad_target_is_refused_before_the_work(name, error, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(error, match=Path(name).name if error is OptionError else "folder"):
        plot_analysis(tmp_path / "not even there.wav", tmp_path / name)


def test_without_matplotlib_the_extra_to_install_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OptionError, match="pip install") as caught:
        plot_analysis(scene(), tmp_path / "picture.png")
    assert "soundstage[" not in str(caught.value)  # no index has a package of that name
    extra = str(caught.value).split("extra ")[1].rstrip(".")
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert re.search(rf'^{extra} = \[[^\]]*"matplotlib', project, re.MULTILINE)


@pytest.mark.slow
def test_drawing_changes_no_global_state(tmp_path):
    program = (
        "import sys\n"
        "from soundstage.audio import Audio\n"
        "from soundstage.evaluation import plot_analysis\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        f"plot_analysis(Audio([[1.0] * 9], 8000), {str(tmp_path / 'picture.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_comparison_has_a_row_for_each_file_on_common_axes(drawn, tmp_path):
    stereo = scene(2.0)
    mono = Audio(stereo.samples.mean(axis=0, keepdims=True), RATE)
    short = scene(0.5)
    named = {"upmixed": short, "true stereo": stereo, "longer": scene(3.0)}
    results = plot_comparison(mono, named, tmp_path / "rows.png")
    assert list(results) == ["mono input", *named]
    assert results["mono input"].width == 0
    assert results["true stereo"].width > 0
    rows = panels(drawn[0])
    assert len(rows) == 12
    for column in (0, 2):
        axes = [row.axes for row in rows[column::3]]
        assert len({ax.get_xlim() for ax in axes}) == 1
        assert axes[0].get_xlim() == (0, pytest.approx(3.0))
        assert len({row.get_clim() for row in rows[column::3]}) == 1
    side_of_mono, side_of_stereo = rows[0].get_array(), rows[6].get_array()
    assert side_of_mono.max() < rows[0].get_clim()[0]  # all dark
    assert side_of_stereo.max() > rows[0].get_clim()[0] + 40
    height = image(tmp_path / "rows.png").shape[0]
    plot_comparison(mono, {"one": short}, tmp_path / "fewer.png")
    assert image(tmp_path / "fewer.png").shape[0] < height - 200


def test_a_comparison_needs_something_to_compare(tmp_path):
    with pytest.raises(OptionError, match="at least one"):
        plot_comparison(scene(), {}, tmp_path / "rows.png")


def test_files_side_by_side_have_a_row_each_on_common_axes(drawn, tmp_path):
    quiet = Audio(scene().samples / 100, RATE)
    found = plot_side_by_side({"loud": scene(2.0), "quiet": quiet}, tmp_path / "picture.png")
    assert list(found) == ["loud", "quiet"]
    assert found["loud"].width == pytest.approx(found["quiet"].width, rel=0.1)
    spectra = panels(drawn[0])[::3]
    assert len(spectra) == 2
    assert spectra[0].get_clim() == spectra[1].get_clim()
    assert spectra[0].axes.get_xlim() == spectra[1].axes.get_xlim() == (0, 2)


@pytest.mark.parametrize("count", [0, 9])
def test_too_few_or_too_many_files_side_by_side_are_refused(tmp_path, count):
    with pytest.raises(OptionError, match="1 to 8 files"):
        plot_side_by_side({str(i): scene() for i in range(count)}, tmp_path / "picture.png")
