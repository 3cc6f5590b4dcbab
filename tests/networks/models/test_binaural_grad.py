from dataclasses import replace

import pytest
import torch

from network_checks import (
    DELAYS,
    GAINS,
    HOP,
    affected_range,
    delayed,
    fill_zeros,
    loss_ratio,
    noise,
    poses,
    two_static_poses,
    without_gradient,
)
from soundstage.diffusion import Parametrization
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_grad import (
    DIFFUSION_STEPS,
    BinauralGradConfig,
    BinauralGradFrames,
    FramesConfig,
    Stage,
    TimestepEmbedding,
)
from soundstage.networks.models.binaural_wavenet import Calibration
from soundstage.weights.model import load_model, save_model, uninitialized

FRAME, SAMPLES = 10, 300
PAPER = BinauralGradConfig(
    pose_encoding="published",
    pose_dim=7,
    pose_hop=HOP,
    calibration=Calibration(scale=1, loudness=1, nearest=0.3, farthest=2.5),
    stack=DilatedStackConfig(blocks=1, layers=4, channels=12, kernel_size=3),
    stage="specific",
    cond_channels=8,
    cond_hidden=(6, 8),
    time_features=8,
)
FRAMES = replace(
    PAPER,
    stack=DilatedStackConfig(blocks=1, layers=2, channels=24, kernel_size=3, separable=True),
    frames=FramesConfig(hop=FRAME, taps=9, rank=4),
)
CONFIGS = {"paper": PAPER, "frames": FRAMES}
KINDS, STAGES = list(CONFIGS), [stage.value for stage in Stage]
TIMES = torch.tensor([3.0, 120.0])


def network(kind: str, stage: str = "specific", noise_kind: str = "ddpm") -> torch.nn.Module:
    torch.manual_seed(0)
    return replace(CONFIGS[kind], stage=stage, noise=noise_kind).build()


def inputs(stage: str = "specific", samples: int = SAMPLES) -> list[torch.Tensor]:
    signals = noise(2, Stage(stage).signals, samples, seed=4)
    return [noise(2, Stage(stage).channels, samples), TIMES, signals, poses(samples)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("samples", [1, SAMPLES + 3])
def test_an_untrained_network_predicts_no_noise(kind: str, stage: str, samples: int) -> None:
    arguments = inputs(stage, samples)
    output = network(kind, stage)(*arguments)
    assert output.shape == arguments[0].shape
    assert not output.any()


@pytest.mark.parametrize("stage", STAGES)
def test_an_untrained_network_of_a_flow_passes_the_nearest_signal(stage: str) -> None:
    model, arguments = network("frames", stage, "flow"), inputs(stage)
    expected = arguments[2][:, list(Stage(stage).nearest)]
    torch.testing.assert_close(model(*arguments), expected, rtol=0, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):  # the filters stay at full precision
        torch.testing.assert_close(model(*arguments), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("stage", Stage)
def test_conditional_audio_is_in_the_order_of_the_paper(stage: Stage) -> None:
    warped, mono, common = noise(2, 2, 50), noise(2, 50, seed=1), noise(2, 50, seed=2)
    left, right = warped.unbind(1)
    expected = {
        Stage.COMMON: [(left + right) / 2, mono],
        Stage.SPECIFIC: [left, right, mono, common],
        Stage.SINGLE: [left, right, mono],
    }[stage]
    found = stage.conditioning(warped, mono, common if stage is Stage.SPECIFIC else None)
    assert found.shape[1] == stage.signals
    torch.testing.assert_close(found, torch.stack(expected, dim=1))
    with pytest.raises(ValueError, match="common part"):
        stage.conditioning(warped, mono, None if stage is Stage.SPECIFIC else common)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changed", [0, 2])
def test_the_receptive_field_bounds_the_effect_of_a_sample(kind: str, changed: int) -> None:
    model, arguments = fill_zeros(network(kind)), inputs()
    before, after = model.receptive_field
    place = 155

    def output(sound: torch.Tensor) -> torch.Tensor:
        return model(*arguments[:changed], sound, *arguments[changed + 1 :])

    first, last = affected_range(output, arguments[changed], place)
    assert place - after <= first < place < last <= place + before
    if kind == "paper":
        own = 0 if changed else 2  # the noisy sound does not pass the Conditioner
        assert (first, last) == (place - after + own, place + before - own)
    else:
        assert last - first > before + after - 5 * FRAME


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [6, 9])
def test_windows_with_the_receptive_field_on_both_sides_equal_the_whole(
    kind: str, cut: int
) -> None:
    model, arguments = fill_zeros(network(kind)), inputs()
    noisy, time, signals, pose = arguments
    place = cut * HOP
    before, after = model.receptive_field
    start, end = (place - before) // HOP * HOP, place + after
    assert 0 < start < end < SAMPLES
    with torch.no_grad():
        whole = model(*arguments)
        first = model(noisy[..., :end], time, signals[..., :end], pose)[..., :place]
        second = model(noisy[..., start:], time, signals[..., start:], pose[..., start // HOP :])
    both = torch.cat([first, second[..., place - start :]], dim=-1)
    torch.testing.assert_close(both, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_affects_its_own_example_only(kind: str) -> None:
    model, arguments = fill_zeros(network(kind)), inputs()
    plain = model(*arguments)
    for index, each in enumerate(arguments):
        other = each.clone()
        other[0] += 1
        changed = model(*arguments[:index], other, *arguments[index + 1 :])
        torch.testing.assert_close(changed[1], plain[1], rtol=0, atol=1e-6)
        assert bool(((changed[0] - plain[0]).abs().amax(dim=-1) > 1e-4).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_parameter_has_an_effect(kind: str, stage: str) -> None:
    model = fill_zeros(network(kind, stage))
    assert without_gradient(model, model(*inputs(stage))) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_clean_sound_with_delay_and_gain_of_a_pose_is_learned(kind: str) -> None:
    model = network(kind, "single", "flow" if kind == "frames" else "ddpm")
    mono = noise(2, SAMPLES, seed=7)
    clean = delayed(mono, DELAYS, GAINS)
    signals = Stage.SINGLE.conditioning(torch.stack([mono, mono], dim=1), mono)
    noisy, time = noise(2, 2, SAMPLES, seed=8), torch.full((2,), 200.0)
    arguments = noisy, time, signals, two_static_poses(SAMPLES)
    assert loss_ratio(model, lambda: model(*arguments), clean, steps=80, rate=0.01) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_near(kind: str) -> None:
    model, arguments = fill_zeros(network(kind)), inputs()
    exact = model(*arguments).detach()
    with torch.autocast("cpu", torch.bfloat16):
        half = model(*arguments).detach()
    assert half.dtype == exact.dtype
    assert float((half - exact).square().mean()) < 1e-3 * float(exact.square().mean())


def test_times_between_the_steps_have_embeddings_between_theirs() -> None:
    torch.manual_seed(0)
    every = TimestepEmbedding(128)(torch.linspace(0, 200, 401)).detach()
    distances = torch.cdist(every, every)
    assert float((distances + 10 * torch.eye(401)).min()) > 1e-3
    nearby = (every[1:] - every[:-1]).norm(dim=1)
    assert float(nearby.max()) < 0.3 * float(distances.max())


@pytest.mark.parametrize("config", [PAPER, FRAMES])
def test_time_projections_in_files_act_on_embeddings_as_before(config, tmp_path) -> None:
    torch.manual_seed(0)
    network = config.build()
    path = tmp_path / "own.safetensors"
    save_model(path, config, network.state_dict())
    found = load_model(path, BinauralGradConfig).network
    steps = network.time_embedding(torch.linspace(0, DIFFUSION_STEPS, 77)).detach()
    for ours, theirs in zip(network.stack.layers, found.stack.layers, strict=True):
        expected = steps @ ours.time_proj.weight.detach().T
        error = steps @ theirs.time_proj.weight.T - expected
        assert float(error.square().mean()) < 3e-4 * float(expected.square().mean())


def test_the_paper_s_stages_are_as_large_as_the_single_one() -> None:
    small, large = (DilatedStackConfig(blocks=n, channels=128, kernel_size=3) for n in (3, 6))
    counts = {}
    for stage, stack in (("common", small), ("specific", small), ("single", large)):
        config = replace(
            PAPER, stage=stage, stack=stack, cond_channels=80, cond_hidden=(20, 40),
            time_features=128,
        )  # fmt: skip
        with uninitialized():
            model = config.build()
        counts[stage] = sum(each.numel() for each in model.parameters())
        if stage != "single":
            assert model.receptive_field == (3071, 3071)
    both = counts["common"] + counts["specific"]
    assert counts["single"] == pytest.approx(both, rel=0.05)  # "comparable", §4.2


def test_a_flow_predicts_clean_sound_and_ddpm_the_noise() -> None:
    flow = replace(FRAMES, noise="flow")
    assert isinstance(flow.build(), BinauralGradFrames)
    assert flow.parametrization is Parametrization.CLEAN
    assert PAPER.parametrization is Parametrization.NOISE
    for config in (flow, PAPER):
        assert config.schedule().end * config.time_scale == DIFFUSION_STEPS


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        (PAPER, {"time_features": 7}, "even number, not 7"),
        (FRAMES.frames, {"hop": 9}, "hop of frames is even"),
        (FRAMES.frames, {"taps": 8}, "odd number of taps"),
    ],
)
def test_configs_without_a_network_are_refused(part, changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        replace(part, **changes)
