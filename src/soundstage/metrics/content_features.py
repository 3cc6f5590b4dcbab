"""Features of six seconds of sound that tell speech, a single instrument, music and noise apart.

A frame has the energies of 24 mel bands, and a pitch: the highest peak of the autocorrelation
between 70 and 500 Hz, which is the inverse transform of the magnitudes below 4 kHz. A segment has
55 features: the modulation of its energy around 4 Hz (syllables; Scheirer and Slaney 1997), how far
and how fast the shape of its spectrum changes, gaps, and how strong, steady and gliding its pitch
is: a voice glides, notes stay, and a band has more pitches than one series of harmonics explains.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from soundstage.spectra import PowerFrames
from soundstage.spectra.power_frames import HOP_SECONDS

BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 80.0, 7_600.0  # of the bands
PITCHES_HZ = (70.0, 500.0)
TONAL_HZ = 4_000.0  # upper limit for pitch
FRAMES = 256  # of a segment, 5.9 s
LEAST_FRAMES = 100  # of a shorter one at the end of a sound, 2.3 s
ACTIVE_DB = 45.0  # below the loudest frame; less is a pause
FAINTEST_DB = -75.0  # of the loudest frame of a segment that is not silent
VOICED = 0.5  # pitch strength
TINY = 1e-10
_GROUPS = (slice(0, 6), slice(6, 14), slice(14, 24), slice(0, 24))  # bands with one envelope
_FIFTHS = (slice(0, 3), slice(3, 8), slice(8, 14), slice(14, 19), slice(19, 24))


class Frames(NamedTuple):
    """Features of consecutive frames."""

    bands: Float[np.ndarray, "frames bands"]
    """Energies."""
    strength: Float[np.ndarray, " frames"]
    """Of the pitch, 0 to about 1."""
    pitch: Float[np.ndarray, " frames"]
    """In semitones re 1 Hz."""
    harmonic: Float[np.ndarray, " frames"]
    """Share of the energy near harmonics of the pitch, over that of noise, −1 to 1."""
    flatness: Float[np.ndarray, " frames"]
    """Mean log power less the log of the mean; 0 for a flat spectrum."""


class FrameAnalysis:
    """From power spectra to features of frames.

    Args:
        frames: source of the spectra.
    """

    def __init__(self, frames: PowerFrames) -> None:
        self._rate, frequencies = frames.rate, frames.frequencies
        self._step = frequencies[1]
        edges = _from_mel(np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 1))
        bins = np.searchsorted(frequencies, np.minimum(edges, self._rate / 2))
        for band in range(1, bins.size):  # low bands have one bin at least
            bins[band] = max(bins[band], min(bins[band - 1] + 1, frequencies.size - 1))
        self._bins = bins
        self._top = int(np.searchsorted(frequencies, TONAL_HZ))
        first, last = (self._rate / hz for hz in reversed(PITCHES_HZ))
        self._lags = np.arange(int(np.ceil(first)), int(last) + 1)
        window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(frames.frame + 1)[:-1])))
        self._fading = np.maximum(window[self._lags] / window[0], 0.3)

    def __call__(self, power: Float[np.ndarray, "frames bins"]) -> Frames:
        """Features of the frames with these spectra."""
        total = np.cumsum(power, axis=1, dtype=np.float64)
        total = np.concatenate([np.zeros((len(power), 1)), total], axis=1)
        bands = total[:, self._bins[1:]] - total[:, self._bins[:-1]]
        tonal = power[:, : self._top]
        strength, pitch_hz = self._pitch(tonal, power.shape[1])
        bins = np.arange(self._top) * self._step
        harmonics = bins / pitch_hz[:, None]
        away = np.abs(harmonics - np.round(harmonics)) * (pitch_hz / self._step)[:, None]
        near = (away < 1.6) & (bins > 50)
        share = (tonal * near).sum(axis=1) / (tonal.sum(axis=1) + 1e-20)
        chance = near.mean(axis=1)
        harmonic = ((share - chance) / (1 - chance + 1e-3)).clip(-1, 1)
        inner = tonal[:, 2:] + np.float32(1e-12)
        flatness = np.log(inner).mean(axis=1) - np.log(inner.mean(axis=1))
        return Frames(bands, strength, 12 * np.log2(pitch_hz), harmonic, flatness)

    def _pitch(
        self, tonal: Float[np.ndarray, "frames bins"], bins: int
    ) -> tuple[Float[np.ndarray, " frames"], Float[np.ndarray, " frames"]]:
        """Strength and frequency in Hz."""
        magnitude = np.zeros((len(tonal), bins), np.float32)
        magnitude[:, 2 : self._top] = np.sqrt(tonal[:, 2:])
        correlation = np.fft.irfft(magnitude, axis=1)
        scale = np.where(correlation[:, :1] > 0, correlation[:, :1], 1)
        curve = correlation[:, self._lags] / scale / self._fading
        best = curve.argmax(axis=1)
        rows, inner = np.arange(len(tonal)), best.clip(1, self._lags.size - 2)
        before, peak, after = (curve[rows, inner + offset] for offset in (-1, 0, 1))
        bend = before - 2 * peak + after
        offset = 0.5 * (before - after) / np.where(np.abs(bend) < 1e-9, 1, bend)
        lag = self._lags[inner] + offset.clip(-0.5, 0.5)
        return curve[rows, best], self._rate / lag


def segment_features(frames: Frames) -> Float[np.ndarray, " features"] | None:
    """The features of a segment of at least `LEAST_FRAMES`; None if it is silent."""
    energy = frames.bands.sum(axis=1)
    level = 10 * np.log10(energy + TINY)
    active = level > level.max() - ACTIVE_DB
    if level.max() < FAINTEST_DB or active.sum() < 20:
        return None
    low, middle, high = np.percentile(level, [10, 50, 90])
    levels = 10 * np.log10(frames.bands[active] + TINY)
    shares = [frames.bands[:, fifth].sum() / (energy.sum() + TINY) for fifth in _FIFTHS]
    parts: list[Any] = [
        _modulations(frames.bands),
        _shape(levels - levels.mean(axis=1, keepdims=True)),
        [(energy < 0.25 * energy.mean()).mean(), high - middle, middle - low, 1 - active.mean()],
        _pitches(frames, active),
        [frames.flatness[active].mean(), frames.flatness[active].std()],
        10 * np.log10(np.array(shares) + 1e-4),
    ]
    return np.concatenate(parts)


def _modulations(bands: Float[np.ndarray, "frames bands"]) -> list[float]:
    """Shares of 2.5 to 8 and of 8 to 20 Hz in the modulation of each group, and its depth."""
    amplitude, features = np.sqrt(bands), []
    for group in _GROUPS:
        envelope = amplitude[:, group].sum(axis=1)
        envelope = envelope / (envelope.mean() + 1e-9) - 1
        spectrum = np.abs(np.fft.rfft(envelope * np.hanning(envelope.size), n=512)) ** 2
        hertz = np.arange(spectrum.size) / (512 * HOP_SECONDS)
        edges = np.searchsorted(hertz, [0.4, 2.5, 8, 20])
        slow, syllables, fast = np.add.reduceat(spectrum[: edges[-1]], edges[:-1])
        total = slow + syllables + fast + 1e-9
        features += [np.log(syllables / total + 1e-3), np.log(fast / total + 1e-3)]
    envelope = amplitude.sum(axis=1)
    return [*features, np.log(envelope.std() / (envelope.mean() + 1e-9) + 1e-3)]


def _shape(levels: Float[np.ndarray, "frames bands"]) -> list[float]:
    """Spread and change of the spectral shape, in dB: of bands, and of eight cosine terms."""
    change = np.abs(np.diff(levels, axis=0))
    spread = levels.std(axis=0)
    term, band = np.arange(1, 9), np.arange(BANDS)[:, None]
    cosines = levels @ (np.cos(np.pi / BANDS * (band + 0.5) * term) * np.sqrt(2 / BANDS))
    bands = [spread.mean(), spread[:8].mean(), spread[16:].mean()]
    moved = np.diff(cosines, axis=0).std(axis=0)
    return [change.mean(), change.mean(axis=1).std(), *bands, *cosines.std(axis=0), *moved]


def _pitches(frames: Frames, active: Bool[np.ndarray, " frames"]) -> list[float]:
    """Strength of the pitch, its harmonics, and how it moves."""
    voiced = active & (frames.strength > VOICED)
    strength, harmonic = frames.strength[active], frames.harmonic[active]
    features = [
        voiced.sum() / active.sum(),
        *(strength.mean(), strength.std(), np.percentile(strength, 90)),
        *(harmonic.mean(), harmonic.std(), np.percentile(harmonic, 75)),
    ]
    both = voiced[1:] & voiced[:-1]
    steps = np.minimum(np.abs(np.diff(frames.pitch)), 12)
    moves = steps[both]
    if moves.size > 5:
        features += [(moves < 0.12).mean(), ((moves > 0.2) & (moves < 1.5)).mean()]
        features.append((moves >= 1.5).mean())
    else:
        features += [0.0, 0.0, 1.0]
    pitch = frames.pitch[voiced]
    features += [np.median(pitch), pitch.std()] if pitch.size > 5 else [0.0, 12.0]
    held = np.concatenate([[0], both & (steps < 0.5), [0]]).astype(int)
    edges = np.diff(held)
    runs = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)  # lengths of notes
    notes = [np.log1p(runs.mean()), np.log1p(runs.max())] if runs.size else [0.0, 0.0]
    return [*features, *notes]


def _mel(hertz: float | np.ndarray) -> np.ndarray:
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def _from_mel(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)
