"""The program behind the tables of DualSpec in docs/benchmark.md."""

import argparse
import importlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sounds import noise
from soundstage.evaluation.spatial_generation import ClipFeatures, spatial_prompts
from soundstage.metrics.embeddings.clip_tagging import Tags
from soundstage.scene.dualspec.sampling import SamplingOptions
from soundstage.spectra.dual_spectra import N_SAMPLES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("dualspec")


def features(prompts):
    generator = torch.Generator().manual_seed(len(prompts))
    tags = Tags(
        torch.randn(len(prompts), 4, generator=generator),
        torch.randn(len(prompts), 50, generator=generator).softmax(dim=1),
    )
    azimuths = torch.tensor([float(prompt.azimuth) for prompt in prompts])
    errors = torch.rand(2, len(prompts), generator=generator)
    return ClipFeatures({"tagger": tags}, azimuths, tags.embeddings, *errors)


@pytest.fixture
def bench(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "weights_digest", lambda name: name.encode())
    monkeypatch.setattr(script.systems, "needed_weights", lambda name: (name,))
    options = argparse.Namespace(
        data=tmp_path,
        fold=4,
        efficientat=None,
        all=True,
        limit=3,
        work=tmp_path / "work",
        fresh="",
        jobs=1,
    )
    return script.Bench(options)


def counted(monkeypatch, bench):
    made = []

    def measured(name, prompts, sampling):
        made.append(name)
        arrays = {key: value.numpy() for key, value in features(prompts).tensors().items()}
        return arrays | ({"psnr": np.full(len(prompts), 20.0)} if name.endswith("-vae") else {})

    monkeypatch.setattr(bench, "_measured", measured)
    return made


def test_a_row_is_measured_once_for_the_same_weights_and_settings(script, bench, monkeypatch):
    made = counted(monkeypatch, bench)
    first, paired = bench.features("dualspec", bench.prompts, SamplingOptions())
    again, _ = bench.features("dualspec", bench.prompts, SamplingOptions())
    torch.testing.assert_close(first.spatial, again.spatial)
    assert made == ["dualspec"]
    assert paired == {}
    bench.features("dualspec", bench.prompts, SamplingOptions(steps=4))
    monkeypatch.setattr(script, "weights_digest", lambda name: b"new" + name.encode())
    bench.features("dualspec", bench.prompts, SamplingOptions())
    assert made == ["dualspec"] * 3
    assert bench.features("stft-vae", bench.prompts, SamplingOptions())[1] == {"psnr": 20}


def test_all_tables_and_figures_are_made_from_rows(script, bench, monkeypatch):
    counted(monkeypatch, bench)
    monkeypatch.setattr(script, "cost", lambda name: {"rtf": 0.25})
    names = ["stft-vae", "dualspec", script.LIBRARY, script.TRUE]
    found = script.sections(bench, names, "dualspec")
    assert set(found) == {"dualspec 1", "dualspec 2", "dualspec 3", "dualspec curves"}
    page = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    assert all(f"<!-- made: {key} -->" in page for key in found)
    assert "| `stft-vae` | – | – |" in found["dualspec 1"]
    assert "| library + hrtf | – | – | 0.250 |" in found["dualspec 2"]
    assert found["dualspec 3"].count("| `dualspec` |") == 3
    assert len(found["dualspec curves"].splitlines()) == 2 * 2 + 1 + 5 + 5
    figures = json.loads((bench.options.work / "figures.json").read_text())
    assert figures["dualspec"]["acc"] == figures["dualspec doa"]["acc"] == 1
    assert figures["steps 4"]["clips"] == math.ceil(36 / script.CURVE_EVERY)


def test_the_reference_and_true_binaural_share_no_recording(script, tmp_path):
    lines = ["file,fold,class"]
    for index in range(5):
        name = f"{index}.wav"
        soundfile.write(tmp_path / name, noise(16_000, seed=index).numpy(), 16_000)
        lines.append(f"{name},{1 if index == 4 else 4},dog")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    prompts = spatial_prompts(["dog"])[:4]
    made = {}
    for name in (script.REFERENCE, script.TRUE):
        system = script.systems.make_system(name, tmp_path, 4, SamplingOptions())
        made[name] = system(prompts)
        assert made[name].shape == (4, 2, N_SAMPLES)
        torch.testing.assert_close(made[name], system(prompts))
    alike = [
        float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].abs())
        for one, other in zip(made[script.REFERENCE], made[script.TRUE], strict=True)
    ]
    assert max(alike) < 0.2
    first, second = made[script.REFERENCE].square().sum(dim=2)[:2].log()
    assert abs(float(first[0] - first[1])) < abs(float(second[0] - second[1]))  # 0°, then 30°


def test_paired_measures_of_equal_clips_are_perfect(script):
    sound = noise(2 * 16_000).reshape(2, -1)
    row = script.paired_measures(sound, sound)
    assert row["psnr"] == row["image psnr"] == math.inf
    assert row["ssim"] == pytest.approx(1)
    assert row["image ssim"] == pytest.approx(1)
    assert script.paired_measures(0.5 * sound, sound)["image ssim"] < 1
