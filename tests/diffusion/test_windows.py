import math

import pytest
import torch
from gaussians import GaussianData, Process, normal
from hypothesis import assume, given
from hypothesis import strategies as st

from soundstage.diffusion import (
    Denoiser,
    FlowSchedule,
    MultiDiffusionDenoiser,
    Parametrization,
    Windows,
    ancestral,
    ddim,
    dpm_solver_2m,
    uniform_times,
)
from soundstage.diffusion.windows import fade_in

LENGTH, SIZE, OVERLAP = 190, 80, 40
TIMES = uniform_times(FlowSchedule(), 16)


@given(length=st.integers(1, 200), size=st.integers(2, 60), overlap=st.integers(1, 30))
def test_windows_cover_the_whole_and_give_it_back(length: int, size: int, overlap: int) -> None:
    assume(overlap <= size // 2)
    windows = Windows(length, size, overlap)
    whole = normal(2, 3, length)
    parts = windows.cut(whole)
    assert parts.shape == (2 * windows.count, 3, min(size, length))
    torch.testing.assert_close(windows.blend(parts), whole, rtol=0, atol=1e-5)
    assert windows.starts[0] == 0
    assert windows.starts[-1] == max(0, length - size)
    hops = [b - a for a, b in zip(windows.starts, windows.starts[1:], strict=False)]
    assert all(0 < hop <= size - overlap for hop in hops)
    if windows.count > 1:  # one less would not reach
        assert (windows.count - 2) * (size - overlap) + size < length


def test_windows_follow_each_other_in_the_batch() -> None:
    windows, whole = Windows(10, 4, 2), normal(2, 10)
    parts = windows.cut(whole)
    for number, start in enumerate(windows.starts):
        assert torch.equal(parts[2 * number : 2 * number + 2], whole[:, start : start + 4])


def test_one_window_is_the_plain_denoiser() -> None:
    data = Process(FlowSchedule())
    state = normal(3, SIZE)
    assert torch.equal(
        MultiDiffusionDenoiser(data, Windows(SIZE, SIZE, OVERLAP))(state, 0.4),
        data(state, 0.4),
    )


def test_the_weight_of_a_window_falls_towards_its_edges() -> None:
    windows = Windows(SIZE + 3 * (SIZE - OVERLAP), SIZE, OVERLAP)
    parts = torch.zeros(windows.count, SIZE)
    parts[1] = 1
    share = windows.blend(parts)[0]
    start = windows.starts[1]
    quarter = OVERLAP // 4
    assert share[: start + quarter].abs().max() == 0
    assert share[start + SIZE - quarter :].abs().max() == 0
    rise = share[start + quarter : start + OVERLAP - quarter]
    assert bool((rise.diff() > 0).all())
    torch.testing.assert_close(share[start : start + SIZE], share[start : start + SIZE].flip(0))
    assert share[start + OVERLAP - quarter] == 1
    assert share.diff().abs().max() < math.pi / 2 / (OVERLAP / 2)


def test_fades_add_up_to_one() -> None:
    torch.testing.assert_close(fade_in(7) + fade_in(7).flip(0), torch.ones(7).double())


def covariance(sampler, denoiser, length: int) -> torch.Tensor:
    """Of samples from independent noise; exact, since on Gaussian data samplers are linear."""
    if sampler is not ancestral:
        made = sampler(denoiser, torch.eye(length), TIMES)
    else:
        units = torch.eye(length * len(TIMES)).unflatten(1, (len(TIMES), length))
        made = sampler(denoiser, units[:, 0], TIMES, step_noise=lambda step: units[:, 1 + step])
    return made.T @ made


@pytest.mark.parametrize("sampler", [ddim, dpm_solver_2m, ancestral])
def test_there_are_no_seams(sampler) -> None:
    data = Process(FlowSchedule(), correlation=0.8)
    blended = MultiDiffusionDenoiser(data, Windows(LENGTH, SIZE, OVERLAP))
    made, whole = (covariance(sampler, each, LENGTH) for each in (blended, data))
    for lag in range(4):
        torch.testing.assert_close(made.diagonal(lag), whole.diagonal(lag), rtol=0, atol=1e-4)


def test_windows_agree_with_the_denoiser_of_the_whole() -> None:
    data = Process(FlowSchedule(), correlation=0.8)
    blended = MultiDiffusionDenoiser(data, Windows(LENGTH, SIZE, OVERLAP))
    one, other = (ddim(each, normal(5, LENGTH), TIMES) for each in (blended, data))
    torch.testing.assert_close(one, other, rtol=0, atol=3e-3)


def test_every_window_has_its_own_condition() -> None:
    windows, expected, color = Windows(LENGTH, SIZE, OVERLAP), normal(2, 3, LENGTH), normal(2, 1, 1)

    def model(state, times, *, mid, style):
        return mid + style

    condition = {"mid": windows.cut(expected), "style": color.repeat(windows.count, 1, 1)}
    denoiser = Denoiser(model, Parametrization.CLEAN, FlowSchedule(), condition, max_batch=3)
    made = dpm_solver_2m(MultiDiffusionDenoiser(denoiser, windows), normal(2, 3, LENGTH), TIMES)
    torch.testing.assert_close(made, expected + color, rtol=0, atol=1e-5)


def test_windows_are_blended_on_the_device_of_the_state() -> None:
    windows, state = Windows(LENGTH, SIZE, OVERLAP), torch.empty(2, LENGTH, device="meta")
    made = ddim(MultiDiffusionDenoiser(GaussianData(FlowSchedule()), windows), state, TIMES)
    assert made.device.type == "meta"


@pytest.mark.parametrize(
    ("length", "size", "overlap"), [(0, 8, 2), (9, 8, 0), (9, 8, 5), (9, 1, 1)]
)
def test_impossible_windows_are_refused(length, size, overlap) -> None:
    with pytest.raises(ValueError, match="half a window"):
        Windows(length, size, overlap)
