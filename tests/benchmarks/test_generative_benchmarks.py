"""The programs behind the tables of docs/masked.md and docs/diffusion.md, on short sounds."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch

import soundstage
from sounds import RATE, stereo_scene

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def write(path: Path, sound: torch.Tensor) -> Path:
    soundfile.write(path, sound.T.numpy(), RATE, subtype="PCM_16")
    return path


def test_jumps_are_compared_at_the_borders_of_windows(script, tmp_path):
    borders = script("borders")
    assert borders.border_frames("masked", 1100).tolist() == [512, 768, 1024]
    assert borders.border_frames("masked", 40).tolist() == []
    assert borders.border_frames("diffusion", 1300).tolist() == [448, 832, 1216]
    assert borders.border_frames("diffusion", 40).tolist() == []
    mono = write(tmp_path / "mono.wav", stereo_scene(14 * RATE).mean(dim=0, keepdim=True))
    iid, coherence, count = borders.jump_ratios(mono, "masked")
    assert count == 1
    assert 0.1 < iid < 10
    assert 0.1 < coherence < 10


def test_a_trial_is_measured_on_its_audio(script, tmp_path):
    decoding = script("decoding")
    names = [trial.name for trial in decoding.trials()]
    assert len(set(names)) == len(names) > 15
    track = write(tmp_path / "track.wav", stereo_scene(4 * RATE))
    trial = decoding.trials()[0]
    trial = replace(trial, decoding=replace(trial.decoding, steps=1, first_steps=1))
    made, real = decoding.measure(track, trial, None, 4.0, 2)
    assert made.error > 0 == real.error
    assert made.pool.frames == 2 * real.pool.frames
    line = decoding.summed("one", [(made, real)])
    assert line.d_f > 0
    assert line.true_iid_fluctuation == pytest.approx(real.iid_fluctuation)
    assert line.row().startswith("| one | ")


def test_the_most_likely_style_uses_one_seed_for_all(script, tmp_path):
    decoding = script("decoding")
    sound = stereo_scene(2 * RATE)
    paths = [write(tmp_path / name, sound) for name in ("a.wav", "b.wav")]
    quick = replace(decoding.trials()[0].decoding, steps=1, first_steps=1)
    for likeliest in (True, False):
        trial = decoding.Trial("t", quick, likeliest)
        errors = {decoding.measure(path, trial, None, 2.0, 1)[0].error for path in paths}
        assert len(errors) == (1 if likeliest else 2)


def test_samplers_are_measured_against_the_true_stereo(script, tmp_path):
    steps = script("diffusion_steps")
    names = [trial.name for trial in steps.trials()]
    assert len(set(names)) == len(names) > 30
    by_name = {trial.name: trial for trial in steps.trials()}
    assert by_name["`euler`, 8"].evaluations == 8
    assert by_name["`heun`, 8"].evaluations == 15  # the last of its steps ends without noise
    track = write(tmp_path / "track.wav", stereo_scene(4 * RATE))
    made, real = steps.measure(track, by_name["`euler`, 1"], None, 4.0)
    line = steps.summed("one", 1, [made], [real])
    assert line.d_f > 0.1
    assert line.lsd > 1
    assert line.factor > 0
    true = steps.summed("true", 0, [real], [real])
    assert true.d_f == pytest.approx(0, abs=1e-3)
    assert true.lsd == pytest.approx(0, abs=1e-3)
    assert line.row().startswith("| one | 1 | ")
    steps.draw(
        [line._replace(name="`euler`, 1"), line._replace(name="`euler`, 8")], tmp_path / "a.png"
    )
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_spectra_are_drawn_beside_the_true_stereo(script, tmp_path):
    spectra = script("spectra")
    truth = soundstage.Audio(stereo_scene(2 * RATE).numpy(), RATE)
    made = spectra.upmixed(["decorrelate"], truth)
    assert spectra.side_distance(truth, truth) == pytest.approx(0, abs=1e-3)
    assert 1 < spectra.side_distance(made["decorrelate"], truth) < 40
    spectra.draw({"true stereo": truth, **made}, tmp_path / "spectra.png")
    assert (tmp_path / "spectra.png").stat().st_size > 10_000
