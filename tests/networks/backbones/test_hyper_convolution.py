import pytest
import torch
from torch.nn import functional as F

from network_checks import HOP, affected_range, noise, poses, without_gradient
from soundstage.networks.backbones.hyper_convolution import LONG, HyperConvolution
from soundstage.networks.backbones.pose_upsampling import upsample

SAMPLES = 130  # not a multiple of the hop


def convolution(*, kernel_size=3, causal=True, dilation=2):
    """One with a large part that depends on the pose."""
    torch.manual_seed(0)
    model = HyperConvolution(
        4, 5, kernel_size, hop=HOP, rank=6, dilation=dilation, causal=causal
    ).eval()
    torch.nn.init.normal_(model.kernels.weight)
    return model


def sum_of_convolutions(model, signal, pose):
    """Every kernel over the whole signal, weighted by the coefficients of every sample."""
    coefficients = torch.relu(model.coefficients(pose.transpose(1, 2))).transpose(1, 2)
    coefficients = upsample(coefficients, model.hop, signal.shape[-1])
    kernels = [(model.kernels.bias, torch.ones_like(coefficients[:, :1]))]
    kernels += [
        (model.kernels.weight[:, rank], coefficients[:, rank : rank + 1])
        for rank in range(coefficients.shape[1])
    ]
    total = 0
    for values, share in kernels:
        matrix = values.unflatten(0, (-1, model.out_channels))
        kernel = matrix[:-1].unflatten(0, (model.kernel_size, model.in_channels)).permute(2, 1, 0)
        padded = F.pad(signal, model.receptive_field)
        filtered = F.conv1d(padded, kernel, dilation=model.dilation) + matrix[-1][:, None]
        total = total + share * filtered
    return total


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("samples", [SAMPLES, 5, 2 * HOP])
def test_the_result_is_a_weighted_sum_of_ordinary_convolutions(causal, samples):
    model, signal, pose = convolution(causal=causal), noise(2, 4, samples), poses(samples)
    expected = sum_of_convolutions(model, signal, pose)
    torch.testing.assert_close(model(signal, pose), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel_size", [LONG + 1, 33])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("samples", [SAMPLES, 5])
def test_long_kernels_give_the_same_sum_by_spectra(kernel_size, causal, samples):
    model = convolution(kernel_size=kernel_size, causal=causal, dilation=1)
    signal, pose = noise(2, 4, samples), poses(samples)
    expected = sum_of_convolutions(model, signal, pose)
    torch.testing.assert_close(model(signal, pose), expected, rtol=1e-4, atol=1e-3)
    assert without_gradient(model, model(signal, pose)) == []


def test_the_filter_moves_without_steps():
    model = convolution(kernel_size=1)
    output = model(torch.ones(2, 4, 400), poses(400)).detach()
    from_pose_to_pose = output[..., ::HOP].diff(dim=-1).abs().amax()
    assert float(output.diff(dim=-1).abs().amax()) <= float(from_pose_to_pose) / HOP + 1e-4


@pytest.mark.parametrize("causal", [True, False])
def test_the_receptive_field_is_exact(causal):
    model, pose = convolution(causal=causal), poses(SAMPLES)
    before, after = model.receptive_field
    assert (before, after) == ((4, 0) if causal else (2, 2))
    found = affected_range(lambda sound: model(sound, pose), noise(2, 4, SAMPLES), 63)
    assert found == (63 - after, 63 + before)


def test_a_pose_affects_its_own_example_and_the_samples_around_it():
    model, signal, pose = convolution(), noise(2, 4, SAMPLES), poses(SAMPLES)
    other = pose.clone()
    other[0, :, 3] += 1
    changed = (model(signal, other) - model(signal, pose)).abs().amax(dim=1)
    assert not changed[1].any()
    assert not changed[0, : 2 * HOP + 1].any()
    assert not changed[0, 4 * HOP :].any()
    assert bool((changed[0, 2 * HOP + 1 : 4 * HOP] > 0).all())


def test_before_training_the_pose_changes_the_filter_a_little():
    torch.manual_seed(0)
    model, signal, pose = HyperConvolution(4, 5, 3, hop=HOP), noise(2, 4, 400), poses(400)
    with torch.no_grad():
        fixed = model(signal, torch.zeros_like(pose))
        share = (model(signal, pose) - fixed).std() / fixed.std()
    assert 0 < float(share) < 0.5


def test_half_precision_is_near():
    model, signal, pose = convolution(), noise(2, 4, SAMPLES), poses(SAMPLES)
    exact = model(signal, pose).detach()
    with torch.autocast("cpu", torch.bfloat16):
        half = model(signal, pose).detach().float()
    assert float((half - exact).square().mean() / exact.square().mean()) < 1e-3
