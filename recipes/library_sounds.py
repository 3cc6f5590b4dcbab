"""Choose and encode the built-in library of sounds from a collection of labeled events.

    python recipes/library_sounds.py EVENTS [--output FOLDER]

EVENTS has a `manifest.csv` with the license and credit of every clip. Only clips under CC0 are
taken, three of each class: of different recordings as far as there are any, and of the training
folds first, so that most of the test fold stays unseen by what is measured with the library. Their
order is by the sum of

- the tagger's probability of the label (it was trained on most of these clips: this finds wrong
  labels and mixtures, it is no measure of the clip), which must be the largest one;
- for a texture, a steady level and the full length; for an event, a low level between its sounds;
- minus the share of samples near the peak, a sign of clipping; minus the correlation of its
  spectrum with those of chosen clips.

Silence around a clip is cut, its peak is set to −3 dB, and it is encoded as Ogg Opus of 16 kHz.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.atomic_files import AtomicFile, write_atomically
from soundstage.corpora.events import EventClip, event_clips, read_event
from soundstage.scene.sources.clip_analysis import (
    FRAME_SECONDS,
    active_segment,
    cut,
    frame_powers,
    is_steady,
    level_spread,
)
from soundstage.scene.sources.event_classifier import class_names, class_probabilities
from soundstage.scene.sources.event_names import is_texture
from soundstage.scene.sources.library import BUILT_IN, CREDITS

RATE = 16_000  # Hz, of the collection
CLIPS = 3  # of a class
TEST_FOLD = 4
PEAK = 0.7  # −3 dB
COMPRESSION = 0.85  # of libsndfile's Opus: about 42 kbit/s
FFT, BANDS = 512, 32
GAP_DB = -65.0  # of the loudest frame of 10 ms: digital silence after a lossy codec
GAP_FRAMES = 40  # 0.4 s
SHORTEST = 4_800  # samples for the tagger, 0.3 s
LICENSE_READING = (
    "The recordings are from freesound.org, each under CC0, and were cut for ESC-50 (K. J. Piczak, "
    "ACM MM 2015). ESC-50 as a collection is under CC BY-NC 3.0, which covers its selection and "
    "labels; the choice made here is our own, and the license of each recording is followed."
)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A clip with its merits."""

    clip: EventClip
    sound: Float[np.ndarray, " frames"]
    probabilities: Float[np.ndarray, " classes"]
    spectrum: Float[np.ndarray, " bands"]
    merit: float

    @property
    def recording(self) -> str:
        """Identity of the recording that the clip was cut from."""
        return self.clip.credit.get("source", self.clip.path.name)


def read_candidate(clip: EventClip) -> Candidate:
    """The main part of a clip, without the silence around it."""
    whole = read_event(clip.path, RATE)
    part = main_part(whole)
    sound = cut(part, active_segment(part, RATE), RATE)
    padded = np.pad(sound, (0, max(SHORTEST - len(sound), 0)))
    probabilities = class_probabilities(padded[None])[0]
    value = merit(sound, is_texture(clip.label))
    return Candidate(clip, sound, probabilities, band_levels(padded), value)


def main_part(sound: Float[np.ndarray, " frames"]) -> Float[np.ndarray, " part"]:
    """The part with the largest energy between gaps of silence, with which short clips are filled.

    ESC-50 repeats some short recordings after such a gap, and cuts the last repetition.
    """
    powers = frame_powers(sound, RATE)
    quiet = np.concatenate([[0], powers < powers.max() * 10 ** (GAP_DB / 10), [0]]).astype(int)
    edges = np.diff(quiet)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    gaps = [pair for pair in zip(starts, stops, strict=True) if pair[1] - pair[0] >= GAP_FRAMES]
    bounds = [0, *(edge for pair in gaps for edge in pair), len(powers)]
    parts = list(zip(bounds[::2], bounds[1::2], strict=True))
    first, last = max(parts, key=lambda part: powers[part[0] : part[1]].sum())
    frame = round(FRAME_SECONDS * RATE)
    return sound[first * frame : last * frame]


def band_levels(sound: Float[np.ndarray, " frames"]) -> Float[np.ndarray, " bands"]:
    """Mean levels of bands of 250 Hz, in dB, with zero mean and unit norm over the bands."""
    frames = sound[: len(sound) // FFT * FFT].reshape(-1, FFT) * np.hanning(FFT)
    powers = (np.abs(np.fft.rfft(frames)[:, 1:]) ** 2).mean(axis=0).reshape(BANDS, -1).sum(axis=1)
    levels = 10 * np.log10(powers + 1e-9)
    centered = levels - levels.mean()
    return centered / np.linalg.norm(centered)


def merit(sound: Float[np.ndarray, " frames"], texture: bool) -> float:
    """From −1 to 2, without the tagger's probability."""
    near_peak = float((np.abs(sound) > 0.9 * np.abs(sound).max()).mean())
    clipping = min(100 * near_peak, 1.0)
    if texture:
        return 1 - level_spread(sound, RATE) / 12 + len(sound) / (5 * RATE) - clipping
    powers = frame_powers(sound, RATE)
    floor = -10 * np.log10(np.percentile(powers, 10) / powers.max() + 1e-9)
    return 2 * min(float(floor) / 50, 1.0) - clipping


def chosen(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """The best clips of one class, as different from each other as possible."""
    names = class_names()
    label = names.index(candidates[0].clip.label)
    named = [each for each in candidates if each.probabilities.argmax() == label]
    taken: list[Candidate] = []
    while len(taken) < min(count, len(named)):
        recordings = {each.recording for each in taken}

        def rank(each: Candidate, recordings: set[str] = recordings) -> tuple[bool, bool, float]:
            similar = max((each.spectrum @ other.spectrum for other in taken), default=0.0)
            value = 2 * min(each.probabilities[label], 0.95) + each.merit - similar
            return each.recording not in recordings, each.clip.fold != TEST_FOLD, float(value)

        taken.append(max((each for each in named if each not in taken), key=rank))
    return taken


def encode(candidate: Candidate, path: Path) -> None:
    """Write a clip as Ogg Opus."""
    sound = candidate.sound * (PEAK / np.abs(candidate.sound).max())
    with AtomicFile(path) as temporary:
        soundfile.write(
            temporary, sound, RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION
        )


def main() -> None:
    """Choose, encode, write the credits, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("--output", type=Path, default=BUILT_IN)
    options = parser.parse_args()
    classes: dict[str, list[Candidate]] = defaultdict(list)
    for clip in event_clips(options.events):
        if clip.license == "CC0":
            classes[clip.label].append(read_candidate(clip))
    entries = []
    for label in sorted(classes):
        for number, each in enumerate(chosen(classes[label], CLIPS), start=1):
            name = f"{label}-{number}.ogg"
            encode(each, options.output / name)
            entries.append(
                {
                    "file": name,
                    "label": label,
                    **each.clip.credit,
                    "original": each.clip.path.name,
                    "fold": each.clip.fold,
                    "seconds": round(len(each.sound) / RATE, 2),
                    "loopable": is_texture(label) and is_steady(each.sound, RATE),
                }
            )
    about = {"license_reading": LICENSE_READING, "rate": RATE, "sounds": entries}
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    write_atomically(options.output / CREDITS, text)
    size = sum(path.stat().st_size for path in options.output.iterdir())
    held_out = sum(entry["fold"] == TEST_FOLD for entry in entries)
    print(f"{len(entries)} clips of {len(classes)} classes, {size / 1e6:.2f} MB")
    print(f"of fold {TEST_FOLD}: {held_out}; without a clip: {set(class_names()) - set(classes)}")


if __name__ == "__main__":
    main()
