import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from network_checks import (
    HOP,
    fill_zeros,
    loss_ratio,
    noise,
    poses,
    two_static_poses,
    without_gradient,
)
from soundstage.networks.backbones.neural_warp import NeuralWarp, monotone, warp

SAMPLES = 130
FIELDS = arrays(np.float64, st.integers(1, 50), elements=st.floats(-60, 60))


def network(seed: int = 0) -> NeuralWarp:
    torch.manual_seed(seed)
    return NeuralWarp(2, 8, hop=HOP)


def delays(samples: int = SAMPLES, seed: int = 5) -> torch.Tensor:
    return 6 + noise(2, 2, samples, seed=seed).cumsum(dim=-1).clamp(-5, 5)


@given(FIELDS)
def test_a_warpfield_is_the_recursion_of_the_paper(raw: np.ndarray) -> None:
    places, previous = [], -np.inf
    for time, place in enumerate(raw):
        previous = max(previous, min(time, place))
        places.append(previous)
    np.testing.assert_array_equal(monotone(torch.from_numpy(raw)).numpy(), places)


@given(FIELDS)
def test_a_warpfield_is_monotone_and_causal(raw: np.ndarray) -> None:
    field = monotone(torch.from_numpy(raw))
    assert bool((field.diff() >= 0).all())
    assert bool((field <= torch.arange(len(raw))).all())


@given(FIELDS)
def test_a_monotone_and_causal_field_is_unchanged(raw: np.ndarray) -> None:
    field = monotone(torch.from_numpy(raw))
    assert torch.equal(monotone(field), field)


@given(FIELDS, st.integers(1, 49))
def test_the_memory_of_a_warpfield_is_its_longest_delay(raw: np.ndarray, cut: int) -> None:
    field = monotone(torch.from_numpy(raw))
    longest = max(0.0, float(np.max(np.arange(len(raw)) - raw)))
    begin = min(cut, len(raw) - 1)
    late = monotone(torch.from_numpy(raw[begin:]) - begin) + begin
    known = int(np.ceil(longest))
    torch.testing.assert_close(late[known:], field[begin + known :], rtol=0, atol=1e-9)


@given(st.integers(0, 40))
def test_a_whole_delay_shifts_the_signal(delay: int) -> None:
    signal = noise(2, SAMPLES)
    output = warp(signal, (torch.arange(SAMPLES) - delay).double().expand(2, 1, -1))
    expected = torch.nn.functional.pad(signal, (delay, 0))[:, None, :SAMPLES]
    assert torch.equal(output, expected)


def test_interpolation_is_linear() -> None:
    signal = noise(2, SAMPLES)
    field = torch.rand(2, 2, 300, dtype=torch.float64) * (SAMPLES + 3) - 2
    output = warp(signal, field)
    padded = np.pad(signal.numpy(), ((0, 0), (1, 1)))
    grid = np.arange(-1, SAMPLES + 1)
    expected = [
        [np.interp(ear, grid, sound) for ear in ears]
        for sound, ears in zip(padded, field.numpy(), strict=True)
    ]
    np.testing.assert_allclose(output.numpy(), np.array(expected), atol=1e-5)


def catmull_rom(signal: np.ndarray, place: float) -> float:
    """The cubic by its matrix (Catmull and Rom 1974)."""
    before = int(np.floor(place))
    points = [
        signal[each] if 0 <= each < len(signal) else 0.0 for each in range(before - 1, before + 3)
    ]
    matrix = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    share = place - before
    return float(share ** np.arange(4) @ matrix @ points)


@given(st.lists(st.floats(-0.999, SAMPLES - 1e-6), min_size=1, max_size=20))
def test_interpolation_may_be_cubic(places: list[float]) -> None:
    signal = noise(1, SAMPLES).double()
    field = torch.tensor(places, dtype=torch.float64)[None, None]
    output = warp(signal, field, cubic=True)[0, 0]
    expected = [catmull_rom(signal[0].numpy(), place) for place in places]
    np.testing.assert_allclose(output.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("cubic", [False, True])
def test_the_samples_are_kept_and_silence_is_beyond_them(cubic: bool) -> None:
    signal = noise(2, SAMPLES)
    places = torch.arange(-300, SAMPLES + 300).double()
    output = warp(signal, places.expand(2, 2, -1), cubic=cubic)
    expected = torch.nn.functional.pad(signal, (300, 300))[:, None].expand(-1, 2, -1)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)
    beyond = torch.tensor([-50.5, -1.5, SAMPLES + 0.5, SAMPLES + 50.5]).double()
    assert not warp(signal, beyond.expand(2, 2, -1), cubic=cubic).any()


def test_a_cubic_warp_loses_less_of_the_treble() -> None:
    """Halfway between samples, where both lose most, at 8 kHz and 48 kHz."""
    time = torch.arange(2000, dtype=torch.float64)
    tone = (2 * torch.pi / 6 * time).sin()[None]
    places = time[None, None, 10:-10] - 0.5
    true = (2 * torch.pi / 6 * places).sin()
    linear, cubic = (warp(tone, places, cubic=each) for each in (False, True))
    assert float((cubic - true).abs().max()) < 0.2 * float((linear - true).abs().max())
    level = [float(each.std() / true.std()) for each in (linear, cubic)]
    np.testing.assert_allclose(20 * np.log10(level), [-1.249, -0.226], atol=0.01)


@pytest.mark.parametrize("cubic", [False, True])
def test_a_straight_line_stays_one(cubic: bool) -> None:
    ramp = torch.arange(50, dtype=torch.float64)[None]
    places = 1 + 46 * torch.rand(1, 2, 200, dtype=torch.float64)
    torch.testing.assert_close(warp(ramp, places, cubic=cubic), places)


def test_times_are_exact_in_long_signals() -> None:
    samples = 2_000_000  # 42 s at 48 kHz, where single precision has a resolution of 1/8 sample
    ramp = torch.arange(4.0).repeat(samples // 4)[None]
    field = monotone(torch.arange(samples, dtype=torch.float64) - 10.7)[None, None]
    output = warp(ramp, field)[0, 0, -8:]
    expected = warp(ramp[:, :40], field[..., :40])[0, 0, -8:]
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("cubic", [False, True])
def test_gradients_of_places_and_of_the_signal_are_the_finite_differences(cubic: bool) -> None:
    signal = noise(1, 12).double().requires_grad_()
    raw = (torch.arange(12).double() - 2.3 + 0.2 * noise(1, 2, 12).double()).requires_grad_()

    def output(sound: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return warp(sound, monotone(places), cubic=cubic)

    assert torch.autograd.gradcheck(output, (signal, raw))


def test_before_training_the_warp_is_the_geometric_one() -> None:
    field = network().warpfield(poses(SAMPLES), delays())
    times = torch.arange(SAMPLES, dtype=torch.float64)
    assert torch.equal(field, monotone(times - delays()))


def test_a_learned_warp_is_monotone_and_causal_too() -> None:
    model = fill_zeros(network())
    model.conv_out.weight.data.mul_(100)
    field = model.warpfield(poses(SAMPLES), delays())
    geometric = network().warpfield(poses(SAMPLES), delays())
    assert float((field - geometric).detach().abs().max()) > 3
    assert bool((field.diff(dim=-1) >= 0).all())
    assert bool((field <= torch.arange(SAMPLES)).all())


def test_the_warp_is_causal() -> None:
    model, mono = fill_zeros(network()), noise(2, SAMPLES)
    before = model(mono, poses(SAMPLES), delays())
    later = mono.clone()
    later[:, 70] += 1
    moved = (model(later, poses(SAMPLES), delays()) - before).abs().amax(dim=(0, 1))
    assert not moved[:70].any()
    assert moved.any()


def test_a_pose_has_no_effect_before_its_neighbor() -> None:
    model, pose = fill_zeros(network()), poses(SAMPLES)
    other = pose.clone()
    other[..., 4] += 1
    first, second = (model.warpfield(each, delays()) for each in (pose, other))
    assert torch.equal(first[..., : 3 * HOP + 1], second[..., : 3 * HOP + 1])
    assert not torch.equal(first[..., 3 * HOP + 1 :], second[..., 3 * HOP + 1 :])
    assert model.receptive_field == (2, 1)


def test_every_parameter_has_an_effect() -> None:
    model = fill_zeros(network())
    assert without_gradient(model, model(noise(2, SAMPLES), poses(SAMPLES), delays())) == []


def test_half_precision_does_not_round_times() -> None:
    model = fill_zeros(network())
    with torch.autocast("cpu", torch.bfloat16):
        half = model.warpfield(poses(SAMPLES), delays())
    assert torch.equal(half, model.warpfield(poses(SAMPLES), delays()))


def test_delays_that_depend_on_the_pose_are_learned() -> None:
    model, samples = network(), 200
    time = torch.arange(samples)
    mono = (0.1 * time).sin().expand(2, -1)
    geometric = torch.full((2, 2, samples), 4.0)
    true = geometric + torch.tensor([[3.0, 1.0], [1.0, 4.0]])[..., None]
    expected = warp(mono, monotone(time.double() - true))
    pose = two_static_poses(samples)
    left = loss_ratio(model, lambda: model(mono, pose, geometric), expected, steps=60, rate=0.03)
    assert left < 0.1
    found = (time - model.warpfield(pose, geometric))[..., 50:]
    torch.testing.assert_close(found.float(), true[..., 50:].float(), rtol=0, atol=0.5)


@pytest.mark.parametrize("samples", [1, HOP, HOP + 1])
def test_any_length_can_be_warp(samples: int) -> None:
    output = network()(noise(2, samples), poses(samples), delays(samples))
    assert output.shape == (2, 2, samples)
