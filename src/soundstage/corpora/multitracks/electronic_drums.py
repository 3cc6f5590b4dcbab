"""A synthesized drum machine: tones with falling pitch, filtered noise, metallic clusters.

Each machine draws its own tuning and decays, so that hardly two songs share a kick.
"""

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfilt

Signal = Float[np.ndarray, " frames"]

# Ratios of the square oscillators of a classic machine's cymbals
_METAL = (2.0, 3.0, 4.16, 5.43, 6.79, 8.21)
_TOM_SEMITONES = {41: 0, 43: 3, 45: 5, 47: 8, 48: 11, 50: 15}
_TUNED = {56: 5, 60: 12, 61: 7, 62: 10, 63: 9, 64: 4, 65: 14, 66: 9, 75: 26, 76: 24, 77: 19}


class DrumMachine:
    """One drum kit.

    Args:
        rate: sample rate in Hz.
        random: draws the kit, and the noise of hits.
    """

    def __init__(self, rate: int, random: np.random.Generator) -> None:
        self._rate, self._random = rate, random
        self._kick_hz = random.uniform(38, 62)
        self._kick_decay = float(np.exp(random.uniform(np.log(0.08), np.log(0.5))))
        self._kick_sweep = random.uniform(1.5, 4.0)  # octaves
        self._click = random.uniform(0.0, 0.6)
        self._snare_hz = random.uniform(150, 260)
        self._snare_decay = random.uniform(0.07, 0.25)
        self._snare_noise = random.uniform(0.4, 1.0)
        self._hat_hz = random.uniform(5000, 9000)
        self._metal_hz = random.uniform(180, 420)
        self._metal_share = random.uniform(0.0, 1.0)
        self._hat_decay = random.uniform(0.02, 0.07)
        self._glitch = random.random() < 0.25
        self._drive = random.uniform(0.7, 3.0)

    def hit(self, instrument: int) -> Signal:
        """One hit of a General MIDI percussion instrument, about 0 dB of full scale."""
        if instrument in (35, 36):
            sound = self._kick()
        elif instrument in (38, 40):
            sound = self._snare()
        elif instrument == 39:
            sound = self._clap()
        elif instrument in (42, 44, 46):
            sound = self._hat(0.3 if instrument == 46 else self._hat_decay)
        elif instrument in (49, 57, 51, 53, 52, 55, 59):
            sound = 0.7 * self._hat(0.9 if instrument in (49, 57) else 0.35)
        elif instrument in _TOM_SEMITONES:
            hz = 75 * 2 ** (_TOM_SEMITONES[instrument] / 12)
            sound = self._falling(hz, 0.8, 0.05, 0.18)
        elif instrument in _TUNED:
            hz = 220 * 2 ** (_TUNED[instrument] / 12)
            sound = 0.5 * self._falling(hz, 0.1, 0.02, 0.08)
        elif instrument == 37:
            click = self._falling(1700, 0.3, 0.01, 0.015)
            sound = 0.7 * self._sum(click, self._noise(0.05, 0.01, 2000))
        else:  # shakers and tambourines
            sound = 0.4 * self._noise(0.15, 0.035, 5000, attack=0.01)
        fade = min(len(sound), 64)
        sound[-fade:] *= np.linspace(1, 0, fade)
        return sound

    def _kick(self) -> Signal:
        body = self._falling(self._kick_hz, self._kick_sweep, 0.03, self._kick_decay)
        click = self._noise(0.01, 0.002, 1500)
        body[: len(click)] += self._click * click
        return np.asarray(np.tanh(self._drive * body) / np.tanh(self._drive))

    def _snare(self) -> Signal:
        body = self._falling(self._snare_hz, 0.5, 0.02, 0.06)
        noise = self._noise(5 * self._snare_decay, self._snare_decay, 900)
        return self._sum(0.6 * body, self._snare_noise * noise)

    def _clap(self) -> Signal:
        burst = self._noise(0.4, 0.008, 1000)
        sound = 0.7 * self._noise(0.4, 0.09, 1000)
        for start in (0, 0.011, 0.023):
            offset = round(start * self._rate)
            sound[offset:] += 0.7 * burst[: len(sound) - offset]
        return sound

    def _hat(self, decay: float) -> Signal:
        if self._glitch and decay < 0.1:  # a stuttered burst in place of a hat
            burst = self._noise(0.02, 0.004, self._hat_hz / 2)
            return np.concatenate([0.9**k * burst for k in range(3)])
        time = np.arange(round(5 * decay * self._rate)) / self._rate
        metal: Signal = np.zeros(len(time))
        for ratio in _METAL:
            metal += np.sign(np.sin(2 * np.pi * self._metal_hz * ratio * time))
        metal = self._high_passed(metal / 3, self._hat_hz) * np.exp(-time / decay)
        noise = self._noise(5 * decay, decay, self._hat_hz)[: len(metal)]
        return 0.8 * (self._metal_share * metal + (1 - self._metal_share) * noise)

    def _falling(self, hz: float, octaves: float, fall: float, decay: float) -> Signal:
        """A sine that falls by octaves to its frequency, and decays (seconds)."""
        time = np.arange(round(6 * decay * self._rate)) / self._rate
        frequency = hz * 2 ** (octaves * np.exp(-time / fall))
        phase = 2 * np.pi * np.cumsum(frequency) / self._rate
        onset = np.minimum(time / 0.001, 1)
        return np.asarray(np.sin(phase) * np.exp(-time / decay) * onset)

    def _noise(self, seconds: float, decay: float, hz: float, attack: float = 0.0005) -> Signal:
        """Noise above a frequency that decays."""
        time = np.arange(max(round(seconds * self._rate), 2)) / self._rate
        noise = self._high_passed(self._random.standard_normal(len(time)), hz)
        return np.asarray(0.6 * noise * np.exp(-time / decay) * np.minimum(time / attack, 1))

    def _high_passed(self, signal: Signal, hz: float) -> Signal:
        filters = butter(2, min(hz, 0.4 * self._rate), "highpass", fs=self._rate, output="sos")
        return np.asarray(sosfilt(filters, signal))

    @staticmethod
    def _sum(first: Signal, second: Signal) -> Signal:
        total = np.zeros(max(len(first), len(second)))
        total[: len(first)] += first
        total[: len(second)] += second
        return total
