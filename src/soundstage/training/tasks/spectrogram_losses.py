"""Errors of reconstructed spectra, for training and testing their autoencoders.

- Log-mel bands: the mean absolute error.
- Real and imaginary parts (ears: channels): the mean absolute errors of these, of magnitudes, and
  of the cross-spectrum of the ears averaged over a neighborhood, |⟨L·R*⟩ − ⟨L̂·R̂*⟩|.
- Level, phase and transfer (ears: interaural): the mean absolute errors of log-mel bands and of the
  level, in single bins and averaged over time; and, weighted by the compressed magnitude, that of
  the level difference and the squared errors of the phase difference and of the phase, both as unit
  vectors, so that there is no jump at ±180°. Averages have more weight, as single bins of a noise
  cannot be predicted: their error teaches nothing but a blurred mean. With `dual`, the bands have
  channels of their own.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.models.spectrogram_vae import SpectrogramVAE, fold
from soundstage.spectra.dual_spectra import (
    ROWS,
    STFT_SPREAD,
    compressed_magnitude,
    from_normalized_log,
    interaural_magnitudes,
    magnitude_log_mel,
    normalized_log,
)

NEIGHBORHOOD = (5, 5)  # bins and frames of an averaged cross-spectrum
SUSTAINED = (1, 8)  # bins and frames of an average, for the partials of tones
BIN_WEIGHT = 0.25  # of single bins, against averages
NEPER = 20 / math.log(10)  # dB
LEVEL, PHASE, PHASE_DIFFERENCE, ILD = 0, slice(1, 3), slice(3, 5), 5  # of interaural features
_TINY = 1e-8

Features = Float[Tensor, "batch channels rows frames"]


def reconstruction_error(
    vae: SpectrogramVAE,
    output: Features,
    target: Features,
    *,
    interaural_weight: float,
    phase_weight: float,
) -> Float[Tensor, " batch"]:
    """Error of the features of each example.

    Args:
        vae: defines the kind of features.
        output: of the decoder.
        target: input of the encoder.
        interaural_weight: of the relation between the ears, against that of levels.
        phase_weight: of the absolute phase; for ears: interaural.
    """
    config, error = vae.config, output.new_zeros(len(output))
    if config.kind != "stft":
        error = error + _mean((vae.mel(output) - vae.mel(target)).abs())
    if not config.spectral_channels:
        return error
    spectral, true_spectral = vae.spectral(output), vae.spectral(target)
    if config.ears == "channels":
        return error + _channel_error(spectral, true_spectral, interaural_weight)
    if config.kind == "stft":
        error = error + _band_error(spectral, true_spectral)
    return error + _interaural_error(spectral, true_spectral, interaural_weight, phase_weight)


def _channel_error(output: Features, target: Features, weight: float) -> Float[Tensor, " batch"]:
    ears, true_ears = output.unflatten(1, (-1, 2)), target.unflatten(1, (-1, 2))
    magnitudes = _length(ears, dim=2) - _length(true_ears, dim=2)
    cross = _cross_spectrum(ears) - _cross_spectrum(true_ears)
    return (
        _mean((output - target).abs())
        + _mean(magnitudes.abs())
        + weight * _mean(_length(cross, dim=1))
    )


def _interaural_error(
    output: Features, target: Features, weight: float, phase_weight: float
) -> Float[Tensor, " batch"]:
    error = output - target
    energy = compressed_magnitude(from_normalized_log(target[:, LEVEL])) / STFT_SPREAD
    interaural = error[:, PHASE_DIFFERENCE].square().sum(dim=1) + error[:, ILD].abs()
    phase = error[:, PHASE].square().sum(dim=1)
    weighted = energy * (weight * interaural + phase_weight * phase)
    return BIN_WEIGHT * _mean(error[:, LEVEL].abs()) + _mean(weighted)


def _band_error(output: Features, target: Features) -> Float[Tensor, " batch"]:
    bands = _mel_of(output) - _mel_of(target)
    sustained = _sustained(output) - _sustained(target)
    return _mean(bands.abs()) + _mean(sustained.abs())


def _mel_of(features: Features) -> Float[Tensor, "batch 2 mels frames"]:
    """Log-mel bands of both ears from interaural features."""
    return magnitude_log_mel(interaural_magnitudes(features))


def _sustained(features: Features) -> Float[Tensor, "batch rows fewer_frames"]:
    """Level averaged over frames."""
    return normalized_log(F.avg_pool2d(from_normalized_log(features[:, LEVEL]), SUSTAINED))


def _cross_spectrum(
    ears: Float[Tensor, "batch 2 2 rows frames"],
) -> Float[Tensor, "batch 2 rows frames"]:
    """Real and imaginary part of ⟨L·R*⟩, from those of both ears."""
    left, right = ears.unbind(dim=1)
    real = (left * right).sum(dim=1)
    imaginary = left[:, 1] * right[:, 0] - left[:, 0] * right[:, 1]
    return F.avg_pool2d(torch.stack([real, imaginary], dim=1), NEIGHBORHOOD, stride=1)


def judged(vae: SpectrogramVAE, features: Features) -> Features:
    """What the discriminator sees of features.

    That is all of them, but for ears: interaural the absolute phase, which no generator gets right
    in noise, and the length of the unit vectors of phase differences.
    """
    if not vae.config.spectral_channels or vae.config.ears == "channels":
        return features
    spectral = vae.spectral(features)
    turn = spectral[:, PHASE_DIFFERENCE]
    seen = [spectral[:, :1], turn / _length(turn, dim=1)[:, None], spectral[:, ILD:]]
    if vae.config.kind == "dual":
        seen = [vae.mel(features), *(fold(each) for each in seen)]
    return torch.cat(seen, dim=1)


def error_measures(
    spectrum: Complex[Tensor, "batch 2 bins frames"], target: Complex[Tensor, "batch 2 bins frames"]
) -> dict[str, float]:
    """Errors of level, level difference and phase difference, weighted by compressed magnitude.

    Returns:
        Mean absolute errors: `level_error_db`, `ild_error_db`, `ipd_error_degrees`.
    """
    spectrum, target = spectrum[..., :ROWS, :], target[..., :ROWS, :]
    level, true_level = (each.abs().clamp(min=_TINY).log() for each in (spectrum, target))
    weight = compressed_magnitude(target.abs()).mean(dim=1)
    turn, true_turn = (each[:, 1] * each[:, 0].conj() for each in (spectrum, target))
    ild = (level[:, 1] - level[:, 0]) - (true_level[:, 1] - true_level[:, 0])
    errors = {
        "level_error_db": NEPER * (level - true_level).abs().mean(dim=1),
        "ild_error_db": NEPER * ild.abs(),
        "ipd_error_degrees": torch.rad2deg((turn * true_turn.conj()).angle().abs()),
    }
    return {
        name: round(float((weight * each).sum() / weight.sum()), 2) for name, each in errors.items()
    }


def _length(vector: Tensor, dim: int) -> Tensor:
    """Length along an axis, with a finite gradient at zero."""
    return (vector.square().sum(dim=dim) + _TINY).sqrt()


def _mean(values: Float[Tensor, "batch ..."]) -> Float[Tensor, " batch"]:
    return values.flatten(1).mean(dim=1)
