"""Room impulse responses of an ORTF pair: image sources for early, plane waves for late sound.

**Frame.** x ahead, y left, z up, in meters; azimuth in degrees counter-clockwise from ahead, so
that positive is left (as in SOFA, AES69). The pair stands at `PAIR` and looks along +x.

**Pair.** ORTF: two cardioids 17 cm apart, turned ±55°: near enough for a good fold-down, far enough
for the time differences (up to 0.5 ms) that widen the stereo image.

**Early** (Allen and Berkley 1979). The reflections of a shoebox are mirror images of the source:
each is one impulse, delayed by r/c and attenuated by 1/r, by the microphone's directivity
(1 + cos θ)/2, by the air, and by the reflection factor √(1 − a) of every wall it was mirrored in.
Absorption a and air have one value in each of three bands with smooth crossovers.

**Late.** After `MIXING` seconds the density of images, 4πc³t²/V a second with energy 1/(ct)² each,
approaches a diffuse field with the energy 4πc/V·10^(−6t/T60) a second. It is simulated by noise
from evenly spread directions at the same two microphones, which gives the tail the level and the
inter-channel coherence of a diffuse field. T60 follows Eyring (1930).
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

Array = NDArray[np.float64]

SPEED = 343.0  # of sound, m/s
SIZE = np.array([8.4, 6.6, 3.2])  # m
PAIR = np.array([2.5, 3.2, 1.7])  # not in the middle: fewer echoes coincide
SPACING, TURN = 0.17, np.radians(55)  # ORTF

CROSSOVERS = (500.0, 4000.0)  # Hz, between the three bands
ABSORPTION = np.array(  # (walls, bands): shares of the energy
    [
        [0.16, 0.24, 0.30],  # behind: panels
        [0.22, 0.36, 0.45],  # ahead: curtain
        [0.18, 0.22, 0.26],  # right: panels
        [0.18, 0.20, 0.24],  # left: plaster, shelves
        [0.12, 0.26, 0.42],  # floor: rug
        [0.30, 0.28, 0.32],  # ceiling: tiles
    ]
)
AIR = np.array([0.0001, 0.0006, 0.006])  # amplitude attenuation, nepers a meter

MIXING = 0.05  # s, crossover from image sources to the late field
FADE = 0.02  # s, width of that crossover
DIRECTIONS = 48  # plane waves of the late field
TAPS = np.arange(-16, 17)  # of the fractional delay


def position(azimuth: float, distance: float, height: float) -> Array:
    """Position at `azimuth` (degrees) and `distance` (m) from the pair."""
    angle = np.radians(azimuth)
    ground = PAIR + distance * np.array([np.cos(angle), np.sin(angle), 0])
    return np.array([ground[0], ground[1], height])


def microphones() -> tuple[Array, Array]:
    """Positions and axes of the left and the right microphone, both (2, 3)."""
    offsets = np.array([[0, SPACING / 2, 0], [0, -SPACING / 2, 0]])
    axes = np.array([[np.cos(TURN), np.sin(TURN), 0], [np.cos(TURN), -np.sin(TURN), 0]])
    return PAIR + offsets, axes


def reverberation_time() -> Array:
    """Eyring's T60 in seconds, one value a band, air absorption included."""
    x, y, z = SIZE
    areas = np.array([y * z, y * z, x * z, x * z, x * y, x * y])
    mean = areas @ ABSORPTION / areas.sum()
    per_meter = -np.log(1 - mean) * areas.sum() / (4 * SIZE.prod()) + 2 * AIR
    return np.log(1e6) / (SPEED * per_meter)


def band_weights(frequencies: Array) -> Array:
    """Weights (bands, bins) that add up to one, an octave wide at the crossovers."""
    octaves = np.log2(np.maximum(frequencies, 1.0))
    above = [np.clip(octaves - np.log2(f) + 0.5, 0, 1) for f in CROSSOVERS]
    low, high = (np.sin(np.pi / 2 * share) ** 2 for share in above)
    return np.stack([1 - low, low - high, high])


def images(source: Array) -> tuple[Array, Array]:
    """Mirror images of a source: positions (images, 3) and reflection factors (images, bands)."""
    reach = SPEED * (MIXING + FADE) + np.linalg.norm(source - PAIR)
    counts = [range(-n, n + 1) for n in np.ceil(reach / (2 * SIZE)).astype(int)]
    rooms = np.array(list(product(*counts)))[:, None]  # (rooms, 1, 3)
    mirrored = np.array(list(product((0, 1), repeat=3)))[None]  # (1, 8, 3)
    where = ((1 - 2 * mirrored) * source + 2 * rooms * SIZE).reshape(-1, 3)
    lower = np.abs(rooms - mirrored).reshape(-1, 3)  # hits of the wall at the origin
    upper = np.abs(rooms + 0 * mirrored).reshape(-1, 3)
    hits = np.stack([lower, upper], axis=-1).reshape(-1, 6)  # in the walls' order
    return where, np.exp(hits @ (0.5 * np.log(1 - ABSORPTION)))


def early(source: Array, frames: int, rate: int) -> Array:
    """Impulse responses of the images up to the hand-over, (2, frames)."""
    where, walls = images(source)
    spots, axes = microphones()
    out = np.zeros((2, len(AIR), frames))
    for ear in range(2):
        away = where - spots[ear]
        r = np.linalg.norm(away, axis=1)
        fade = np.cos(np.pi / 2 * np.clip((r / SPEED - MIXING) / FADE + 0.5, 0, 1))
        near = fade > 1e-6  # cos(π/2) is not quite zero
        away, r, fade = away[near], r[near], fade[near]
        pattern = 0.5 + 0.5 * (away @ axes[ear]) / r
        gains = (fade * pattern / r)[:, None] * walls[near] * np.exp(-r[:, None] * AIR)
        delay = r / SPEED * rate
        whole = np.round(delay).astype(int)
        late = TAPS - (delay - whole)[:, None]
        kernel = np.sinc(late) * np.cos(np.pi * late / (len(TAPS) + 1)) ** 2
        for band in range(len(AIR)):
            np.add.at(out[ear, band], whole[:, None] + TAPS, gains[:, band, None] * kernel)
    size = next_fast_len(2 * frames, real=True)
    weights = band_weights(rfftfreq(size, 1 / rate))
    return irfft((rfft(out, size) * weights).sum(axis=1), size)[:, :frames]


def late(frames: int, rate: int, rng: np.random.Generator) -> Array:
    """The diffuse tail after `MIXING`, (2, frames), for a source of amplitude 1 at 1 m."""
    n = np.arange(DIRECTIONS) + 0.5
    z, turn = 1 - 2 * n / DIRECTIONS, np.pi * (1 + 5**0.5) * n  # a Fibonacci sphere
    level = np.sqrt(1 - z**2)
    towards = np.stack([level * np.cos(turn), level * np.sin(turn), z], axis=1)
    spots, axes = microphones()
    pattern = 0.5 + 0.5 * axes @ towards.T  # (2, directions)
    sooner = (spots - PAIR) @ towards.T / SPEED
    f = rfftfreq(frames, 1 / rate)
    field = np.zeros((2, len(f)), complex)
    for direction in range(DIRECTIONS):
        wave = rfft(rng.standard_normal(frames))
        shift = np.exp(2j * np.pi * f * sooner[:, direction, None])
        field += wave * pattern[:, direction, None] * shift

    t = np.arange(frames) / rate
    energy = 4 * np.pi * SPEED / (SIZE.prod() * rate)  # a frame, without the decay
    rise = np.sin(np.pi / 2 * np.clip((t - MIXING) / FADE + 0.5, 0, 1))
    fall = 10 ** (-3 * t / reverberation_time()[:, None])  # (bands, frames)
    banded = irfft(field[:, None] * band_weights(f), frames)  # (2, bands, frames)
    return np.sqrt(energy / DIRECTIONS) * rise * (banded * fall).sum(axis=1)


def response(source: Array, rate: int, rng: np.random.Generator) -> Array:
    """Impulse response of the pair for a source of amplitude 1 at 1 m: (2, frames)."""
    frames = next_fast_len(int(1.1 * reverberation_time().max() * rate), real=True)
    return early(source, frames, rate) + late(frames, rate, rng)
