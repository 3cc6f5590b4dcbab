"""When a head-related impulse response sets in, to a fraction of a sample.

The delay of a response h is where it best matches its own minimum-phase version (Nam, Abel and
Smith 2008, "A method for estimating interaural time difference for binaural synthesis"):

    τ = argmax_t Σ_k |H_k|·G_k·e^{j(arg H_k − φ_k)}·e^{2πjkt/K},    φ = −Hilbert{ln|H|}

that is, the cross-correlation of the two, here weighted by |H| in place of |H|² and by a low-pass G
at 3 kHz: above it the far ear hears more than one path, and the best match hops between them.
Heads measured with inverted polarity have a trough for a peak; the polarity is the whole head's.
"""

import numpy as np
from jaxtyping import Complex, Float

LOW_PASS = 3000.0  # Hz; from 2 to 3 kHz the delays of neighbors differ least on ten measured heads
_FINENESS = 96_000  # Hz; the cross-correlation is sampled at least so finely
_FLOOR = 1e-6  # of the largest magnitude, so that a zero has a logarithm
_BLOCK = 128  # directions worked on together


def minimum_phase(
    log_magnitude: Float[np.ndarray, "*batch bins"], size: int
) -> Complex[np.ndarray, "*batch bins"]:
    """The minimum-phase spectrum of this magnitude, by folding the real cepstrum.

    Args:
        log_magnitude: natural logarithm, at the bins of a real transform.
        size: of that transform, even; several times the length of the response, so that the
            cepstrum has room.
    """
    cepstrum = np.fft.irfft(log_magnitude, size)
    cepstrum[..., 1 : size // 2] *= 2
    cepstrum[..., size // 2 + 1 :] = 0
    return np.exp(np.fft.rfft(cepstrum, size))


def onset_delays(
    responses: Float[np.ndarray, "directions 2 taps"], rate: int
) -> Float[np.ndarray, "directions 2"]:
    """Delay of every response, in samples."""
    finer = -(-_FINENESS // rate)
    blocks = range(0, len(responses), _BLOCK)
    matches = [_match(responses[start : start + _BLOCK], rate, finer) for start in blocks]
    upright = sum(float((each.max(-1) + each.min(-1)).sum()) for each in matches) >= 0
    return np.concatenate([_peak(each if upright else -each) for each in matches]) / finer


def _match(
    responses: Float[np.ndarray, "directions 2 taps"], rate: int, finer: int
) -> Float[np.ndarray, "directions 2 fine"]:
    taps = responses.shape[-1]
    size = 1 << (4 * taps - 1).bit_length()
    spectra = np.fft.rfft(responses.astype(np.float64), size)
    magnitude = np.abs(spectra)
    magnitude = np.maximum(magnitude, _FLOOR * magnitude.max(axis=-1, keepdims=True))
    low_pass = 1 / (1 + (np.arange(size // 2 + 1) * rate / size / LOW_PASS) ** 8)
    excess = spectra / minimum_phase(np.log(magnitude), size)
    match = np.fft.irfft(excess * magnitude * low_pass, size * finer)
    return match[..., : taps * finer].astype(np.float32)


def _peak(match: Float[np.ndarray, "directions 2 fine"]) -> Float[np.ndarray, "directions 2"]:
    """Of the parabola through the largest value and its neighbors."""
    top = match.argmax(axis=-1, keepdims=True).clip(1, match.shape[-1] - 2)
    before, at, after = (np.take_along_axis(match, top + step, -1) for step in (-1, 0, 1))
    bend = np.minimum(before - 2 * at + after, -1e-30)
    return (top + (0.5 * (before - after) / bend).clip(-0.5, 0.5))[..., 0].astype(np.float64)
