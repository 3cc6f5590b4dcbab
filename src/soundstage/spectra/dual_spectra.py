"""The spectra of DualSpec: complex, log-mel, and the features between networks and sound.

Sound at 16 kHz in centered Hann windows of 512 samples every 256 (Zhao et al., DualSpec, §VI-A); an
example of five seconds is padded to 320 frames. Spectra are scaled by the sum of the window, so
that a sine at full scale has magnitude 1 in its bin. Three kinds of features have about zero mean
and unit deviation:

- log-mel: 64 bands m = B|S|, each row of B summing to 1, on a logarithmic scale. The inverse
  minimizes ‖B·x − m‖² over x ≥ 0 (the paper's footnote 2) by the multiplicative update
  x ← x · Bᵀm / (BᵀB·x) of Lee and Seung (NIPS 2000, Eq. 4);
- STFT: real and imaginary part, as in the paper, of |S|^p·e^(j∠S); the compression is ours;
- interaural: level of both ears together, phase of the left ear, and the transfer from left to
  right as level and phase difference. The direction is then in channels of its own, which keep it
  where a network loses the absolute phase of noise.

The last two leave out the bin at 8 kHz, so that 256 rows can be halved.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra.cached_tensors import cached_tensor
from soundstage.spectra.filterbanks import slaney_mel_filters
from soundstage.spectra.stft import ShortWindowSTFT

RATE = 16_000  # Hz
FFT = 512  # samples
HOP = 256  # samples
BINS = FFT // 2 + 1
ROWS = FFT // 2  # of the features; the bin at 8 kHz is left out
N_FRAMES = 320  # of an example; a multiple of the compression of every network
N_SAMPLES = (N_FRAMES - 1) * HOP  # 5.1 s
MELS = 64
EARS = 2
STFT_CHANNELS = 2 * EARS
INTERAURAL_CHANNELS = 6

FLOOR = 1e-5  # of magnitudes, −100 dB: below the noise of 16 bits in a bin
LEVEL, SPREAD = -7.7, 2.4  # nepers: mean and deviation of mel bands of events with a peak of −6 dB
POWER = 0.3  # compresses magnitudes
STFT_SPREAD = 0.09  # deviation of compressed real and imaginary parts of the same events
MAX_ILD = 3.0  # nepers, 26 dB: beyond the shadow of a head
PHASE_STEPS = 8  # of Griffin and Lim's iteration; see `consistent_phases`
INVERSE_STEPS = 10  # of the multiplicative update; more change magnitudes by less than 0.1 dB
_TINY = 1e-12  # in denominators
_SCALE = FFT / 4  # magnitude of a sine at full scale: half the sum of the window
_TRANSFORM = ShortWindowSTFT(frame=FFT, hop=HOP, length=FFT)


def spectrogram(sound: Float[Tensor, "*batch samples"]) -> Complex[Tensor, "*batch bins frames"]:
    """Spectrum of a sound at 16 kHz, ⌈samples/256⌉ + 1 frames of 257 bins."""
    return _TRANSFORM.analyze(sound) / _SCALE


def inverse_spectrogram(
    spectrum: Complex[Tensor, "*batch bins frames"], samples: int
) -> Float[Tensor, "*batch samples"]:
    """The sound of a spectrum, or that of the nearest consistent one."""
    return _TRANSFORM.synthesize(spectrum * _SCALE, samples)


def consistent_phases(
    spectrum: Complex[Tensor, "*batch ears bins frames"], steps: int = PHASE_STEPS
) -> Complex[Tensor, "*batch ears bins frames"]:
    """Phases that fit together from frame to frame, with the magnitudes and the relation of ears.

    Each step takes the phases of the spectrum of the sound that this spectrum has (Griffin and Lim,
    1984), but turns both ears by the same angle, so that phase differences between them stay.

    Args:
        spectrum: of both ears.
        steps: 8 leave an error of 0.8 dB in the magnitudes of events, 32 one of 0.5 dB.
    """
    samples = (spectrum.shape[-1] - 1) * HOP
    for _ in range(steps):
        consistent = spectrogram(inverse_spectrogram(spectrum, samples))
        turn = (consistent * spectrum.conj()).sum(dim=-3, keepdim=True)
        spectrum = spectrum * _unit(turn)
    return spectrum


@cached_tensor
def _bands() -> Float[Tensor, "mels bins"]:
    """Slaney's triangles from 0 to 8 kHz, each with a sum of 1."""
    bands = slaney_mel_filters(MELS, FFT, RATE, 0, RATE / 2)
    return bands / bands.sum(dim=1, keepdim=True)


def log_mel(
    spectrum: Complex[Tensor, "*batch bins frames"],
) -> Float[Tensor, "*batch mels frames"]:
    """Normalized log-mel bands of a spectrum."""
    return magnitude_log_mel(spectrum.abs())


def magnitude_log_mel(
    magnitude: Float[Tensor, "*batch bins frames"],
) -> Float[Tensor, "*batch mels frames"]:
    """Normalized log-mel bands of magnitudes, with or without the bin at 8 kHz."""
    bands = _bands()[:, : magnitude.shape[-2]].to(magnitude.device)
    return normalized_log(bands @ magnitude)


def mel_to_magnitude(
    log_mel: Float[Tensor, "*batch mels frames"],
) -> Float[Tensor, "*batch bins frames"]:
    """Magnitudes whose mel bands are nearest to the given ones (least squares, none negative)."""
    bands = _bands().to(log_mel.device)
    mel = from_normalized_log(log_mel)
    numerator = bands.T @ mel
    magnitude = numerator / bands.sum(dim=0).clamp(min=_TINY)[:, None]  # smooth over neighbors
    for _ in range(INVERSE_STEPS):
        magnitude = magnitude * numerator / (bands.T @ (bands @ magnitude)).clamp(min=_TINY)
    return magnitude


def normalized_log(magnitude: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Magnitudes on a logarithmic scale, about −2 (silence) to 3."""
    return (magnitude.clamp(min=FLOOR).log() - LEVEL) / SPREAD


def from_normalized_log(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The inverse of `normalized_log`; magnitudes end at full scale, 1."""
    return (value * SPREAD + LEVEL).clamp(max=0.0).exp()


def compressed_magnitude(magnitude: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """|S|^p."""
    return magnitude**POWER


def stft_features(
    spectrum: Complex[Tensor, "*batch ears bins frames"],
) -> Float[Tensor, "*batch channels rows frames"]:
    """Compressed real and imaginary parts, two channels for each ear."""
    spectrum = spectrum[..., :ROWS, :]
    compressed = _unit(spectrum) * (compressed_magnitude(spectrum.abs()) / STFT_SPREAD)
    return torch.stack([compressed.real, compressed.imag], dim=-3).flatten(-4, -3)


def from_stft_features(
    features: Float[Tensor, "*batch channels rows frames"],
) -> Complex[Tensor, "*batch ears bins frames"]:
    """The inverse of `stft_features`; magnitudes end at full scale, 1."""
    real, imaginary = (features.unflatten(-3, (-1, 2)) * STFT_SPREAD).unbind(dim=-3)
    compressed = torch.complex(real, imaginary)
    magnitude = compressed.abs().clamp(min=_TINY)
    gain = magnitude.clamp(max=1.0) ** (1 / POWER) / magnitude
    return _with_nyquist(compressed * gain)


def interaural_features(
    spectrum: Complex[Tensor, "*batch 2 bins frames"],
) -> Float[Tensor, "*batch 6 rows frames"]:
    """Level of both ears, phase of the left, level and phase difference of the right.

    Returns:
        Channels: normalized logarithm of the root mean square of both ears; cosine and sine of the
        phase of the left ear; cosine and sine of the phase of the right relative to the left; level
        of the right over the left in nepers, at most ±3.
    """
    left, right = spectrum[..., :ROWS, :].unbind(dim=-3)
    level = ((_power(left) + _power(right)) / 2).sqrt()
    difference = (right.abs().clamp(min=FLOOR) / left.abs().clamp(min=FLOOR)).log()
    phase, phase_difference = _unit(left), _unit(right * left.conj())
    return torch.stack(
        [
            normalized_log(level),
            phase.real,
            phase.imag,
            phase_difference.real,
            phase_difference.imag,
            difference.clamp(-MAX_ILD, MAX_ILD),
        ],
        dim=-3,
    )


def from_interaural_features(
    features: Float[Tensor, "*batch 6 rows frames"],
) -> Complex[Tensor, "*batch 2 bins frames"]:
    """The inverse of `interaural_features`; cosine and sine may have any common magnitude."""
    _, cos, sin, cos_difference, sin_difference, _ = features.unbind(dim=-3)
    left = _unit(torch.complex(cos, sin))
    right = left * _unit(torch.complex(cos_difference, sin_difference))
    return _with_nyquist(interaural_magnitudes(features) * torch.stack([left, right], dim=-3))


def interaural_magnitudes(
    features: Float[Tensor, "*batch 6 rows frames"],
) -> Float[Tensor, "*batch 2 rows frames"]:
    """Magnitudes of both ears in `interaural_features`."""
    level, ild = features[..., 0, :, :], features[..., -1, :, :]
    ratio = ild.clamp(-MAX_ILD, MAX_ILD).exp()
    left = from_normalized_log(level) * (2 / (1 + ratio.square())).sqrt()
    return torch.stack([left, left * ratio], dim=-3)


def _power(spectrum: Complex[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    return spectrum.real.square() + spectrum.imag.square()


def _unit(value: Complex[Tensor, "*shape"]) -> Complex[Tensor, "*shape"]:
    """The value over its magnitude; zero stays zero."""
    return value / (_power(value) + _TINY**2).sqrt()


def _with_nyquist(
    spectrum: Complex[Tensor, "*batch rows frames"],
) -> Complex[Tensor, "*batch bins frames"]:
    """With silence at 8 kHz."""
    return torch.cat([spectrum, torch.zeros_like(spectrum[..., :1, :])], dim=-2)
