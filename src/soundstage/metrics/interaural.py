"""Signals at two ears: interaural time and level differences (ITD, ILD), and their errors.

In windows of 40 ms every 10 ms, with l and r the Hann-windowed ear signals,

    ITD = argmax over |τ| ≤ 1 ms of Σ_t l(t)·r(t + τ) / Σ_t w(t)·w(t + τ)
    ILD = 10·lg(Σ|L|² / Σ|R|²)    over the bins of an auditory band

Both are positive for a source on the left, like azimuths. The ITD is measured below 1.5 kHz, where
the ear follows the waveform (Blauert, *Spatial Hearing*, §2.4), with parabolic interpolation
between samples. The autocorrelation of the window w in the denominator removes its bias towards τ =
0. The errors are defined by this project: mean absolute differences to the truth over the windows
(ITD) or windows and bands (ILD) that are audible in the truth.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra import erb_band_edges

WINDOW_MS = 40
FRAME_RATE = 100  # a second
LONGEST = 1e-3  # seconds; a human head reaches 0.7 ms, and a period at 1.5 kHz is 0.67 ms
LOW_PASS_HZ = 1500
LOW_PASS_ORDER = 4  # Butterworth, 24 dB an octave
BANDS = 32  # of 1.35 equivalent rectangular bandwidths each at 48 kHz
ILD_LIMIT_DB = 40.0  # above every real ILD: a silent ear keeps a finite level
ACTIVE_DB = 40.0  # below the loudest window of the truth lie the room and the preamplifier
LOWEST_RATE = 8000  # Hz
PIECE = 256  # windows at a time, so that memory does not grow with length

Ears = Float[Tensor, "2 frames"]
"""Left and right ear."""


def comparable_ears(made: Ears, true: Ears) -> tuple[Ears, Ears]:
    """The result, clipped to ±1, and the truth.

    Raises:
        ValueError: the shapes differ, are not (2, frames), or a sample is not finite.
    """
    if made.shape != true.shape:
        raise ValueError(f"the result has shape {tuple(made.shape)}, not {tuple(true.shape)}")
    check_ears(made, "the result")
    check_ears(true, "the truth")
    return made.clamp(-1, 1), true


def check_ears(stereo: Ears, name: str) -> None:
    """Check the shape and the samples of a signal at two ears; `name` is for the message.

    Raises:
        ValueError: the shape is not (2, frames), there is no frame, or a sample is not finite.
    """
    if stereo.ndim != 2 or stereo.shape[0] != 2 or not stereo.shape[1]:
        raise ValueError(f"{name} has shape {tuple(stereo.shape)}, not (2, frames)")
    if not torch.isfinite(stereo).all():
        raise ValueError(f"{name} has samples that are not finite")


def interaural_time_difference(stereo: Ears, rate: int) -> Float[Tensor, " times"]:
    """Lead of the left ear in µs, window by window.

    Args:
        stereo: left and right ear.
        rate: sample rate in Hz, at least 8000.

    Returns:
        −1000 to 1000, positive for a source on the left; NaN if an ear is silent. Only whole
        windows count.

    Raises:
        ValueError: the shape is not (2, frames), a sample is not finite, or the rate is too low.
    """
    check_ears(stereo, "the signal")
    return _time_differences(stereo, rate)[0]


def interaural_level_differences(stereo: Ears, rate: int) -> Float[Tensor, "bands times"]:
    """Level of the left ear over the right in dB, in 32 auditory bands, window by window.

    Args:
        stereo: left and right ear.
        rate: sample rate in Hz, at least 8000; the bands divide the range up to Nyquist.

    Returns:
        −40 to 40, positive for a source on the left; NaN if both ears are silent. Windows as in
        `interaural_time_difference`.

    Raises:
        ValueError: the shape is not (2, frames), a sample is not finite, or the rate is too low.
    """
    check_ears(stereo, "the signal")
    return _level_differences(_band_energies(stereo, rate))


def itd_error(made: Ears, true: Ears, rate: int) -> float:
    """Mean absolute error of the interaural time difference in µs; 0 is best.

    Over the windows of the truth that are, below 1.5 kHz, within 40 dB of the loudest. A silent ear
    in the result counts as an ITD of 0.

    Args:
        made: the result; it is clipped to ±1.
        true: recording at the two ears.
        rate: sample rate in Hz, at least 8000.

    Returns:
        0 to 2000; NaN if the truth has a silent ear or is shorter than 40 ms.

    Raises:
        ValueError: the rate is too low, the shapes differ or are not (2, frames), or a sample is
            not finite.
    """
    made, true = comparable_ears(made, true)
    wanted, energy = _time_differences(true, rate)
    found, _ = _time_differences(made, rate)
    return _mean_error(found, wanted, energy)


def ild_error(made: Ears, true: Ears, rate: int) -> float:
    """Mean absolute error of the interaural level differences in dB; 0 is best.

    Over the windows and bands of the truth that are within 40 dB of the loudest, all with the same
    weight. Silence in the result counts as an ILD of 0.

    Args:
        made: the result; it is clipped to ±1.
        true: recording at the two ears.
        rate: sample rate in Hz, at least 8000.

    Returns:
        0 to 80; NaN if the truth is silent or shorter than 40 ms.

    Raises:
        ValueError: the rate is too low, the shapes differ or are not (2, frames), or a sample is
            not finite.
    """
    made, true = comparable_ears(made, true)
    wanted, found = _band_energies(true, rate), _band_energies(made, rate)
    return _mean_error(_level_differences(found), _level_differences(wanted), wanted.sum(dim=0))


def _mean_error(
    found: Float[Tensor, "*tiles"], wanted: Float[Tensor, "*tiles"], energy: Float[Tensor, "*tiles"]
) -> float:
    """Mean |found − wanted| over the audible tiles of the truth; NaN if there is none."""
    if not energy.numel():
        return math.nan
    active = energy > 10 ** (-ACTIVE_DB / 10) * energy.max()
    active &= wanted.isfinite()
    return (found.nan_to_num(nan=0.0) - wanted)[active].abs().mean().item()


def _time_differences(
    stereo: Ears, rate: int
) -> tuple[Float[Tensor, " times"], Float[Tensor, " times"]]:
    """ITD in µs, and the energy of both ears below 1.5 kHz, of every window."""
    from scipy.signal import butter, sosfilt

    _check_rate(rate)
    filtered = sosfilt(
        butter(LOW_PASS_ORDER, LOW_PASS_HZ, fs=rate, output="sos"), stereo.double().cpu().numpy()
    )
    lags = math.ceil(LONGEST * rate) + 1  # one more, for the parabola
    length = _window_length(rate)
    window = torch.hann_window(length, dtype=torch.float64)
    own = _correlations(window, window, lags)
    found, energies = [torch.zeros(0).double()], [torch.zeros(0).double()]
    for left, right in _windows(torch.from_numpy(filtered), rate):
        energy = torch.stack([left, right]).square().sum(dim=-1)
        delays = _peaks(_correlations(left, right, lags) / own) / rate
        delays = delays.clamp(-LONGEST, LONGEST).where(energy.amin(dim=0) > 0, torch.nan)
        found.append(1e6 * delays)
        energies.append(energy.sum(dim=0))
    return torch.cat(found), torch.cat(energies)


def _correlations(
    one: Float[Tensor, "*batch length"], other: Float[Tensor, "*batch length"], lags: int
) -> Float[Tensor, "*batch delays"]:
    """Σ_t one(t)·other(t + τ) for τ from −lags to lags."""
    size = _power_of_two(one.shape[-1] + lags)
    spectrum = torch.fft.rfft(one, size).conj() * torch.fft.rfft(other, size)
    return torch.fft.irfft(spectrum, size).roll(lags, dims=-1)[..., : 2 * lags + 1]


def _peaks(correlations: Float[Tensor, "times delays"]) -> Float[Tensor, " times"]:
    """Lag of the maximum in samples, by a parabola through three points."""
    middle = correlations.shape[-1] // 2
    best = correlations[:, 1:-1].argmax(dim=-1) + 1
    before, peak, after = (
        correlations.gather(-1, (best + step)[:, None])[:, 0] for step in (-1, 0, 1)
    )
    curvature = before - 2 * peak + after
    beside = (before - after) / (2 * curvature.where(curvature < 0, -1.0))
    return best - middle + beside.where(curvature < 0, 0.0).clamp(-0.5, 0.5)


def _level_differences(
    energies: Float[Tensor, "2 bands times"],
) -> Float[Tensor, "bands times"]:
    left, right = energies
    return (10 * torch.log10(left / right)).clamp(-ILD_LIMIT_DB, ILD_LIMIT_DB)


def _band_energies(stereo: Ears, rate: int) -> Float[Tensor, "2 bands times"]:
    """Energy per ear, band and window, in double precision."""
    _check_rate(rate)
    size = _power_of_two(_window_length(rate))
    edges = erb_band_edges(BANDS, size, rate)
    energies = [torch.zeros(2, BANDS, 0, dtype=torch.float64)]
    for frames in _windows(stereo.cpu(), rate):
        spectrum = torch.fft.rfft(frames, size)
        power = (spectrum.real.square() + spectrum.imag.square()).double()
        bands = power.split(torch.as_tensor(edges).diff().tolist(), dim=-1)
        energies.append(torch.stack([band.sum(dim=-1) for band in bands], dim=1))
    return torch.cat(energies, dim=-1)


def _windows(stereo: Ears, rate: int) -> Iterator[Float[Tensor, "2 times length"]]:
    """Hann-windowed frames of both ears, a piece at a time; none for a shorter sound."""
    length = _window_length(rate)
    if stereo.shape[-1] < length:
        return
    window = torch.hann_window(length, dtype=stereo.dtype)
    for frames in stereo.unfold(-1, length, rate // FRAME_RATE).split(PIECE, dim=1):
        yield frames * window


def _window_length(rate: int) -> int:
    return rate * WINDOW_MS // 1000


def _power_of_two(length: int) -> int:
    """The smallest power of two that is at least `length`."""
    return 1 << (length - 1).bit_length()


def _check_rate(rate: int) -> None:
    if rate < LOWEST_RATE:
        raise ValueError(f"the rate must be at least {LOWEST_RATE} Hz, not {rate}")
