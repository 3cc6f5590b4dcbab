"""`wavenet`, `warpnet` and `binauralgrad` with small untrained networks."""

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sounds import noise
from soundstage.binaural import constant, orbit
from soundstage.binaural.render import neural_stream as streaming
from soundstage.binaural.render.binauralgrad import BinauralGradRenderer, BinauralGradSampling
from soundstage.binaural.render.neural_stream import NetworkInputs
from soundstage.binaural.render.warpnet_wavenet import WarpNetRenderer, WaveNetRenderer
from soundstage.binaural.renderers import Renderer, render
from soundstage.errors import OptionError, WeightsError
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_grad import BinauralGradConfig, FramesConfig
from soundstage.networks.models.binaural_wavenet import (
    BinauralConfig,
    BinauralWaveNetConfig,
    Calibration,
    WarpNetConfig,
)
from soundstage.weights.model import LoadedModel, Weights

RATE = 48_000
SOUND = (0.1 * noise(20_000, seed=2)).numpy()
CALIBRATION = Calibration(scale=10.0, loudness=1.0, nearest=0.5, farthest=2.5)
COMMON: dict[str, Any] = dict(
    pose_encoding="directions", pose_dim=10, calibration=CALIBRATION, pose_hop=400
)
STACK = DilatedStackConfig(blocks=1, layers=2, channels=4, kernel_size=3)
WAVENET = BinauralWaveNetConfig(stack=replace(STACK, layers=3, kernel_size=2), **COMMON)
WARPNET = WarpNetConfig(
    stack=replace(STACK, layers=3, kernel_size=2), rank=3, warp_layers=2, warp_channels=4, **COMMON
)
FLOW = BinauralGradConfig(
    stage="single", noise="flow", stack=replace(STACK, separable=True), cond_channels=4,
    time_features=8, frames=FramesConfig(hop=16, taps=5, rank=2), **COMMON,
)  # fmt: skip
PAPER = BinauralGradConfig(
    stage="single", noise="ddpm", stack=STACK, cond_channels=4, time_features=8,
    **{**COMMON, "pose_encoding": "published", "pose_dim": 7},
)  # fmt: skip


def loaded(config: BinauralConfig) -> LoadedModel[Any]:
    """A network with random, nonzero weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = config.build().eval().requires_grad_(False)
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return LoadedModel(config, network, Weights(config.family, {}, {}, "small"))


def two_stages(config: BinauralGradConfig, **options: Any) -> BinauralGradRenderer:
    stages = [loaded(replace(config, stage=stage)) for stage in ("common", "specific")]
    return BinauralGradRenderer(stages, **options)


RENDERERS = {
    "wavenet": lambda: WaveNetRenderer(loaded(WAVENET)),
    "warpnet": lambda: WarpNetRenderer(loaded(WARPNET)),
    "single stage": lambda: BinauralGradRenderer([loaded(FLOW)]),
    "two stages": lambda: two_stages(FLOW),
    "paper": lambda: two_stages(PAPER),
}


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "CHUNK", 9600)


@pytest.mark.parametrize("name", RENDERERS)
def test_block_sizes_do_not_matter(name: str, short_windows: None) -> None:
    renderer: Renderer = RENDERERS[name]()
    whole = render(SOUND, orbit(2, 1), RATE, renderer)
    assert np.isfinite(whole).all()
    assert np.abs(whole).max(axis=1).min() > 1e-3
    stream = renderer.stream(orbit(2, 1), RATE)
    parts = [stream.push(SOUND[:7]), stream.push(SOUND[7:15_000]), stream.push(SOUND[15_000:])]
    found = np.concatenate([*parts, stream.finish()], axis=-1)
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("name", ["wavenet", "warpnet"])
def test_windows_include_the_receptive_field(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = render(SOUND, orbit(2, 1), RATE, RENDERERS[name]())
    monkeypatch.setattr(streaming, "CHUNK", 4800)
    short = render(SOUND, orbit(2, 1), RATE, RENDERERS[name]())
    np.testing.assert_allclose(short, whole, atol=1e-4 * np.abs(whole).max())


def test_diffusion_noise_does_not_depend_on_the_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = two_stages(FLOW, sampling=BinauralGradSampling(2, 1.0))
    whole = render(SOUND, orbit(2, 1), RATE, renderer)
    monkeypatch.setattr(streaming, "CHUNK", 9600)
    short = render(SOUND, orbit(2, 1), RATE, renderer)
    # The second step has the window borders of the first in its receptive field
    error = ((short - whole) ** 2).mean() / (whole**2).mean()
    assert 10 * np.log10(error) < -60


@pytest.mark.parametrize("config", [FLOW, PAPER], ids=["flow", "ddpm"])
def test_a_sample_is_a_function_of_the_seed(
    config: BinauralGradConfig, short_windows: None
) -> None:
    sampling = BinauralGradSampling(2, temperature=1.0)
    one, again, other = (
        render(SOUND[:5000], constant(30), RATE, two_stages(config, seed=seed, sampling=sampling))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-4


def test_the_default_of_our_network_is_the_mean_which_ignores_the_seed(short_windows: None) -> None:
    one, other = (
        render(SOUND[:5000], constant(30), RATE, two_stages(FLOW, seed=seed)) for seed in (0, 1)
    )
    assert np.array_equal(one, other)


@pytest.mark.parametrize("name", RENDERERS)
def test_everything_is_computed_on_the_device_of_the_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer: Any = RENDERERS[name]()
    for model in getattr(renderer, "_networks", []):
        model.network.to("meta")
    if hasattr(renderer, "_network"):
        renderer._network.to("meta")
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    features = (renderer.pose_encoding == "published" and 7) or 10
    inputs = NetworkInputs(
        torch.zeros(1, 16_000),
        torch.zeros(1, features, 41),
        torch.full((1, 2, 16_000), 50.0, dtype=torch.float64),
        0,
    )
    with torch.inference_mode():
        assert renderer.predict(inputs.to(torch.device("meta"))).device.type == "meta"


def test_settings_out_of_range_are_refused() -> None:
    for steps in (0, 201):
        with pytest.raises(OptionError, match="1 to 200"):
            BinauralGradSampling(steps)
    for temperature in (-0.1, 1.1, float("nan")):
        with pytest.raises(OptionError, match="0 to 1"):
            BinauralGradSampling(temperature=temperature)


def test_stages_that_do_not_match_are_refused() -> None:
    common, specific = (loaded(replace(FLOW, stage=stage)) for stage in ("common", "specific"))
    for networks in ([], [common], [specific, common], [loaded(FLOW), specific]):
        with pytest.raises(WeightsError, match="common and a specific stage"):
            BinauralGradRenderer(networks)
    louder = replace(specific.config, calibration=replace(CALIBRATION, scale=11.0))
    with pytest.raises(WeightsError, match="training recordings"):
        BinauralGradRenderer([common, replace(specific, config=louder)])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pose_dim": 9}, "another pose encoding"),
        ({"calibration": replace(CALIBRATION, nearest=0.01)}, "trained at 0.01 to 2.5 m"),
        ({"calibration": replace(CALIBRATION, nearest=3.0)}, "trained at 3 to 2.5 m"),
    ],
)
def test_a_network_that_does_not_fit_this_version_is_refused(changes: dict, reason: str) -> None:
    model = loaded(WAVENET)
    with pytest.raises(WeightsError, match=reason):
        WaveNetRenderer(replace(model, config=replace(WAVENET, **changes)))
