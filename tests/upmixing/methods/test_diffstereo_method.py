from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sounds import cut, decibels, song
from soundstage.diffusion import trailing_times
from soundstage.errors import WeightsError
from soundstage.networks.models.stereo_diffusion import StereoDiffusionConfig
from soundstage.stereo.compressed_stft import GAMMA, compress, expand
from soundstage.upmixing import make_side, upmix_blocks, upmix_file
from soundstage.upmixing.methods.diffstereo import PAPER, DiffStereo, DiffStereoSampling, load
from soundstage.weights.model import save_model
from tiny import save_regression

CONFIG = StereoDiffusionConfig(
    depth=1, dim=64, heads=2, mlp_ratio=1, patch_size=(2, 8), context_frames=16,
    diffusion_steps=50, attention="axial",
)  # fmt: skip
QUICK = DiffStereoSampling(steps=2, overlap=0.25)
HOP = 300


def network(seed: int = 0) -> torch.nn.Module:
    """With random weights, where training starts from zeros."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CONFIG.build().eval().requires_grad_(False)
        for parameter in model.parameters():
            parameter.normal_(std=0.1)
    return model


class Oracle:
    """Predicts the exact noise on a left of 1.5 times the mono and a right of half of it."""

    def __init__(self) -> None:
        self.schedule = CONFIG.schedule()
        self.calls: list[tuple[float, int]] = []

    def __call__(self, state: Tensor, times: Tensor, mono: Tensor) -> Tensor:
        self.calls.append((float(times[0]), mono.shape[-1]))
        spectrum = expand(torch.complex(mono[:, 0], mono[:, 1]), GAMMA)
        left, right = compress(1.5 * spectrum, GAMMA), compress(0.5 * spectrum, GAMMA)
        clean = torch.stack([left.real, left.imag, right.real, right.imag], dim=1)
        alpha, sigma = (float(each[0]) for each in self.schedule.level(times))
        return (state - alpha * clean) / sigma


METHOD = DiffStereo(network(), CONFIG, QUICK)


@settings(max_examples=5)
@given(length=st.integers(0, 40 * HOP), places=st.lists(st.integers(0, 40 * HOP), max_size=5))
def test_blocks_of_any_size_give_the_same_sound(length: int, places: list[int]) -> None:
    sound = song(length, rate=24_000)
    whole = make_side(METHOD, sound, seed=3)
    stream = METHOD.stream([3])
    with torch.inference_mode():
        parts = [*map(stream.push, cut(sound, places)), stream.finish()]
    streamed = torch.cat(parts, dim=-1)[0]
    assert streamed.shape == whole.shape == (2, length)
    assert bool(whole.isfinite().all())
    torch.testing.assert_close(streamed, whole, rtol=1e-4, atol=1e-4)


def test_takes_differ_and_each_is_the_same_alone() -> None:
    sound = song(20 * HOP, rate=24_000)
    with torch.inference_mode():
        stream = METHOD.stream([4, 5])
        takes = torch.cat([stream.push(sound), stream.finish()], dim=-1)
    assert torch.equal(takes[0], make_side(METHOD, sound, seed=4))
    assert torch.equal(takes[1], make_side(METHOD, sound, seed=5))
    assert float((takes[0] - takes[1]).norm()) > 0.1 * float(takes[0].norm())


@pytest.mark.parametrize(
    "sampling",
    [
        DiffStereoSampling(3),
        DiffStereoSampling(3, "dpm-solver", 0.5),
        DiffStereoSampling(5, "ancestral", 0.01),
    ],
)
@pytest.mark.parametrize("length", [100, 50 * HOP + 7])
def test_an_exact_network_gives_the_exact_stereo(sampling: DiffStereoSampling, length: int) -> None:
    sound = song(length, rate=24_000)
    mid, side = make_side(DiffStereo(Oracle(), CONFIG, sampling), sound)
    assert decibels(mid - sound, sound) < -60
    assert decibels(side - 0.5 * sound, sound) < -60


def test_estimates_are_clamped_to_the_magnitudes_of_sound() -> None:
    """At the noisy end little signal is left, and a small error of the noise is a loud sound."""
    state = torch.randn(1, 4, 513, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        clean = METHOD.denoiser(torch.zeros(2, 513, 16), 1)(state, 50)
    magnitudes = clean.unflatten(1, (2, 2)).norm(dim=2)
    assert 0.99 < float(magnitudes.median()) <= float(magnitudes.max()) < 1.0001


def test_windows_have_the_length_of_the_training_and_times_fall() -> None:
    oracle = Oracle()
    make_side(DiffStereo(oracle, CONFIG, DiffStereoSampling(5, overlap=0.25)), song(40 * HOP))
    times, frames = zip(*oracle.calls, strict=True)
    assert set(frames) == {16}
    windows = 1 + -(-(41 - 16) // 12)
    assert list(times) == [50, 40, 30, 20, 10] * windows


def test_the_sampling_of_the_paper_is_a_thousand_ancestral_steps() -> None:
    config = replace(CONFIG, diffusion_steps=1000)
    assert (PAPER.steps, PAPER.sampler) == (1000, "ancestral")
    times = trailing_times(DiffStereo(network(), config, PAPER).schedule, PAPER.steps)
    assert times.tolist() == list(range(1000, -1, -1))
    with pytest.raises(ValueError, match="1000 steps"):
        DiffStereo(network(), CONFIG, PAPER)


def test_the_ancestral_sampler_adds_noise_in_its_steps() -> None:
    sound = song(12 * HOP, rate=24_000)
    one, other = (
        make_side(DiffStereo(network(), CONFIG, DiffStereoSampling(4, sampler)), sound)
        for sampler in ("ddim", "ancestral")
    )
    assert float((one - other).norm()) > 0.1 * float(one.norm())


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"sampler": "euler"}, {"overlap": 0.0}, {"overlap": 0.6}]
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        DiffStereoSampling(**wrong)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_the_engine_runs_a_method_of_another_rate_that_makes_a_mid(rate: int) -> None:
    sound = song(rate, rate=rate).numpy()
    method = DiffStereo(Oracle(), CONFIG, DiffStereoSampling(1))
    blocks = list(upmix_blocks([sound[:999], sound[999:]], method, rate, seeds=[0]))
    stereo = np.concatenate([block.left_right() for (block,) in blocks], axis=1)
    assert stereo.shape == (2, rate)
    left, right, mono = np.fft.rfft(np.hanning(rate) * np.stack([*stereo, sound]))  # bins of 1 Hz
    kept = slice(0, min(11_000, int(0.45 * rate)))
    assert decibels(np.abs(left[kept] - 1.5 * mono[kept]), np.abs(mono[kept])) < -60
    assert decibels(np.abs(right[kept] - 0.5 * mono[kept]), np.abs(mono[kept])) < -60
    if rate == 44_100:
        assert decibels(np.abs(left[12_500:]), np.abs(mono[12_500:])) < -60


def test_the_report_says_that_the_fold_down_is_not_exact(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", song(10_000).numpy(), 44_100)
    report = upmix_file(tmp_path / "mono.wav", tmp_path / "stereo.wav", method=METHOD)
    assert not report.exact_fold_down
    assert "the fold-down is not exact" in report.sentence()
    assert soundfile.read(tmp_path / "stereo.wav")[0].shape == (10_000, 2)


def test_a_saved_network_is_loaded(tmp_path: Path) -> None:
    path, model = tmp_path / "own.safetensors", network()
    save_model(path, CONFIG, model.state_dict())
    for value in model.state_dict().values():
        value.copy_(value.half())
    found = make_side(load(str(path), sampling=QUICK), song(10 * HOP))
    assert torch.equal(found, make_side(DiffStereo(model, CONFIG, QUICK), song(10 * HOP)))


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_regression(path)
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        load(str(path))
