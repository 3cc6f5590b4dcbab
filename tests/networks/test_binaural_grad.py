import pytest
import torch
from torch import nn

from ears import (
    DELAYS,
    GAINS,
    HOP,
    awake,
    delayed,
    fall_of_loss,
    heard_from,
    multiply_adds,
    noise,
    two_places,
    view,
    without_gradient,
)
from soundstage.diffusion import (
    Denoiser,
    DiscreteSchedule,
    Parametrization,
    aligned_times,
    ddim,
    linear_betas,
)
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_grad import (
    BinauralGrad,
    BinauralGradConfig,
    Stage,
    StepEmbedding,
)
from soundstage.networks.models.binaural_grad_frames import (
    BinauralGradFrames,
    BinauralGradFramesConfig,
)

FRAME = 10
SAMPLES = 300
SMALL = BinauralGradConfig(DilatedStackConfig(1, 4, 12, 3), step=8, block=(6, 8), condition=8)
FRAMES = BinauralGradFramesConfig(
    DilatedStackConfig(1, 2, 24, 3, separable=True),
    frame=FRAME,
    condition=8,
    taps=9,
    rank=4,
    step=8,
)
KINDS = ["paper", "frames"]
TIMES = torch.tensor([3.0, 120.0])


def network(kind: str, stage: Stage = Stage.SPECIFIC) -> BinauralGrad | BinauralGradFrames:
    torch.manual_seed(0)
    if kind == "paper":
        return BinauralGrad(stage, SMALL, hop=HOP)
    return BinauralGradFrames(stage, FRAMES, begins="silent", hop=HOP)


def inputs(stage: Stage = Stage.SPECIFIC, samples: int = SAMPLES) -> list[torch.Tensor]:
    heard = noise(2, stage.signals, samples, seed=4)
    return [noise(2, stage.channels, samples), TIMES, heard, view(samples)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("samples", [1, FRAME, SAMPLES + 3])
def test_the_result_has_the_shape_of_the_state(kind: str, stage: Stage, samples: int) -> None:
    told = inputs(stage, samples)
    assert network(kind, stage)(*told).shape == told[0].shape


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", Stage)
def test_a_network_before_training_says_nothing(kind: str, stage: Stage) -> None:
    assert not network(kind, stage)(*inputs(stage)).any()


@pytest.mark.parametrize("stage", Stage)
def test_frames_begin_with_the_signal_that_is_nearest(stage: Stage) -> None:
    model = BinauralGradFrames(stage, FRAMES, hop=HOP)
    noisy, time, signals, poses = inputs(stage)
    wanted = signals[:, list(stage.nearest)]
    torch.testing.assert_close(model(noisy, time, signals, poses), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("stage", Stage)
def test_conditional_audio_is_in_the_paper_s_order(stage: Stage) -> None:
    warped, mono, common = noise(2, 2, 50), noise(2, 50, seed=1), noise(2, 50, seed=2)
    left, right = warped.unbind(1)
    wanted = {
        Stage.COMMON: [(left + right) / 2, mono],
        Stage.SPECIFIC: [left, right, mono, common],
        Stage.SINGLE: [left, right, mono],
    }[stage]
    found = stage.heard(warped, mono, common if stage is Stage.SPECIFIC else None)
    assert found.shape[1] == stage.signals
    torch.testing.assert_close(found, torch.stack(wanted, dim=1))
    with pytest.raises(ValueError, match=stage.value):
        stage.heard(warped, mono, None if stage is Stage.SPECIFIC else common)


def test_the_nearest_signal_is_one_for_every_channel() -> None:
    for stage in Stage:
        assert len(stage.nearest) == stage.channels
        assert max(stage.nearest) < stage.signals


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heard", [0, 2])
def test_the_reach_is_as_far_as_a_sample_is_heard(kind: str, heard: int) -> None:
    model, told = awake(network(kind)), inputs()
    before, after = model.reach
    place = 155

    def result(sound: torch.Tensor) -> torch.Tensor:
        return model(*told[:heard], sound, *told[heard + 1 :])

    first, last = heard_from(result, told[heard], place)
    assert place - after <= first < place < last <= place + before
    if kind == "paper":
        own = 0 if heard else 2  # the Conditioner's convolutions are for what is heard
        assert (first, last) == (place - after + own, place + before - own)
    else:
        assert last - first > before + after - 5 * FRAME


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [6, 7, 9])
def test_windows_that_overlap_by_the_reach_give_the_same_as_the_whole(kind: str, cut: int) -> None:
    model, told = awake(network(kind)), inputs()
    noisy, time, signals, poses = told
    place = cut * HOP
    before, after = model.reach
    begin = (place - before) // HOP * HOP
    assert begin > 0
    end = place + after
    assert end < SAMPLES
    with torch.no_grad():
        whole = model(*told)
        first = model(noisy[..., :end], time, signals[..., :end], poses)[..., :place]
        second = model(noisy[..., begin:], time, signals[..., begin:], poses[..., begin // HOP :])
    both = torch.cat([first, second[..., place - begin :]], dim=-1)
    torch.testing.assert_close(both, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_heard_by_its_own_example_alone(kind: str) -> None:
    model, told = awake(network(kind)), inputs()
    plain = model(*told)
    for index, each in enumerate(told):
        other = each.clone()
        other[0] += 1
        changed = model(*told[:index], other, *told[index + 1 :])
        torch.testing.assert_close(changed[1], plain[1], rtol=0, atol=1e-6)
        assert bool(((changed[0] - plain[0]).abs().amax(dim=-1) > 1e-4).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", Stage)
def test_every_parameter_is_trained(kind: str, stage: Stage) -> None:
    model = awake(network(kind, stage))
    assert without_gradient(model, model(*inputs(stage))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_noise_on_sound_that_is_delayed_and_scaled_by_its_place_is_found(kind: str) -> None:
    model, mono = network(kind), noise(2, SAMPLES, seed=7)
    clean, added = delayed(mono, DELAYS, GAINS), noise(2, 2, SAMPLES, seed=8)
    noisy = (clean + added) / 2**0.5
    heard = Stage.SPECIFIC.heard(torch.stack([mono, mono], dim=1), mono, clean.mean(dim=1))
    told = noisy, torch.full((2,), 60.0), heard, two_places(SAMPLES)
    left = fall_of_loss(model, lambda: model(*told), added, steps=160, rate=0.01)
    assert left < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_clean_sound_of_a_place_is_found(kind: str) -> None:
    model, mono = network(kind, Stage.SINGLE), noise(2, SAMPLES, seed=7)
    if kind == "frames":
        model = BinauralGradFrames(Stage.SINGLE, FRAMES, hop=HOP)
    clean = delayed(mono, DELAYS, GAINS)
    heard = Stage.SINGLE.heard(torch.stack([mono, mono], dim=1), mono)
    told = noise(2, 2, SAMPLES, seed=8), torch.full((2,), 200.0), heard, two_places(SAMPLES)
    left = fall_of_loss(model, lambda: model(*told), clean, steps=80, rate=0.01)
    assert left < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_near(kind: str) -> None:
    model, told = awake(network(kind)), inputs()
    with torch.autocast("cpu", torch.bfloat16):
        half = model(*told).detach()
    whole = model(*told).detach()
    assert half.dtype == whole.dtype
    assert float((half - whole).square().mean()) < 1e-3 * float(whole.square().mean())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_is_said_again(kind: str) -> None:
    told = inputs()
    assert torch.equal(awake(network(kind))(*told), awake(network(kind))(*told))


@pytest.mark.parametrize("kind", KINDS)
def test_samplers_drive_it_at_times_between_the_trained_steps(kind: str) -> None:
    noisy, _, signals, poses = inputs()
    schedule = DiscreteSchedule(linear_betas(200, 1e-4, 0.02))
    condition = {"signals": signals, "view": poses}
    denoiser = Denoiser(awake(network(kind)), Parametrization.V, schedule, condition)
    made = ddim(denoiser, noisy, aligned_times(schedule))
    assert made.shape == noisy.shape
    assert bool(made.isfinite().all())


def test_filters_pass_sound_at_full_precision_in_half_precision_too() -> None:
    model = BinauralGradFrames(Stage.SPECIFIC, FRAMES, hop=HOP)
    told = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        half = model(*told)
    torch.testing.assert_close(half, told[2][:, [3, 3]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", Stage)
def test_operations_are_those_that_torch_counts(kind: str, stage: Stage) -> None:
    model, samples = network(kind, stage), 200 * HOP
    told = [each[:1] for each in inputs(stage, samples)]
    own = sum(each.weight.numel() for each in model.modules() if isinstance(each, nn.Linear))
    counted = multiply_adds(model, *told)
    assert counted == pytest.approx(model.operations_per_second(samples), abs=2 * own)


def test_steps_are_told_apart_also_between_those_that_were_trained() -> None:
    torch.manual_seed(0)
    embedding = StepEmbedding(128)
    every = embedding(torch.linspace(0, 200, 401)).detach()
    apart = torch.cdist(every, every) + 10 * torch.eye(401)
    assert float(apart.min()) > 1e-3
    nearby = (every[1:] - every[:-1]).norm(dim=1)
    assert float(nearby.max()) < 0.3 * float(torch.cdist(every, every).max())  # no jumps


def test_the_default_sizes_are_the_paper_s() -> None:
    with torch.device("meta"):
        stages = {stage: BinauralGrad(stage) for stage in Stage}
    counts = {stage: sum(p.numel() for p in each.parameters()) for stage, each in stages.items()}
    for stage in (Stage.COMMON, Stage.SPECIFIC):
        assert len(stages[stage].stack.layers) == 30
        assert stages[stage].stack.size.channels == 128
        assert stages[stage].reach == (3071, 3071)
    assert len(stages[Stage.SINGLE].stack.layers) == 60
    both = counts[Stage.COMMON] + counts[Stage.SPECIFIC]
    assert counts[Stage.SINGLE] == pytest.approx(both, rel=0.05)  # "comparable", §4.2


@pytest.mark.parametrize("stage", Stage)
def test_frames_are_fast_enough_for_real_time(stage: Stage) -> None:
    with torch.device("meta"):
        frames, paper = BinauralGradFrames(stage, begins="silent"), BinauralGrad(stage)
    assert frames.operations_per_second(48_000) < 2.5e9
    assert frames.reach[0] > 0.9 * paper.reach[0] or stage is Stage.SINGLE


def test_a_beginning_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="nearest or silent"):
        BinauralGradFrames(Stage.SINGLE, FRAMES, begins="loud")


def test_steps_of_an_odd_number_of_waves_are_refused() -> None:
    with pytest.raises(ValueError, match="even number, not 7"):
        StepEmbedding(7)


def test_frames_that_mix_no_filters_are_refused() -> None:
    with pytest.raises(ValueError, match="one filter at least"):
        BinauralGradFramesConfig(rank=0)


@pytest.mark.parametrize("changes", [{"frame": 9}, {"taps": 8}])
def test_frames_and_filters_that_have_no_middle_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="odd number"):
        BinauralGradFramesConfig(**changes)
