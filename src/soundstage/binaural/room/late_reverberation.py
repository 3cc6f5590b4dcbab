"""Late reverberation: a diffuse field that replaces image sources of high order.

*Decay.* Image sources have the density 1/V. With the amplitude r₀/(c·t), where the direct sound has
r₀/r, 4πc³t²/V of them arrive per second. So the squared impulse response in an octave band is

    ⟨h²(t)⟩ = r₀²·4πc/V · 10^(−6·t/RT60) · P(f)    per second, t since emission

where P is the diffuse-field power at an ear (Kuttruff, Room Acoustics, §4.1).

*Diffuse field.* Over evenly distributed directions d, the power spectra of the ears and their
cross-spectrum are

    P_e = ⟨|H_e(d)|²⟩    C = ⟨H_l(d)·H_r(d)*⟩    γ = C/√(P_l·P_r)

with the interaural coherence γ: near 1 at long wavelengths, as sin(kd)/(kd) for two points in the
free field, and small above 1 kHz (Lindevald and Benade 1986).

*Tail.* Gaussian noise with this power and coherence; with independent noises N of unit power

    L = √P_l·N₁,    R = √P_r·(γ*·N₁ + √(1 − |γ|²)·N₂)

*Ambisonics.* In a diffuse field of unit power the channels are independent, and have the mean power
of a harmonic over the sphere, which is 1/(2n + 1) at the degree n in SN3D (Zotter and Frank 2019,
"Ambisonics", §A.3).

Images up to an order are rendered separately, so the power is multiplied by the share of images of
higher order (`image_sources.share_beyond`), which rises from 0 to 1.

Assumptions: an isotropic diffuse field, independent of the source position; equal walls; an
omnidirectional source; reflections with random phases, which holds above 2000·√(RT60/V) Hz
(Schroeder 1962).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Complex64, Float, Float32
from scipy.fft import irfft, next_fast_len, rfft

from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.hrtf.sphere import even_directions
from soundstage.binaural.room.absorption import band_weights
from soundstage.binaural.room.image_sources import share_beyond
from soundstage.binaural.room.shoebox import ShoeBox

DEPTH = 65.0  # dB of decay of the slowest band, from its maximum
LONGEST = 20.0  # s
_FADE = 0.05  # of the length, at its end
_STEP = 1e-3  # s between values of the share of images
_DIRECTIONS = 1000  # coherence within 0.02 at 15 kHz


def late_reverberation(
    room: ShoeBox, interpolator: HrtfInterpolator, *, order: int, seed: int, reference: float
) -> Float32[np.ndarray, "2 frames"]:
    """The binaural impulse response of a room without the images up to an order.

    Args:
        room: with the position of the head.
        interpolator: of the HRTF set; determines the sample rate. A delay common to all of its
            responses is not in the result.
        order: of the images that are rendered separately, 0 to 50.
        seed: of the noise.
        reference: r₀ in meters: the direct sound at r meters has the amplitude r₀/r.

    Returns:
        Left and right, from the emission until the tail has decayed by 65 dB, at most 20 s.

    Raises:
        OptionError: the order is out of its range.
    """
    field = diffuse_field(interpolator)
    tail = _Tail(room, order, interpolator.rate, reference)
    noise = tail.noise(2, np.random.default_rng(seed))
    return tail.decaying(_diffuse_noise(noise, field.at(tail.frequencies)))


def ambisonic_reverberation(
    room: ShoeBox, degree: int, rate: int, *, order: int, seed: int, reference: float
) -> Float32[np.ndarray, "channels frames"]:
    """The late reverberation as an ambisonic field.

    Args:
        room: with the position of the listener.
        degree: highest degree of the field, its ambisonic order.
        rate: in Hz.
        order: see `late_reverberation`.
        seed: see `late_reverberation`.
        reference: see `late_reverberation`.

    Returns:
        The channels in ACN order and SN3D; the length is that of `late_reverberation`. Channels of
        lower degrees do not depend on the highest.

    Raises:
        OptionError: the order is out of its range.
    """
    tail, generator = _Tail(room, order, rate, reference), np.random.default_rng(seed)
    channels = [  # degree by degree, to bound the memory
        tail.decaying(tail.noise(2 * n + 1, generator)) / np.float32(np.sqrt(2 * n + 1))
        for n in range(degree + 1)
    ]
    return np.concatenate(channels)


class _Tail:
    """Onset, decay and length of late reverberation.

    Args:
        room: with the position of the head.
        order: of the images that are rendered separately.
        rate: in Hz.
        reference: r₀ in meters.
    """

    def __init__(self, room: ShoeBox, order: int, rate: int, reference: float) -> None:
        self._room, self._rate = room, rate
        power = 4 * np.pi * SPEED_OF_SOUND / room.volume / rate
        envelope = _envelope(room, order, rate)
        self._envelope = (reference * np.sqrt(power) * envelope).astype(np.float32)
        self._size = next_fast_len(len(envelope), real=True)
        self.frequencies = np.fft.rfftfreq(self._size, 1 / rate)  # Hz

    def noise(
        self, channels: int, generator: np.random.Generator
    ) -> Complex64[np.ndarray, "channels bins"]:
        """Spectra of independent noises of unit power."""
        return rfft(generator.standard_normal((channels, self._size), dtype=np.float32))

    def decaying(
        self, noise: Complex64[np.ndarray, "channels bins"]
    ) -> Float32[np.ndarray, "channels frames"]:
        """Noises with the decay of the room in each octave band."""
        weights = band_weights(self.frequencies).astype(np.float32)
        frames, decay_times = len(self._envelope), self._room.decay_times
        tail = np.zeros((len(noise), frames), np.float32)
        for rt60 in np.unique(decay_times):
            bands = weights[decay_times == rt60].sum(axis=0)
            decay = 10 ** (-3 * np.arange(frames) / (self._rate * rt60))
            tail += decay.astype(np.float32) * irfft(noise * bands, self._size)[:, :frames]
        return self._envelope * tail


class DiffuseField(NamedTuple):
    """Diffuse-field spectra of an HRTF set."""

    frequencies: Float[np.ndarray, " bins"]
    """In Hz."""
    powers: Float[np.ndarray, "2 bins"]
    """Of the ears, relative to the free field at the center of the head."""
    cross: Complex[np.ndarray, " bins"]
    """Cross-spectrum of left and right."""

    @property
    def coherence(self) -> Complex[np.ndarray, " bins"]:
        """γ, the interaural coherence."""
        return self.cross / np.sqrt(np.maximum(self.powers.prod(axis=0), 1e-30))

    def at(self, frequencies: Float[np.ndarray, " points"]) -> "DiffuseField":
        """Interpolate to other frequencies in Hz; |γ| stays at most 1."""
        powers = [np.interp(frequencies, self.frequencies, power) for power in self.powers]
        cross = np.interp(frequencies, self.frequencies, self.cross)
        return DiffuseField(frequencies, np.stack(powers), cross)


def diffuse_field(interpolator: HrtfInterpolator) -> DiffuseField:
    """The diffuse field of an HRTF set, at its sample rate."""
    responses = interpolator.responses(even_directions(_DIRECTIONS))
    size = 1 << (2 * interpolator.taps - 1).bit_length()
    left, right = np.fft.rfft(responses, size).transpose(1, 0, 2)
    powers = [np.mean(np.abs(each) ** 2, axis=0) for each in (left, right)]
    frequencies = np.fft.rfftfreq(size, 1 / interpolator.rate)
    return DiffuseField(frequencies, np.stack(powers), np.mean(left * right.conj(), axis=0))


def _envelope(room: ShoeBox, order: int, rate: int) -> Float[np.ndarray, " frames"]:
    """Amplitude of onset and end, without the decay."""
    slowest = room.decay_times.max()
    times = np.arange(0, LONGEST, _STEP)
    share = share_beyond(room, order, times)
    loudest = times[(share * 10 ** (-6 * times / slowest)).argmax()]
    length = min(loudest + DEPTH / 60 * slowest, LONGEST)
    at = np.arange(int(np.ceil(length * rate))) / rate
    ending = ((length - at) / (_FADE * length)).clip(0, 1)
    return np.sqrt(np.interp(at, times, share)) * np.sin(np.pi / 2 * ending) ** 2


def _diffuse_noise(
    noise: Complex64[np.ndarray, "2 bins"], field: DiffuseField
) -> Complex64[np.ndarray, "2 bins"]:
    """Two independent noises, mixed to the powers and the coherence of a diffuse field."""
    left, right = field.powers
    left = np.maximum(left, 1e-12 * left.max())
    shared = field.cross.conj() / np.sqrt(left)
    independent = np.sqrt((right - np.abs(shared) ** 2).clip(0))
    mixed = [np.sqrt(left) * noise[0], shared * noise[0] + independent * noise[1]]
    return np.stack(mixed).astype(np.complex64)
