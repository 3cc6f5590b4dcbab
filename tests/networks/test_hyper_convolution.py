import pytest
import torch
from torch.nn import functional as F

from ears import HOP, heard_from, multiply_adds, noise, view, without_gradient
from soundstage.networks.backbones.hyper_convolution import LONG, HyperConvolution
from soundstage.networks.backbones.pose_upsampling import upsampled

SAMPLES = 130  # not a multiple of the hop


def convolution(*, kernel: int = 3, causal: bool = True, dilation: int = 2) -> HyperConvolution:
    torch.manual_seed(0)
    return HyperConvolution(4, 5, kernel, hop=HOP, rank=6, dilation=dilation, causal=causal).eval()


def sum_of_convolutions(model: HyperConvolution, signal, rows):
    """Every kernel by itself over the whole signal, summed in the shares of every sample."""
    shares = torch.relu(model.shares(rows.transpose(1, 2))).transpose(1, 2)
    shares = upsampled(shares, model.hop, signal.shape[-1])
    every = [(model.kernels.bias, torch.ones_like(shares[:, :1]))]
    every += [
        (model.kernels.weight[:, rank], shares[:, rank : rank + 1])
        for rank in range(shares.shape[1])
    ]
    total = 0
    for numbers, share in every:
        matrix = numbers.unflatten(0, (-1, model.outputs))
        kernel = matrix[:-1].unflatten(0, (model.kernel, model.inputs)).permute(2, 1, 0)
        padded = F.pad(signal, model.reach)
        made = F.conv1d(padded, kernel, dilation=model.dilation) + matrix[-1][:, None]
        total = total + share * made
    return total


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("samples", [SAMPLES, 5, 2 * HOP])
def test_it_is_a_weighted_sum_of_ordinary_convolutions(causal: bool, samples: int) -> None:
    model = convolution(causal=causal)
    torch.nn.init.normal_(model.kernels.weight)
    signal, rows = noise(2, 4, samples), view(samples)
    torch.testing.assert_close(
        model(signal, rows), sum_of_convolutions(model, signal, rows), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("kernel", [LONG - 1, LONG + 1, 33])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("samples", [SAMPLES, 5, 2 * HOP])
def test_a_long_kernel_is_the_same_sum_by_way_of_spectra(
    kernel: int, causal: bool, samples: int
) -> None:
    model = convolution(kernel=kernel, causal=causal, dilation=1)
    assert model._is_long == (kernel >= LONG)
    torch.nn.init.normal_(model.kernels.weight)
    signal, rows = noise(2, 4, samples), view(samples)
    wanted = sum_of_convolutions(model, signal, rows)
    torch.testing.assert_close(model(signal, rows), wanted, rtol=1e-4, atol=1e-3)
    assert without_gradient(model, model(signal, rows)) == []


def test_the_published_form_makes_one_filter_a_pose() -> None:
    """Between two equal poses the filter is that of the pose."""
    model, signal = convolution(), noise(1, 4, SAMPLES)
    pose = view(HOP)[:1, :, :1]
    weights, offsets = model._weights(pose)
    kernel = weights[0, 0].unflatten(0, (3, 4)).permute(2, 1, 0)
    wanted = F.conv1d(F.pad(signal, model.reach), kernel, offsets[0, 0], dilation=2)
    torch.testing.assert_close(model(signal, pose), wanted, rtol=1e-4, atol=1e-5)


def test_a_source_that_moves_changes_its_filter_without_steps() -> None:
    model = convolution(kernel=1)
    torch.nn.init.normal_(model.kernels.weight)
    made = model(torch.ones(2, 4, 400), view(400)).detach()
    slope = made.diff(dim=-1).abs()
    rows = made[..., ::HOP].diff(dim=-1).abs().amax()
    assert float(slope.amax()) <= float(rows) / HOP + 1e-4


@pytest.mark.parametrize("causal", [True, False])
def test_the_reach_is_as_far_as_a_sample_is_heard(causal: bool) -> None:
    model, rows = convolution(causal=causal), view(SAMPLES)
    before, after = model.reach
    assert (before, after) == ((4, 0) if causal else (2, 2))
    assert heard_from(lambda sound: model(sound, rows), noise(2, 4, SAMPLES), 63) == (
        63 - after,
        63 + before,
    )


def test_a_pose_is_heard_by_its_own_example_and_around_its_own_time() -> None:
    model, signal, rows = convolution(), noise(2, 4, SAMPLES), view(SAMPLES)
    other = rows.clone()
    other[0, :, 3] += 1
    moved = (model(signal, other) - model(signal, rows)).abs().amax(dim=1)
    assert not moved[1].any()
    assert not moved[0, : 2 * HOP + 1].any()
    assert not moved[0, 4 * HOP :].any()
    assert bool((moved[0, 2 * HOP + 1 : 4 * HOP] > 0).all())


def test_every_parameter_is_trained() -> None:
    model = convolution()
    assert without_gradient(model, model(noise(2, 4, SAMPLES), view(SAMPLES))) == []


def test_operations_are_those_that_torch_counts() -> None:
    model = HyperConvolution(4, 5, 3, hop=HOP, rank=6)
    samples = 50 * HOP
    extra = model.shares.weight.numel() + model.kernels.weight.numel()  # of the row after the last
    counted = multiply_adds(model, noise(1, 4, samples), view(samples, batch=1))
    assert counted == pytest.approx(samples * model.operations + extra)


def test_half_precision_is_near() -> None:
    model, signal, rows = convolution(), noise(2, 4, SAMPLES), view(SAMPLES)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(signal, rows)
    torch.testing.assert_close(half.float(), model(signal, rows), rtol=0, atol=0.1)
