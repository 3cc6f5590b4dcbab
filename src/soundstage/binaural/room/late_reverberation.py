"""Late reverberation at the ears: what follows the image sources that are worth a filter each.

Images at the density 1/V, of amplitude r₀/(c·t) when the direct sound has r₀/r, arrive 4πc³t²/V
times a second. So once they are many the squared impulse response in an octave band is

    ⟨h²(t)⟩ = r₀²·4πc/V · 10^(−6·t/RT60) · P(f)    a second, t since the sound was emitted

where P is the power that an ear receives from all around (Kuttruff, Room Acoustics, §4.1). The tail
is Gaussian noise with this power at either ear and with the diffuse-field coherence γ between them:
of two independent noises N with unit power

    L = √P_l·N₁,    R = √P_r·(γ*·N₁ + √(1 − |γ|²)·N₂)

Images up to an order are rendered apart, so the power is multiplied by the share of images above it
(`image_sources.share_beyond`), which is 0 before the first can arrive and 1 once all have passed.
Assumed: a diffuse field, the same from everywhere and wherever the source is; walls alike; a source
that radiates alike in all directions; reflections that meet in random phase, which they do above
2000·√(RT60/V) Hz (Schroeder 1962).
"""

import numpy as np
from jaxtyping import Complex64, Float, Float32
from scipy.fft import irfft, next_fast_len, rfft

from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.room.diffuse_field import DiffuseField, diffuse_field
from soundstage.binaural.room.image_sources import share_beyond
from soundstage.binaural.room.octave_filters import band_weights
from soundstage.binaural.room.shoebox import ShoeBox

DEPTH = 65.0  # dB that the slowest band falls from its loudest on
LONGEST = 20.0  # s
_FADE = 0.05  # of the length, at its end
_STEP = 1e-3  # s in which the share of images hardly changes


def late_reverberation(
    room: ShoeBox, interpolator: HrtfInterpolator, *, order: int, seed: int, reference: float
) -> Float32[np.ndarray, "2 frames"]:
    """The impulse response of a room at both ears, without the images up to an order.

    Args:
        room: with the place of the head.
        interpolator: the head, whose sample rate the result has. A delay common to all of its
            responses is not in the result.
        order: of the images that are rendered apart, 0 to 50.
        seed: one seed gives one tail.
        reference: r₀ in meters: the direct sound at r meters has the amplitude r₀/r.

    Returns:
        Left and right, from when the sound is emitted until the tail is 65 dB down, 20 s at most.

    Raises:
        OptionError: the order is out of its range.
    """
    rate = interpolator.rate
    envelope = _envelope(room, order, rate)
    frames = len(envelope)
    size = next_fast_len(frames, real=True)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    noise = np.random.default_rng(seed).standard_normal((2, size), dtype=np.float32)
    heard = _as_heard(rfft(noise), diffuse_field(interpolator).at(frequencies))
    weights = band_weights(frequencies).astype(np.float32)
    tail = np.zeros((2, frames), np.float32)
    for rt60 in np.unique(room.decay_times):
        bands = weights[room.decay_times == rt60].sum(axis=0)
        decay = 10 ** (-3 * np.arange(frames) / (rate * rt60))
        tail += decay.astype(np.float32) * irfft(heard * bands, size)[:, :frames]
    power = 4 * np.pi * SPEED_OF_SOUND / room.volume / rate
    return (reference * np.sqrt(power) * envelope).astype(np.float32) * tail


def _envelope(room: ShoeBox, order: int, rate: int) -> Float[np.ndarray, " frames"]:
    """Of amplitude: how the tail sets in and ends, apart from its decay."""
    slowest = room.decay_times.max()
    times = np.arange(0, LONGEST, _STEP)
    share = share_beyond(room, order, times)
    loudest = times[(share * 10 ** (-6 * times / slowest)).argmax()]
    length = min(loudest + DEPTH / 60 * slowest, LONGEST)
    at = np.arange(int(np.ceil(length * rate))) / rate
    ending = ((length - at) / (_FADE * length)).clip(0, 1)
    return np.sqrt(np.interp(at, times, share)) * np.sin(np.pi / 2 * ending) ** 2


def _as_heard(
    noise: Complex64[np.ndarray, "2 bins"], field: DiffuseField
) -> Complex64[np.ndarray, "2 bins"]:
    """Two independent noises as the two ears receive a diffuse field."""
    left, right = field.powers
    left = np.maximum(left, 1e-12 * left.max())
    shared = field.cross.conj() / np.sqrt(left)
    alone = np.sqrt((right - np.abs(shared) ** 2).clip(0))
    mixing = [np.sqrt(left) * noise[0], shared * noise[0] + alone * noise[1]]
    return np.stack(mixing).astype(np.complex64)
