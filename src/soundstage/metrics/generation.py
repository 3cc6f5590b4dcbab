"""Quality of generated sound: PSNR, SSIM, Fréchet distance, KL divergence and inception score.

The five measures of DualSpec (Zhao et al. 2025, Eq. 17 to 20), for a sound x and its reference y:

    PSNR = 10·log₁₀(MAX² / mean (x − y)²)                                   in dB
    SSIM = (2μxμy + c₁)(2σxy + c₂) / ((μx² + μy² + c₁)(σx² + σy² + c₂))     from −1 to 1

with c₁ = (0.01·L)², c₂ = (0.03·L)² and the dynamic range L (Wang et al. 2004). On waveforms the
means run over the whole signal, MAX is 1 and L is 2. The figures printed in the paper are in the
range that AudioLDM's evaluation gives for log-mel spectrograms, where a vocoder's phase does not
count; so `mel_image` makes such spectrograms, MAX and L are 1, and SSIM is the mean over windows.

For sets, with the embedding of a clip by a tagger as a point and its class probabilities p,

    FD = ‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2·(Σ₁Σ₂)^½)
    KL = mean over clips of Σ p_true·ln(p_true / p_made)
    IS = exp(mean over clips of Σ p·ln(p / p̄)),    p̄ the mean of p over clips

A clip is one point. The KL divergence compares every clip with a recording of the same class, the
inception score needs no reference. IS is 1 when all clips look alike and at most the number of
classes; a tagger that is sure of everything scores its own output high.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.frechet import embedding_pool, frechet_distance
from soundstage.spectra.dual_spectra import LEVEL, SPREAD, log_mel, spectrogram

WAVEFORM_RANGE = 2.0  # of samples from −1 to 1
IMAGE_RANGE = 1.0
IMAGE_DB = 80.0  # range of a log-mel image, down from a sine at full scale
DB_PER_NEPER = 8.685889638
MEAN_SHARE, VARIANCE_SHARE = 0.01, 0.03  # of the dynamic range, in c₁ and c₂
WINDOW, SIGMA = 11, 1.5  # bands and frames of a window of SSIM, and its Gaussian
PROBABILITY_FLOOR = 1e-7


def psnr(made: Float[Tensor, "*shape"], true: Float[Tensor, "*shape"], peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB (Eq. 17); infinite for equal signals.

    Args:
        made: samples or an image.
        true: its reference, of the same shape.
        peak: the largest possible value.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(made, true)
    error = (made.double() - true.double()).square().mean()
    return float(10 * torch.log10(peak**2 / error))


def ssim(
    made: Float[Tensor, "*shape"], true: Float[Tensor, "*shape"], span: float = WAVEFORM_RANGE
) -> float:
    """Structural similarity of whole signals (Eq. 18), from −1 to 1.

    Args:
        made: samples.
        true: their reference, of the same shape.
        span: dynamic range, largest minus smallest possible value.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(made, true)
    x, y = made.double().flatten(), true.double().flatten()
    means = x.mean(), y.mean()
    products = (x * x).mean(), (y * y).mean(), (x * y).mean()
    return float(_similarity(*means, *products, span))


def image_ssim(
    made: Float[Tensor, "*batch bands frames"],
    true: Float[Tensor, "*batch bands frames"],
    span: float = IMAGE_RANGE,
) -> float:
    """Mean structural similarity over Gaussian windows of 11 × 11 that fit into the images.

    Args:
        made: spectrograms, such as `mel_image`.
        true: their references, of the same shape.
        span: dynamic range of the values.

    Raises:
        ValueError: the shapes differ, or an axis is shorter than a window.
    """
    _check_shapes(made, true)
    if min(made.shape[-2:]) < WINDOW:
        raise ValueError(f"images of {tuple(made.shape[-2:])} are smaller than a window")
    x, y = (image.double().flatten(0, -3)[:, None] for image in (made, true))
    means = _windowed(x), _windowed(y)
    products = _windowed(x * x), _windowed(y * y), _windowed(x * y)
    return float(_similarity(*means, *products, span).mean())


def mel_image(sound: Float[Tensor, "*batch samples"]) -> Float[Tensor, "*batch 64 frames"]:
    """Log-mel spectrogram of a sound at 16 kHz: 1 at full scale, 0 from 80 dB below on."""
    level = (log_mel(spectrogram(sound)) * SPREAD + LEVEL) * DB_PER_NEPER
    return (1 + level / IMAGE_DB).clamp(0, 1)


def feature_distance(
    made: Float[Tensor, "clips size"], true: Float[Tensor, "others size"]
) -> float:
    """Fréchet distance between the embeddings of two sets of clips (Eq. 19).

    Raises:
        ValueError: a set has fewer than two clips, or the sizes differ.
    """
    return frechet_distance(embedding_pool(made), embedding_pool(true))


def kl_divergence(
    made: Float[Tensor, "clips classes"], true: Float[Tensor, "clips classes"]
) -> float:
    """Mean divergence of class probabilities, of each true clip from its generated one, in nats.

    Args:
        made: probabilities of generated clips.
        true: those of recordings, in the same order: of the same class and direction.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(made, true)
    return float(_divergence(true.double(), made.double()).mean())


def inception_score(probabilities: Float[Tensor, "clips classes"]) -> float:
    """Inception score over all clips at once (Eq. 20), from 1 to the number of classes."""
    each = probabilities.double()
    return float(_divergence(each, each.mean(dim=0, keepdim=True)).mean().exp())


def _divergence(
    one: Float[Tensor, "clips classes"], other: Float[Tensor, "#clips classes"]
) -> Float[Tensor, " clips"]:
    """KL(one ‖ other) of every row."""
    ratio = one.clamp(min=PROBABILITY_FLOOR) / other.clamp(min=PROBABILITY_FLOOR)
    return (one * ratio.log()).sum(dim=1)


def _similarity(
    mean_x: Tensor, mean_y: Tensor, xx: Tensor, yy: Tensor, xy: Tensor, span: float
) -> Tensor:
    """Eq. 18 from the means of x, y, x², y² and xy."""
    c1, c2 = (MEAN_SHARE * span) ** 2, (VARIANCE_SHARE * span) ** 2
    spread = xx - mean_x**2 + yy - mean_y**2
    common = xy - mean_x * mean_y
    return ((2 * mean_x * mean_y + c1) * (2 * common + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (spread + c2)
    )


def _windowed(image: Float[Tensor, "n 1 rows columns"]) -> Float[Tensor, "n 1 rows2 columns2"]:
    """Gaussian means of all windows, one axis after the other."""
    places = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(places**2) / (2 * SIGMA**2))
    kernel = (weights / weights.sum())[None, None]
    return F.conv2d(F.conv2d(image, kernel[..., None]), kernel[..., None, :])


def _check_shapes(made: Tensor, true: Tensor) -> None:
    if made.shape != true.shape:
        raise ValueError(f"shapes differ: {tuple(made.shape)} and {tuple(true.shape)}")
