"""Multitracks: generated songs of which every stem is known, any number of hours.

    OUT/SONG/NN-NAME.flac     a stem: mono, 44.1 kHz, 16 bits, as long as all stems of the song
    OUT/manifest.csv          a line for each stem

The stems of a song add up to its mix, which has a peak of −1 dB. Songs are numbered: the same seed,
split and soundfonts give the same songs, and a longer run goes on after the songs that are there.
"""

import csv
import io
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from soundstage.atomic_files import output_errors, write_atomically
from soundstage.audio import Quantizer, SoundFormat, SoundWriter
from soundstage.audio.loudness import LoudnessMeter
from soundstage.corpora.layouts import read_manifest
from soundstage.corpora.multitracks.arrangement import Arrangement, Part, Sound
from soundstage.corpora.multitracks.composing import compose
from soundstage.corpora.multitracks.effects import apply_effects, draw_effects
from soundstage.corpora.multitracks.electronic_sounds import render_electronic
from soundstage.corpora.multitracks.players import KITS, PROGRAM_NAMES
from soundstage.corpora.multitracks.soundfonts import SoundfontSynth, find_soundfonts
from soundstage.corpora.multitracks.styles import STYLES
from soundstage.errors import OptionError
from soundstage.parallel import Progress, parallel_map

RATE = 44100  # Hz
SPLITS = ("train", "valid", "test")
HOURS = (0.001, 1000.0)
SONG_SECONDS = (40.0, 60.0)
MANIFEST = "manifest.csv"
COLUMNS = (
    "file", "song", "stem", "kind", "program", "license", "source", "split", "style", "duration_s",
)  # fmt: skip
LICENSES = {  # of the soundfonts that Debian has, after their copyright files
    "FluidR3_GM": "MIT",
    "MuseScore_General": "MIT (parts CC0 or public domain)",
    "TimGM6mb": "GPL-2.0",
}
_OWN = "electronic sounds of Soundstage"
_TAIL = 2.0  # seconds after the last bar, faded out
_PEAK = 10 ** (-1 / 20)  # of the mix, and at most of a stem
_LISTING_SECONDS = 10.0  # between two versions of the manifest: a long one takes a second to write
_SILENT = 1e-5  # root mean square of a part that a soundfont does not have

Row = dict[str, str]


@dataclass(frozen=True)
class Stem:
    """A rendered part.

    Attributes:
        part: as composed.
        source: name of the soundfont, or of our own synthesis.
        license: of the source.
        sound: samples, full scale is 1.
    """

    part: Part
    source: str
    license: str
    sound: Float32[np.ndarray, " frames"]


@dataclass(frozen=True)
class Multitracks:
    """A collection.

    Attributes:
        folder: with `manifest.csv`.
        songs: number of songs.
        stems: number of stems.
        seconds: duration of all songs.
    """

    folder: Path
    songs: int
    stems: int
    seconds: float


def render_multitracks(
    output: Path,
    *,
    hours: float = 1.0,
    seed: int = 0,
    split: str = "train",
    soundfonts: Sequence[Path] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> Multitracks:
    """Compose and render songs, after those that the folder has from an earlier run.

    Args:
        output: the folder.
        hours: duration of all songs, 0.001 to 1000.
        seed: 0 or more.
        split: one of `SPLITS`; each has songs of its own.
        soundfonts: SF2 or SF3 files, one of which plays each part; by default those of the system.
        jobs: processes; they do not change the result.
        progress: called with the finished fraction.

    Raises:
        SoundstageError: FluidSynth is not installed.
        InputError: there is no soundfont, or one cannot be read.
        OptionError: an option is out of its range.
        OutputError: the folder cannot be written.
    """
    if not HOURS[0] <= hours <= HOURS[1]:
        raise OptionError(f"`hours` must be {HOURS[0]:g} to {HOURS[1]:g}, not {hours:g}.")
    if seed < 0:
        raise OptionError(f"`seed` must be 0 or more, not {seed}.")
    if split not in SPLITS:
        raise OptionError(f"`split` must be {', '.join(SPLITS[:-1])} or {SPLITS[-1]}, not {split}.")
    fonts = tuple(soundfonts) or tuple(find_soundfonts())
    for font in fonts:
        SoundfontSynth(font, RATE).close()
    with output_errors(output):
        output.mkdir(parents=True, exist_ok=True)
    rows = _rows_of(output)
    there = {row["song"] for row in rows}
    numbers = list(_songs(hours, seed, split))
    missing = [number for number in numbers if _name(seed, split, number) not in there]
    listed = time.monotonic()
    try:
        with parallel_map(jobs) as each:
            work = partial(_write_song, output, seed, split, fonts)
            for done, written in enumerate(each(work, missing), start=1):
                rows += written
                if time.monotonic() - listed > _LISTING_SECONDS:
                    _write_manifest(output, rows)
                    listed = time.monotonic()
                if progress:
                    progress(done / len(missing))
    finally:
        _write_manifest(output, rows)
        for unfinished in output.glob(f".{split}-{seed}-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
    seconds = {row["song"]: float(row["duration_s"]) for row in rows}
    return Multitracks(output, len(seconds), len(rows), sum(seconds.values()))


def render_song(
    arrangement: Arrangement, seed: Sequence[int], soundfonts: Sequence[Path]
) -> list[Stem]:
    """The stems of a song at the levels of a mix.

    Args:
        arrangement: of the song.
        seed: integers; draws soundfonts, patches and effects.
        soundfonts: to choose from for each part.

    Raises:
        SoundstageError: FluidSynth is not installed.
        InputError: a soundfont cannot be read.
    """
    pumping = STYLES[arrangement.style].electronic > 0
    seconds = arrangement.seconds + _TAIL
    stems = []
    for place, part in enumerate(arrangement.parts):
        random = np.random.default_rng((*seed, place))
        if part.sound.electronic:
            sound, source, license = render_electronic(part, seconds, RATE, random), _OWN, "MIT"
        else:
            font = soundfonts[int(random.integers(len(soundfonts)))]
            sound, source = _synth(font).render(part, seconds), font.name
            license = _license(font)
        effects = draw_effects(part.kind, pumping, random)
        sound = apply_effects(sound, effects, RATE, arrangement.tempo, random)
        level = _loudness(sound)
        if level is not None:
            sound = sound * np.float32(10 ** ((part.level - level) / 20))
            stems.append(Stem(part, source, license, _faded(sound)))
    mix = np.sum([stem.sound for stem in stems], axis=0)
    peak = max(np.abs(sound).max() for sound in [mix, *(stem.sound for stem in stems)])
    gain = np.float32(_PEAK / peak)
    return [Stem(stem.part, stem.source, stem.license, gain * stem.sound) for stem in stems]


def _write_song(
    output: Path, seed: int, split: str, soundfonts: Sequence[Path], number: int
) -> list[Row]:
    """Write the stems of a song; its lines of the manifest."""
    name = _name(seed, split, number)
    entropy = (seed, SPLITS.index(split), number)
    arrangement = compose((*entropy, 0), _seconds(seed, split, number))
    stems = render_song(arrangement, (*entropy, 1), soundfonts)
    folder = output / f".{name}"
    shutil.rmtree(folder, ignore_errors=True)
    rows = []
    with output_errors(output):
        folder.mkdir()
        for place, stem in enumerate(stems, start=1):
            file = f"{place:02d}-{stem.part.name.replace(' ', '-').lower()}.flac"
            _write(folder / file, stem.sound, seed=place)
            values = (
                f"{name}/{file}",
                name,
                stem.part.name,
                stem.part.kind,
                _program(stem.part.sound),
                stem.license,
                stem.source,
                split,
                arrangement.style,
                f"{len(stem.sound) / RATE:.2f}",
            )
            rows.append(dict(zip(COLUMNS, values, strict=True)))
        shutil.rmtree(output / name, ignore_errors=True)
        folder.rename(output / name)
    return rows


def _songs(hours: float, seed: int, split: str) -> Iterator[int]:
    """Numbers of songs until their duration is reached."""
    rest, number = 3600 * hours, 0
    while rest > 0:
        yield number
        rest -= _seconds(seed, split, number)
        number += 1


def _seconds(seed: int, split: str, number: int) -> float:
    """The wanted duration of a song."""
    random = np.random.default_rng((seed, SPLITS.index(split), number, 2))
    return float(random.uniform(*SONG_SECONDS))


def _name(seed: int, split: str, number: int) -> str:
    return f"{split}-{seed}-{number:04d}"


@cache
def _synth(soundfont: Path) -> SoundfontSynth:
    """One synthesizer for a process: reading a soundfont takes seconds."""
    return SoundfontSynth(soundfont, RATE)


def _license(soundfont: Path) -> str:
    for start, name in LICENSES.items():
        if soundfont.name.startswith(start):
            return name
    return f"license of {soundfont.name}"


def _program(sound: Sound) -> str:
    if sound.electronic:
        return f"electronic {sound.electronic}"
    if sound.kit:
        return f"kit {sound.program} {KITS[sound.program]}"
    return f"{sound.program} {PROGRAM_NAMES[sound.program]}"


def _loudness(sound: Float32[np.ndarray, " frames"]) -> float | None:
    """In LUFS, while it sounds; None for silence."""
    peak = np.abs(sound).max()
    if np.sqrt((sound.astype(np.float64) ** 2).mean()) < _SILENT:
        return None
    meter = LoudnessMeter(RATE, 1)
    meter.push(sound[None] / peak)
    level = meter.integrated()
    return float(level + 20 * np.log10(peak)) if np.isfinite(level) else None


def _faded(sound: Float32[np.ndarray, " frames"]) -> Float32[np.ndarray, " frames"]:
    length = round(_TAIL / 2 * RATE)
    sound[-length:] *= np.linspace(1, 0, length, dtype=np.float32)
    return sound


def _write(path: Path, sound: Float32[np.ndarray, " frames"], seed: int) -> None:
    form = SoundFormat("FLAC", "PCM_16")
    with SoundWriter(path, rate=RATE, channels=1, format=form) as writer:
        writer.write(Quantizer(16, seed=seed).quantize(sound[None]))


def _rows_of(output: Path) -> list[Row]:
    """Lines of the manifest of an earlier run."""
    path = output / MANIFEST
    if not path.is_file():
        return []
    return [
        {column: row.get(column, "") for column in COLUMNS} for row in read_manifest(path).values()
    ]


def _write_manifest(output: Path, rows: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["file"]))
    write_atomically(output / MANIFEST, text.getvalue())
