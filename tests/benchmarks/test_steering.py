import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sounds import RATE, noise, stereo_scene, tone
from soundstage.audio import Audio
from soundstage.stereo.descriptors import DESCRIPTORS
from soundstage.upmixing.generative.style import MUSIC, WORDS, Style

ROOT = Path(__file__).parents[2]
CLIPS = 5
MEDIANS = np.array([values[len(values) // 2] for values in MUSIC.values()])


@pytest.fixture
def steering(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("steering")


def measurements(steering, obedience):
    """Results of a method that moves by this fraction from each clip's own image to the request."""
    generator = np.random.default_rng(0)
    own = MEDIANS + 0.01 * generator.standard_normal((CLIPS, len(MEDIANS)))
    measured = {}
    for style in steering.measured_styles():
        is_open = style.to_tensor()[: len(DESCRIPTORS)].isnan().numpy()
        requested = np.array([style.requested().get(name, 0.0) for name in DESCRIPTORS])
        moved = (1 - obedience) * own + obedience * requested
        measured[style] = np.where(is_open, own, moved)
    return measured


def test_the_page_has_the_table_of_the_code(steering):
    page = (ROOT / "docs" / "style.md").read_text(encoding="utf-8")
    fill = importlib.import_module("pages").fill
    tables = {"parameters": steering.parameters_table(), "styles": steering.styles_table()}
    assert all(f"<!-- made: {name} -->" in page for name in (*tables, "width", "others", "words"))
    assert fill(page, tables) == page, "python benchmarks/steering.py --table --write docs/style.md"
    assert all(f"| {word} |" in page for word in WORDS)


def test_every_style_is_measured_once_and_none_too(steering):
    styles = steering.measured_styles()
    assert styles[0] == Style()
    assert len(styles) == len(set(styles))
    assert {Style(**word.values) for word in WORDS.values()} <= set(styles)
    assert {Style(width=width) for width in steering.WIDTHS} <= set(styles)


def test_obedient_results_pass_and_others_fail(steering):
    obeyed = measurements(steering, 1.0)
    assert "1.00 (Pearson), 1.00 (Spearman)" in steering.width_table(obeyed)
    assert "Measured ≈ 1.00 · requested" in steering.width_table(obeyed)
    lines = len(steering.word_rows(obeyed))
    assert steering.words_table(obeyed).startswith(f"{lines} of {lines} rows reach")
    assert steering.others_table(obeyed).count("1.00 | 1.00 | 1.00") == len(DESCRIPTORS) - 1
    assert "Measured ≈ 0.50 · requested" in steering.width_table(measurements(steering, 0.5))
    opposed = measurements(steering, -1.0)
    assert "-1.00 (Pearson)" in steering.width_table(opposed)
    passed = {word for word, *_, share in steering.word_rows(opposed) if share > 0.5}
    assert passed == {"natural", "balanced"}  # already there without a style


def test_the_correct_direction_is_outwards_at_the_ends_and_nearer_in_the_middle(steering):
    without, up, down = np.array([1.0, 2.5]), np.array([1.2, 2.6]), np.array([0.9, 2.4])
    assert steering.correct_direction("width", 1.91, without, up) == 1
    assert steering.correct_direction("width", 1.91, without, down) == 0
    assert steering.correct_direction("width", 0.5, without, down) == 1
    assert steering.correct_direction("width", 1.09, without, up) == 0.5
    assert steering.correct_direction("width", 1.09, without, np.array([1.05, 2.4])) == 1
    assert steering.correct_direction("width", 1.09, np.array([1.09]), np.array([1.2])) == 1
    assert steering.correct_direction("width", 1.09, np.array([1.09]), np.array([1.3])) == 0
    assert steering.correct_direction("balance", -2.0, without, without) == 0


def test_known_sounds_have_their_descriptors(steering):
    one, other = noise(RATE), noise(RATE, seed=1)
    equal = steering.measure_sound(torch.stack([one, one]))
    assert equal[:4] == pytest.approx([0] * 4, abs=1e-3)
    unrelated = dict(
        zip(DESCRIPTORS, steering.measure_sound(torch.stack([one, other])), strict=True)
    )
    assert unrelated["width"] == pytest.approx(2, rel=0.2)
    assert abs(unrelated["balance"]) < 0.2
    louder = dict(
        zip(DESCRIPTORS, steering.measure_sound(torch.stack([2 * one, one])), strict=True)
    )
    assert louder["balance"] == pytest.approx(6.02, abs=0.1)


def test_a_band_counts_by_the_energy_of_its_mid(steering):
    panned, centered = tone(RATE, hz=300.0), 0.6 * tone(RATE, hz=3_000.0)
    made = steering.measure_sound(torch.stack([panned + centered, 0.2 * panned + centered]))
    side, mid = 0.4**2, 0.6**2 + 0.6**2
    assert made[0] == pytest.approx(2 * (side / mid) ** 0.5, rel=0.02)


def test_the_command_fills_the_page_and_draws(steering, tmp_path, monkeypatch, capsys):
    (tmp_path / "music").mkdir()
    (tmp_path / "images").mkdir()
    for seed in range(2):
        scene = stereo_scene(RATE // 4, seed=seed).T.numpy()
        soundfile.write(tmp_path / "music" / f"{seed}.wav", scene, RATE)
    names = ("styles", "parameters", "width", "others", "words")
    page = tmp_path / "style.md"
    page.write_text("".join(f"<!-- made: {name} -->\n<!-- end: {name} -->\n" for name in names))

    def made(source, *, method):
        mono, rate = source
        mid, width = torch.from_numpy(mono), method.requested().get("width", 1.0)
        side = 0.5 * width * noise(len(mono), level=float(mid.square().mean().sqrt()))
        return Audio(torch.stack([mid + side, mid - side]).numpy(), rate)

    monkeypatch.setattr(steering, "load_method", lambda *_, style, **__: style)
    monkeypatch.setattr(steering, "upmix", made)
    options = ["--data", str(tmp_path / "music"), "--jobs", "1", "--write", str(page)]
    monkeypatch.setattr(sys, "argv", ["steering.py", *options])
    steering.main()
    text = page.read_text(encoding="utf-8")
    assert all(f"<!-- made: {name} -->\n\n" in text for name in names)
    assert "(2 clips)" in text
    assert "(2 clips)" in capsys.readouterr().out
    assert (tmp_path / "images" / "style.png").stat().st_size > 10_000
