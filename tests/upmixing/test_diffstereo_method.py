from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings, strategies as st
from soundstage.upmixing.diffstereo_weights import (
    FAMILY,
    DiffStereoConfig,
    load_stereo_diffusion,
    network_tensors,
)
from torch import Tensor

from sounds import cut, decibels, song
from soundstage.diffusion import trailing_times
from soundstage.errors import WeightsError
from soundstage.stereo.compressed_stft import GAMMA, compress, expand
from soundstage.upmixing import make_side, upmix_file
from soundstage.upmixing.engine import upmix_blocks
from soundstage.upmixing.methods.diffstereo import (
    PAPER,
    DiffStereo,
    DiffStereoSampling,
    load_diffstereo,
)
from soundstage.weights.model import save_weights

SHAPE = DiffStereoConfig(
    blocks=1, width=64, heads=2, expansion=1, patch_frames=2, patch_bins=8, frames=16, steps=50,
    axial=1,
)  # fmt: skip
QUICK = DiffStereoSampling(steps=2, overlap=0.25)
HOP = 300


def network(seed: int = 0) -> torch.nn.Module:
    """That was taught nothing, and says something all the same."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = SHAPE.network().eval().requires_grad_(False)
        for each in made.parameters():
            each.normal_(std=0.1)
    return made


class Knowing:
    """Tells exactly the noise on a left of 1.5 times the mono and a right of half of it; keeps what
    it was asked about."""

    def __init__(self, shape: DiffStereoConfig) -> None:
        self.schedule = shape.schedule()
        self.asked: list[tuple[float, int]] = []

    def __call__(self, state: Tensor, times: Tensor, mono: Tensor) -> Tensor:
        self.asked.append((float(times[0]), mono.shape[-1]))
        heard = expand(torch.complex(mono[:, 0], mono[:, 1]), GAMMA)
        left, right = compress(1.5 * heard, GAMMA), compress(0.5 * heard, GAMMA)
        clean = torch.stack([left.real, left.imag, right.real, right.imag], dim=1)
        alpha, sigma = (float(each[0]) for each in self.schedule.level(times))
        return (state - alpha * clean) / sigma


UPMIXER = DiffStereo(network(), SHAPE, QUICK)


@settings(max_examples=5)
@given(length=st.integers(1, 40 * HOP), places=st.lists(st.integers(0, 40 * HOP), max_size=5))
def test_blocks_of_any_size_give_the_same_sound(length: int, places: list[int]) -> None:
    sound = song(length, rate=24_000)
    whole = make_side(UPMIXER, sound, seed=3)
    stream = UPMIXER.stream(seed=3)
    with torch.inference_mode():
        parts = [*map(stream.push, cut(sound, places)), stream.finish()]
    made = torch.cat(parts, dim=1)
    assert made.shape == whole.shape == (2, length)
    torch.testing.assert_close(made, whole, rtol=0, atol=1e-4 * float(whole.abs().max()))


@pytest.mark.parametrize("length", [0, 1, HOP, HOP + 1, 15 * HOP, 15 * HOP + 1, 28 * HOP])
def test_signals_of_any_length_keep_it(length: int) -> None:
    made = make_side(UPMIXER, song(length, rate=24_000))
    assert made.shape == (2, length)
    assert bool(made.isfinite().all())


def test_each_seed_is_a_take_of_its_own_whatever_is_made_beside_it() -> None:
    sound = song(20 * HOP, rate=24_000)
    with torch.inference_mode():
        stream = UPMIXER.takes([4, 5])
        takes = [
            torch.cat(each, dim=-1)
            for each in zip(stream.push(sound), stream.finish(), strict=True)
        ]
    assert torch.equal(takes[0], make_side(UPMIXER, sound, seed=4))
    assert torch.equal(takes[1], make_side(UPMIXER, sound, seed=5))
    assert float((takes[0] - takes[1]).norm()) > 0.1 * float(takes[0].norm())


@pytest.mark.parametrize(
    "sampling",
    [
        DiffStereoSampling(3),
        DiffStereoSampling(3, "dpm-solver", 0.5),
        DiffStereoSampling(4, "ancestral"),
        DiffStereoSampling(5, "ancestral", 0.01),
    ],
)
@pytest.mark.parametrize("length", [100, 50 * HOP + 7])
def test_a_network_that_knows_left_and_right_makes_them(
    sampling: DiffStereoSampling, length: int
) -> None:
    sound = song(length, rate=24_000)
    made = make_side(DiffStereo(Knowing(SHAPE), SHAPE, sampling), sound)
    assert decibels(made[0] - sound, sound) < -60
    assert decibels(made[1] - 0.5 * sound, sound) < -60


def test_estimates_are_no_louder_than_sound_can_be() -> None:
    """At the noisy end little signal is left, and a mistake about the noise is a loud sound."""
    state = torch.randn(1, 4, 513, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        clean = UPMIXER.denoiser(torch.zeros(2, 513, 16), 1)(state, 50)
    magnitudes = clean.unflatten(1, (2, 2)).norm(dim=2)
    assert 0.99 < float(magnitudes.median()) <= float(magnitudes.max()) < 1.0001


def test_windows_have_the_length_of_the_training_and_steps_fall_to_the_first() -> None:
    knowing = Knowing(SHAPE)
    make_side(DiffStereo(knowing, SHAPE, DiffStereoSampling(5, overlap=0.25)), song(40 * HOP))
    times, frames = zip(*knowing.asked, strict=True)
    assert set(frames) == {16}
    windows = 1 + -(-(41 - 16) // 12)
    assert list(times) == [50, 40, 30, 20, 10] * windows


def test_the_sampling_of_the_paper_is_a_thousand_ancestral_steps() -> None:
    shape = replace(SHAPE, steps=1000)
    assert (PAPER.steps, PAPER.sampler) == (1000, "ancestral")
    times = trailing_times(DiffStereo(network(), shape, PAPER).schedule, PAPER.steps)
    assert times.tolist() == list(range(1000, -1, -1))
    with pytest.raises(ValueError, match="1000 steps of sampling are more than the 50"):
        DiffStereo(network(), SHAPE, PAPER)


def test_the_ancestral_sampler_draws_in_its_steps() -> None:
    sound, made = song(12 * HOP, rate=24_000), []
    for sampler in ("ddim", "ancestral"):
        sampling = DiffStereoSampling(4, sampler)
        made.append(make_side(DiffStereo(network(), SHAPE, sampling), sound))
    assert float((made[0] - made[1]).norm()) > 0.1 * float(made[0].norm())


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"sampler": "euler"}, {"overlap": 0.0}, {"overlap": 0.6}]
)
def test_what_cannot_be_sampled_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"samplers are|a step or more"):
        DiffStereoSampling(**wrong)


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100])
def test_the_engine_takes_a_method_of_another_rate_and_with_a_mid_of_its_own(rate: int) -> None:
    sound = song(rate, rate=rate).numpy()
    upmixer = DiffStereo(Knowing(SHAPE), SHAPE, DiffStereoSampling(1))
    blocks = list(upmix_blocks([sound[:999], sound[999:]], upmixer, rate))
    made = np.concatenate([block.left_right() for block in blocks], axis=1)
    assert made.shape == (2, rate)
    left, right, heard = np.fft.rfft(np.hanning(rate) * np.stack([*made, sound]))  # bins of 1 Hz
    kept = slice(0, min(11_000, int(0.45 * rate)))
    assert decibels(np.abs(left[kept] - 1.5 * heard[kept]), np.abs(heard[kept])) < -60
    assert decibels(np.abs(right[kept] - 0.5 * heard[kept]), np.abs(heard[kept])) < -60
    if rate == 44_100:
        assert decibels(np.abs(left[12_500:]), np.abs(heard[12_500:])) < -60


def test_a_file_is_reported_as_not_folding_down(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", song(10_000).numpy(), 44_100)
    report = upmix_file(tmp_path / "mono.wav", tmp_path / "stereo.wav", UPMIXER)
    assert not report.exact_fold_down
    assert "the fold-down is not exact" in report.sentence()
    assert soundfile.read(tmp_path / "stereo.wav")[0].shape == (10_000, 2)


def saved(path: Path, **changes: Tensor | None) -> str:
    tensors = {**network_tensors(SHAPE, network().state_dict()), **changes}
    save_weights(path, FAMILY, {name: each for name, each in tensors.items() if each is not None})
    return str(path)


def test_a_saved_network_is_the_one_that_upmixes(tmp_path: Path) -> None:
    source = saved(tmp_path / "own.safetensors")
    shape, loaded = load_stereo_diffusion(source)
    assert shape == SHAPE
    for name, value in network().state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())
    made = make_side(load_diffstereo(source, sampling=QUICK), song(10 * HOP))
    assert torch.equal(made, make_side(DiffStereo(loaded, SHAPE, QUICK), song(10 * HOP)))


NUMBERS = [1, 64, 2, 1, 2, 8, 16, 50, 1]  # in the order of the shape


@pytest.mark.parametrize(
    ("place", "number"),
    [
        (0, 0), (0, 65), (1, 0), (1, 1 << 40), (2, 257), (3, 17), (4, 65), (5, 514), (6, 7),
        (6, 8193), (7, 49), (7, 10_001), (8, 2), (8, -1), (0, -1),
    ],
)  # fmt: skip
def test_a_file_that_claims_an_unheard_of_shape_is_refused(
    tmp_path: Path, place: int, number: int
) -> None:
    numbers = torch.tensor([*NUMBERS[:place], number, *NUMBERS[place + 1 :]])
    source = saved(tmp_path / "own.safetensors", shape=numbers)
    with pytest.raises(WeightsError, match="unheard-of shape"):
        load_diffstereo(source)


@pytest.mark.parametrize(
    ("place", "number", "says"),
    [(2, 5, "cannot share"), (5, 9, "lets through"), (0, 2, "no tensor"), (1, 128, "should be")],
)
def test_a_shape_that_the_tensors_do_not_have_is_refused(
    tmp_path: Path, place: int, number: int, says: str
) -> None:
    numbers = torch.tensor([*NUMBERS[:place], number, *NUMBERS[place + 1 :]])
    with pytest.raises(WeightsError, match=says):
        load_diffstereo(saved(tmp_path / "own.safetensors", shape=numbers))


def test_damaged_tensors_are_refused(tmp_path: Path) -> None:
    name = "transformer.noisy.weight"
    good = network().state_dict()[name].half()
    bad = good.clone()
    bad[0, 0] = torch.nan
    refused = partial(saved, tmp_path / "own.safetensors")
    for changes, says in (
        ({name: None}, "no tensor"),
        ({name: good.float()}, "should be"),
        ({name: bad}, "no number"),
        ({"shape": None}, "no tensor 'shape'"),
        ({"shape": torch.tensor(NUMBERS).float()}, "should be"),
    ):
        with pytest.raises(WeightsError, match=says):
            load_diffstereo(refused(**changes))
    with pytest.raises(WeightsError, match="There are no weights"):
        load_diffstereo(str(tmp_path / "none.safetensors"))
