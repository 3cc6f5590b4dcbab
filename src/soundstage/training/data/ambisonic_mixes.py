"""Mixes of stems in simulated rooms, as W, X and Y: the pairs that train `ambisonic`.

Zang et al. (2024, §3) place every stem of a song at a random azimuth and convolve it with measured
first-order responses. Here the rooms are simulated. A source at the azimuth φ and the elevation ϑ
has the horizontal harmonics (1, cos ϑ·cos φ, cos ϑ·sin φ), SN3D, and arrives

- directly, and as the mirror images of up to `ORDER` reflections, of gain √(1 − α)ⁿ·r₀/r each;
- as a diffuse tail of Gaussian noise with the decay of the room, whose energy over that of the
  direct sound is 16π·r₀²·(1 − α)/(α·S) in a room of the surface S (Kuttruff 2009, §5.5), and whose
  X and Y are independent of W, with a third of its energy.

All stems of a mix share the room and the tail. A field may be turned and mirrored without a change
of W, so that each mix gives several examples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import oaconvolve
from torch import Tensor

from soundstage.audio import SoundReader, open_sound
from soundstage.audio.resampling import resample
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.binaural.room.image_sources import ImageSources
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.corpora.stem_cache import StemRow
from soundstage.errors import InputError
from soundstage.training.field_recipes import FieldMixing

RATE = 44_100  # Hz, as published
ORDER = 2  # reflections; the tail has the rest
ROOMS = ((4.0, 3.5, 2.5), (14.0, 10.0, 5.0))  # m, smallest and largest
ABSORPTION = (0.15, 0.7)  # of the walls: from a bare room to a studio
WALL_SPACE = 0.3  # m from a source or a head to a wall
MIN_DISTANCE = 0.5  # m
TAIL_SECONDS = 1.0  # the longest response, as published
MAX_STEMS = 12  # of a mix
QUIET = 1e-4  # RMS of a stem that is silent in a segment
RMS = (0.25, 0.5)  # of W; louder than with a peak of 1, so that the squared error counts
TRIES = 4  # segments, of which the loudest is taken


class FieldBatch(NamedTuple):
    """W, and the field that belongs to it."""

    mid: Float[Tensor, "batch samples"]
    field: Float[Tensor, "batch 2 samples"]
    """X and Y."""


@dataclass(frozen=True)
class Song:
    """Stems that play together."""

    stems: tuple[SoundReader, ...]
    samples: int
    """Of the shortest stem, at `RATE`."""


def open_songs(rows: Sequence[StemRow]) -> list[Song]:
    """The songs of stems of which the length is known, at least two stems each.

    Raises:
        InputError: a stem cannot be read.
    """
    songs: dict[str, list[SoundReader]] = {}
    for row in rows:
        sound = open_sound(row.path)
        if sound.frames is None:
            raise InputError(f"{row.path}: does not state its length; convert it to FLAC.")
        songs.setdefault(row.song, []).append(sound)
    return [
        Song(tuple(stems), min((stem.frames or 0) * RATE // stem.rate for stem in stems))
        for stems in songs.values()
        if len(stems) > 1
    ]


class FieldMixes:
    """Random mixes.

    Args:
        songs: as `open_songs` returns them; shorter ones than an example are left out.
        batch_size: examples of a batch, a multiple of `mixing.turns`.
        samples: of an example.
        mixing: settings.
        seed: of all random choices.

    Raises:
        InputError: all songs are too short.
    """

    def __init__(
        self,
        songs: Sequence[Song],
        *,
        batch_size: int,
        samples: int,
        mixing: FieldMixing,
        seed: int,
    ) -> None:
        self._songs = [song for song in songs if song.samples > samples]
        if not self._songs:
            raise InputError(f"No song has the {samples / RATE:.1f} s of an example.")
        self._batch_size, self._samples, self._mixing = batch_size, samples, mixing
        self._seed = seed
        total = sum(song.samples for song in self._songs)
        self.hours = total / RATE / 3600
        """Length of the songs that are long enough."""
        self.per_epoch = max(total // (samples * batch_size), 1)

    def __len__(self) -> int:
        return len(self._songs)

    def draw(self, step: int) -> FieldBatch:
        """The batch of a step, the same for every call.

        Raises:
            InputError: a stem cannot be read.
        """
        random = np.random.default_rng([self._seed, step])
        mids, fields = [], []
        for first in range(0, self._batch_size, self._mixing.turns):
            mix = self._mix(random)
            for _ in range(min(self._mixing.turns, self._batch_size - first)):
                turned = _turned(mix, random)
                mids.append(turned[0])
                fields.append(turned[1:])
        return FieldBatch(
            torch.from_numpy(np.stack(mids)).float(), torch.from_numpy(np.stack(fields)).float()
        )

    def _mix(self, random: np.random.Generator) -> Float[np.ndarray, "3 samples"]:
        """W, X and Y of a segment of a song in a room."""
        song = self._songs[random.integers(len(self._songs))]
        starts = random.integers(song.samples - self._samples, size=TRIES)
        stems = self._segment(song, int(starts[0]))
        for start in starts[1:]:
            if len(stems) > 1:
                break
            stems = self._segment(song, int(start))
        gains = random.normal(0, self._mixing.gain_db, len(stems))
        stems = [stem * 10 ** (gain / 20) for stem, gain in zip(stems, gains, strict=True)]
        if not stems:
            return np.zeros((3, self._samples), np.float32)
        if random.random() < self._mixing.dry_prob:
            azimuths = random.uniform(0, 2 * math.pi, len(stems))
            planes = np.stack([np.ones_like(azimuths), np.cos(azimuths), np.sin(azimuths)])
            return planes @ np.stack(stems)
        return in_room(stems, random_room(random), random)

    def _segment(self, song: Song, start: int) -> list[Float[np.ndarray, " samples"]]:
        """The stems that sound there."""
        stems = [_read(stem, start, self._samples) for stem in song.stems[:MAX_STEMS]]
        return [stem for stem in stems if np.sqrt(np.mean(np.square(stem))) > QUIET]


def random_room(random: np.random.Generator) -> ShoeBox:
    """A room with a head that stands anywhere in it."""
    size = random.uniform(*ROOMS)
    head = random.uniform(WALL_SPACE, size - WALL_SPACE)
    absorbed = -math.log1p(-random.uniform(*ABSORPTION))
    box = ShoeBox(size.tolist())
    rt60 = 24 * math.log(10) / SPEED_OF_SOUND * box.volume / (box.surface * absorbed)  # Eyring
    return ShoeBox(box.size, rt60, head.tolist())


def in_room(
    stems: Sequence[Float[np.ndarray, " samples"]], room: ShoeBox, random: np.random.Generator
) -> Float[np.ndarray, "3 samples"]:
    """W, X and Y of stems at random places in a room."""
    samples = len(stems[0])
    images = ImageSources(room, ORDER)
    gains = np.concatenate([[1.0], images.gains.mean(axis=1)])
    absorption = float(room.absorption.mean())
    field, sent = np.zeros((3, samples)), np.zeros(samples)
    for stem in stems:
        source = _place(room, random)
        positions = np.concatenate([source[None], images.positions(source)])
        distances = np.linalg.norm(positions, axis=1)
        nearest = distances[0]
        levels = gains * nearest / distances.clip(nearest)
        delays = np.rint((distances - nearest) / SPEED_OF_SOUND * RATE).astype(int)
        harmonics = np.stack(
            [np.ones(len(distances)), positions[:, 0] / distances, positions[:, 1] / distances]
        )
        response = np.zeros((3, int(delays.max()) + 1))
        for row, gains_of in zip(response, levels * harmonics, strict=True):
            np.add.at(row, delays, gains_of)
        field += oaconvolve(stem[None], response, axes=1)[:, :samples]
        diffuse = 16 * math.pi * nearest**2 * (1 - absorption) / (absorption * room.surface)
        sent += math.sqrt(diffuse) * stem
    field += oaconvolve(sent[None], _tail(room, random), axes=1)[:, :samples]
    return field


def _place(room: ShoeBox, random: np.random.Generator) -> Float[np.ndarray, " 3"]:
    """A place relative to the head; near its height, as instruments stand on the same floor."""
    lower, upper = room.walls[0] + WALL_SPACE, room.walls[1] - WALL_SPACE
    while True:
        place = random.uniform(lower, upper)
        place[2] = np.clip(random.normal(0, 0.3), lower[2], upper[2])
        if np.linalg.norm(place) >= MIN_DISTANCE:
            return np.asarray(place)


def _tail(room: ShoeBox, random: np.random.Generator) -> Float[np.ndarray, "3 taps"]:
    """A diffuse tail; W has the energy 1."""
    seconds = min(float(room.decay_times.mean()), TAIL_SECONDS)
    times = np.arange(int(seconds * RATE)) / RATE
    mean_free_path = 4 * room.volume / room.surface
    onset = ORDER * mean_free_path / SPEED_OF_SOUND
    decay = 10 ** (-3 * times / float(room.decay_times.mean())) * np.clip(times / onset, 0, 1)
    noise = random.standard_normal((3, len(times))) * decay
    noise /= math.sqrt(float(np.sum(decay**2)))
    noise[1:] /= math.sqrt(3)
    return noise


def _turned(
    mix: Float[np.ndarray, "3 samples"], random: np.random.Generator
) -> Float[np.ndarray, "3 samples"]:
    """The mix with its field turned or mirrored, and with W at a random level."""
    angle = random.uniform(0, 2 * math.pi)
    cosine, sine = math.cos(angle), math.sin(angle)
    mirror = 1 if random.random() < 0.5 else -1
    x, y = mix[1], mirror * mix[2]
    turned = np.stack([mix[0], cosine * x - sine * y, sine * x + cosine * y])
    rms = math.sqrt(float(np.mean(np.square(mix[0]))))
    return turned * (random.uniform(*RMS) / max(rms, 1e-6))


def _read(stem: SoundReader, start: int, samples: int) -> Float[np.ndarray, " samples"]:
    """A segment of a stem, mono, with silence after its end."""
    first, frames = start * stem.rate // RATE, samples * stem.rate // RATE + 1
    block = next(stem.blocks(frames, first)).astype(np.float32, copy=False)
    mono = resample(block.mean(axis=0, keepdims=True), stem.rate, RATE)[0, :samples]
    return np.pad(mono, (0, samples - len(mono)))
