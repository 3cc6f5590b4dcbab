"""Content: a voice, a melody and a band are told apart; doubt leaves the full width."""

import numpy as np
import pytest

from sounds import RATE, cut, noise, song
from soundstage.metrics import Content, ContentMeter
from soundstage.metrics.content import MUSIC_WIDTH, NARROW_WIDTH, decide
from soundstage.spectra import PowerFrames

SECONDS = 12


def content(samples: np.ndarray, *, rate: int = RATE, places: tuple[int, ...] = ()) -> Content:
    frames = PowerFrames(rate)
    meter = ContentMeter(frames)
    for block in cut(samples.astype(np.float32), places):
        meter.push(frames.push(block))
    return meter.content()


def melody(seconds: int = SECONDS, *, seed: int = 0, octave: float = 1.0) -> np.ndarray:
    """One voice: notes of a scale with eight partials, each with an attack and a decay."""
    chance, notes = np.random.default_rng(seed), []
    while sum(map(len, notes)) < seconds * RATE:
        time = np.arange(int(RATE * chance.choice([0.2, 0.4, 0.8]))) / RATE
        hertz = octave * 220 * 2 ** (chance.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
        tone = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 9))
        notes.append(tone * np.minimum(time / 0.02, 1) * np.exp(-2 * time))
    hiss = noise(seconds * RATE, seed=99, level=5e-4).numpy()  # as of a microphone
    return 0.1 * np.concatenate(notes)[: seconds * RATE] + hiss


def band() -> np.ndarray:
    """Chords of sustained tones, a bass, and noise on every beat."""
    voices = [melody(seed=seed, octave=octave) for seed, octave in enumerate((1, 1.26, 1.5, 0.25))]
    beat = np.arange(SECONDS * RATE) % (RATE // 2) / RATE
    drum = noise(SECONDS * RATE, seed=3).numpy() * np.exp(-30 * beat)
    hats = noise(SECONDS * RATE, seed=4).numpy() * np.exp(-60 * (beat % 0.125))
    return sum(voices) + drum + 0.5 * np.diff(hats, prepend=0)


def test_a_melody_is_a_solo_and_a_band_is_music() -> None:
    assert content(melody()).kind == "solo"
    assert content(melody()).max_width == NARROW_WIDTH
    assert content(band()).kind == "music"
    assert content(band()).max_width == MUSIC_WIDTH


def test_noise_silence_and_a_short_sound_are_named() -> None:
    assert content(noise(SECONDS * RATE).numpy()).kind == "noise"
    assert content(np.zeros(SECONDS * RATE)).kind == "silence"
    assert content(np.zeros(100)).kind == "silence"
    short = content(song(2 * RATE).numpy())
    assert (short.kind, short.max_width) == ("unknown", MUSIC_WIDTH)


@pytest.mark.parametrize(
    ("means", "kind"),
    [
        ([0.75, 0.0, 0.2, 0.05], "speech"),
        ([0.3, 0.45, 0.2, 0.05], "solo"),
        ([0.6, 0.05, 0.3, 0.05], "music"),  # a band is not narrowed on a mere majority
        ([0.0, 0.0, 0.3, 0.7], "music"),
        ([0.0, 0.0, 0.1, 0.9], "noise"),
    ],
)
def test_doubt_is_decided_for_music(means: list[float], kind: str) -> None:
    found = decide(np.array(means))
    assert found.kind == kind
    assert found.as_dict() == dict(
        zip(("kind", "speech", "solo", "music", "noise"), [kind, *means], strict=True)
    )


def test_content_does_not_depend_on_blocks_level_or_rate() -> None:
    sound = melody()
    assert content(sound) == content(sound, places=(1, 2_000, 2_001, 300_000))
    assert content(0.1 * sound).kind == content(sound).kind
    assert content(sound[::2], rate=RATE // 2).kind == "solo"
