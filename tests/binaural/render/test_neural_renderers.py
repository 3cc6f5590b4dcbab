"""`wavenet`, `warpnet` and `binauralgrad` with small networks that were never trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from soundstage.binaural.render.neural_weights import (
    BinauralWaveNetConfig,
    Calibration,
    GradShape,
    LoadedNetwork,
    WarpNetShape,
)

from sounds import noise
from soundstage.binaural import constant, orbit
from soundstage.binaural.render import neural_stream as streaming
from soundstage.binaural.render.binauralgrad import BinauralGradRenderer, BinauralGradSampling
from soundstage.binaural.render.warpnet_wavenet import WarpNetRenderer, WaveNetRenderer
from soundstage.binaural.renderers import Renderer, render
from soundstage.errors import OptionError, WeightsError

RATE = 48_000
KNOWN = Calibration(10.0, 1.0, 0.5, 2.5)
FRAMES = GradShape(
    view=1, blocks=1, layers=2, channels=4, kernel=3, stage=2, frame=16, separable=1,
    condition=4, taps=5, rank=2, step=8, flow=1,
)  # fmt: skip
PAPER = replace(FRAMES, view=0, frame=0, separable=0, taps=0, rank=0, flow=0)
SOUND = (0.1 * noise(30_000, seed=2)).numpy()


def loaded(shape: BinauralWaveNetConfig | WarpNetShape | GradShape) -> LoadedNetwork:
    """Weights out of nothing, none of them zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = shape.network().eval().requires_grad_(False)
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return LoadedNetwork(shape, KNOWN, network)


def two_stages(shape: GradShape, **options: object) -> BinauralGradRenderer:
    return BinauralGradRenderer(
        [loaded(replace(shape, stage=stage)) for stage in (0, 1)], **options
    )


def renderers() -> dict[str, Renderer]:
    return {
        "wavenet": WaveNetRenderer(loaded(BinauralWaveNetConfig(1, 1, 3, 4, 2))),
        "warpnet": WarpNetRenderer(loaded(WarpNetShape(1, 1, 3, 4, 2, 3, 2, 4))),
        "single": BinauralGradRenderer([loaded(FRAMES)]),
        "two stages": two_stages(FRAMES),
        "of the paper": two_stages(PAPER),
    }


NAMES = list(renderers())


@pytest.mark.parametrize("name", NAMES)
def test_every_renderer_makes_two_ears_of_any_cuts(name: str) -> None:
    renderer = renderers()[name]
    whole = render(SOUND, orbit(2, 1), RATE, renderer)
    assert np.isfinite(whole).all()
    assert np.abs(whole).max(axis=1).min() > 1e-3
    stream = renderer.stream(orbit(2, 1), RATE)
    parts = [stream.push(SOUND[:7]), stream.push(SOUND[7:20_000]), stream.push(SOUND[20_000:])]
    made = np.concatenate([*parts, stream.finish()], axis=-1)
    np.testing.assert_array_equal(made, whole)


@pytest.mark.parametrize("name", ["wavenet", "warpnet"])
def test_windows_of_one_pass_see_as_far_as_they_can_hear(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = render(SOUND, orbit(2, 1), RATE, renderers()[name])
    monkeypatch.setattr(streaming, "CHUNK", 4800)
    short = render(SOUND, orbit(2, 1), RATE, renderers()[name])
    np.testing.assert_allclose(short, whole, atol=1e-4 * np.abs(whole).max())


@pytest.mark.parametrize("name", ["single", "two stages"])
def test_noise_and_result_of_diffusion_belong_to_a_place_not_to_a_window(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_stage = BinauralGradSampling(2, 1.0)
    renderer = (
        BinauralGradRenderer([loaded(FRAMES)], sampling=sample_stage)
        if name == "single"
        else two_stages(FRAMES, sampling=sample_stage)
    )
    whole = render(SOUND, orbit(2, 1), RATE, renderer)
    monkeypatch.setattr(streaming, "CHUNK", 9600)
    short = render(SOUND, orbit(2, 1), RATE, renderer)
    # A second step hears a little of where the window of the first one ended
    error = ((short - whole) ** 2).mean() / (whole**2).mean()
    assert 10 * np.log10(error) < -60


@pytest.mark.parametrize("shape", [FRAMES, PAPER])
def test_a_seed_is_a_result(shape: GradShape) -> None:
    sample_stage = BinauralGradSampling(temperature=1.0)
    one, again, other = (
        render(SOUND, constant(30), RATE, two_stages(shape, seed=seed, sampling=sample_stage))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-4


def test_the_mean_of_our_network_has_no_seed_and_the_papers_is_a_draw() -> None:
    for shape, alike in ((FRAMES, True), (PAPER, False)):
        one, other = (
            render(SOUND, constant(30), RATE, two_stages(shape, seed=seed)) for seed in (0, 1)
        )
        assert np.array_equal(one, other) == alike


def test_steps_are_as_many_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    single = loaded(FRAMES)
    ask = type(single.network).forward

    def counted(network: torch.nn.Module, *heard: torch.Tensor, **named: torch.Tensor):
        calls.append(1)
        return ask(network, *heard, **named)

    monkeypatch.setattr(type(single.network), "forward", counted)
    for steps in (1, 4):
        calls.clear()
        sampling = BinauralGradSampling(steps)
        render(SOUND, constant(0), RATE, BinauralGradRenderer([single], sampling=sampling))
        assert len(calls) == steps  # in one window


def test_samplings_that_cannot_be_are_refused() -> None:
    for steps in (0, -1, 201):
        with pytest.raises(OptionError, match="1 to 200"):
            BinauralGradSampling(steps)
    for temperature in (-0.1, 1.1, float("nan")):
        with pytest.raises(OptionError, match="0 to 1"):
            BinauralGradSampling(temperature=temperature)


def test_stages_that_do_not_go_together_are_refused() -> None:
    common, specific = (loaded(replace(FRAMES, stage=stage)) for stage in (0, 1))
    for networks in ([], [common], [specific], [specific, common], [loaded(FRAMES), specific]):
        with pytest.raises(WeightsError, match="common and a specific stage"):
            BinauralGradRenderer(networks)
    elsewhere = specific._replace(calibration=replace(KNOWN, scale=11.0))
    with pytest.raises(WeightsError, match="same recordings"):
        BinauralGradRenderer([common, elsewhere])
