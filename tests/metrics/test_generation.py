"""Measures of generated sound, held against their definitions and against other implementations."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import entropy
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchmetrics.image.inception import InceptionScore

from sounds import noise, tone
from soundstage.metrics.generation import (
    feature_distance,
    image_ssim,
    inception_score,
    kl_divergence,
    mel_image,
    psnr,
    ssim,
)


def points(count: int, size: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator)
    return scale * torch.randn(count, size, generator=generator) @ mixing + 0.1 * seed


def chances(count: int, classes: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(3 * torch.randn(count, classes, generator=generator), dim=1)


def test_psnr_of_white_noise_is_its_level_below_the_peak():
    true = noise(2 * 16_000).reshape(2, -1)
    error = 0.01 * noise(2 * 16_000, seed=1).reshape(2, -1)
    expected = -10 * math.log10(error.square().mean())
    assert psnr(true + error, true) == pytest.approx(expected, abs=0.01)
    assert psnr(true + error, true, peak=2.0) == pytest.approx(expected + 6.02, abs=0.01)
    assert psnr(true, true) == math.inf
    reference = peak_signal_noise_ratio(true + error, true, data_range=1.0)
    assert psnr(true + error, true) == pytest.approx(float(reference), abs=0.01)


def test_ssim_of_whole_signals_is_equation_18():
    x, y = noise(8000).double() + 0.1, (0.5 * noise(8000) + 0.5 * noise(8000, seed=1)).double()
    c1, c2 = 0.02**2, 0.06**2
    covariance = np.cov(x.numpy(), y.numpy(), bias=True)
    mx, my = float(x.mean()), float(y.mean())
    top = (2 * mx * my + c1) * (2 * covariance[0, 1] + c2)
    bottom = (mx**2 + my**2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)
    assert ssim(x, y) == pytest.approx(top / bottom, rel=1e-9)
    assert ssim(x, x) == pytest.approx(1)
    assert ssim(x - 0.1, -(x - 0.1)) < -0.5


def test_image_ssim_is_that_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    true = torch.rand(3, 64, 50, generator=generator)
    made = (true + 0.2 * torch.rand(3, 64, 50, generator=generator)).clamp(0, 1)
    _, everywhere = structural_similarity_index_measure(
        made[:, None].double(), true[:, None].double(), data_range=1.0, return_full_image=True
    )
    inside = everywhere[..., 5:-5, 5:-5]  # it pads the images by mirroring
    assert image_ssim(made, true) == pytest.approx(float(inside.mean()), abs=1e-9)
    assert image_ssim(true, true) == pytest.approx(1)
    with pytest.raises(ValueError, match="smaller than a window"):
        image_ssim(true[..., :8], true[..., :8])


def test_a_mel_image_is_linear_in_decibels_down_to_silence():
    sound = tone(16_000, hz=1000, rate=16_000)
    loud, quiet = mel_image(sound[None]), mel_image(0.1 * sound[None])
    assert float(mel_image(torch.zeros(1, 16_000)).max()) == 0
    peak = loud.amax(dim=1)[:, 5:-5]
    torch.testing.assert_close(
        peak - quiet.amax(dim=1)[:, 5:-5], torch.full_like(peak, 0.25), atol=2e-3, rtol=0
    )
    assert mel_image(noise(2 * 16_000).reshape(2, -1)).shape[:2] == (2, 64)


@pytest.mark.parametrize("count", [40, 10])  # fewer clips than dimensions: singular covariances
def test_the_frechet_distance_is_that_of_the_matrix_square_root(count):
    made, true = points(count, 12, 1), points(count + 5, 12, 2)
    first, second = np.cov(made.numpy().T), np.cov(true.numpy().T)
    shift = (made.mean(dim=0) - true.mean(dim=0)).double().square().sum()
    ridge = 1e-9 * np.eye(12)
    root = sqrtm((first + ridge) @ (second + ridge)).real
    expected = float(shift) + np.trace(first + second - 2 * root)
    assert feature_distance(made, true) == pytest.approx(expected, rel=1e-3)
    assert feature_distance(made, made) == pytest.approx(0, abs=1e-3)


def test_kl_is_the_mean_divergence_of_the_true_clip_from_the_generated_one():
    made, true = chances(20, 7, 0), chances(20, 7, 1)
    expected = np.mean([entropy(t, m) for t, m in zip(true.numpy(), made.numpy(), strict=True)])
    assert kl_divergence(made, true) == pytest.approx(float(expected), rel=1e-4)
    assert kl_divergence(true, true) == pytest.approx(0, abs=1e-9)
    certain = torch.eye(7)
    assert math.isfinite(kl_divergence(certain, certain.flip(0)))


def test_the_inception_score_counts_sure_and_varied_classes():
    assert inception_score(torch.eye(7)) == pytest.approx(7, rel=1e-4)
    assert inception_score(torch.full((9, 7), 1 / 7)) == pytest.approx(1)
    assert inception_score(torch.eye(7)[:1].expand(9, 7)) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics")
def test_the_inception_score_is_that_of_torchmetrics():
    class Logits(torch.nn.Module):
        """Gives the probabilities that come in as the logits that go out."""

        def forward(self, probabilities: torch.Tensor) -> torch.Tensor:
            return probabilities.log()

    probabilities = chances(50, 7, 3)
    reference = InceptionScore(Logits(), splits=1)
    reference.update(probabilities)
    assert inception_score(probabilities) == pytest.approx(float(reference.compute()[0]), rel=1e-3)


def test_signals_of_other_shapes_are_refused():
    for measure in (psnr, ssim, image_ssim, kl_divergence):
        with pytest.raises(ValueError, match="shapes differ"):
            measure(torch.zeros(2, 30, 30), torch.zeros(2, 30, 31))
