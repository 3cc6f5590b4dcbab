"""The rows of the fitness table: a public complaint or wish, and the test that would have found it.

Here are the rows about sound; `file_rows` has those about files and transfers. The thresholds are
ours. A row that needs an option a system does not have, as FFmpeg's filters, has no verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from soundstage.evaluation.complaints.sounds import click, drum_hits, white_noise
from soundstage.evaluation.complaints.subjects import Subject
from soundstage.metrics.defects import (
    correlation,
    crest_change,
    null_depth,
    octave_imbalance,
    rise_change,
    side_level,
    source_image,
    sum_ripple,
    tail_level,
)
from soundstage.metrics.loudness import integrated_loudness
from soundstage.stereo import RATE

REAL_WIDTH = 0.93  # median of 2·rms(S)/rms(M) over 33 pieces of music of all kinds
MOST_IMBALANCE_DB = 5.0  # one in ten true stereo mixes has 5.4 dB and more (docs/placement.md)
BASS_OPTION, BASS_HZ = 240.0, 120.0  # the crossover asked for, an octave above the bass
SPREAD_DB = 6.0  # row 13: an option that changes less changes nothing


@dataclass(frozen=True)
class Outcome:
    """One cell of the table."""

    text: str
    """The measured values, with units."""
    passed: bool | None
    """None where the row has no verdict."""
    values: dict[str, float] = field(default_factory=dict)
    """The same values for a program."""


@dataclass(frozen=True)
class Row:
    """One complaint and its test."""

    number: int
    complaint: str
    test: str
    """What is measured."""
    threshold: str
    measure: Callable[[Subject], Outcome]


NOT_THERE = Outcome("no such option", None)


def _fold_down(subject: Subject) -> Outcome:
    depth = null_depth(subject.on_song(), subject.material.song[0])
    return Outcome(f"{depth:.0f} dB", depth <= -100, {"null_db": depth})


def _inverted(subject: Subject) -> Outcome:
    found = correlation(subject.on_song(), RATE)
    passed = found.positive >= 0.95 and found.lowest_band >= -0.3
    text = f"{100 * found.positive:.0f} %, {found.lowest_band:+.2f}"
    return Outcome(text, passed, {"positive": found.positive, "lowest_band": found.lowest_band})


def _duophonic(subject: Subject) -> Outcome:
    imbalance = octave_imbalance(subject.on_song(), RATE)
    passed = imbalance <= MOST_IMBALANCE_DB
    return Outcome(f"{imbalance:.1f} dB", passed, {"imbalance_db": imbalance})


def _ripple(subject: Subject) -> Outcome:
    noise = white_noise()
    ripple = sum_ripple(subject.upmix("noise", noise), noise)
    return Outcome(f"{ripple:.1f} dB", ripple <= 0.1, {"ripple_db": ripple})


def _hollow(subject: Subject) -> Outcome:
    """With noise spread: by default a click is surface noise, and never reaches the method."""
    sound, place = click()
    controls = {} if subject.is_filter else {"spread_noise": True}
    tail = tail_level(subject.upmix("click", sound, **controls), place, RATE)
    return Outcome(f"{tail:.0f} dB", tail <= -40, {"tail_db": tail})


def _snare(subject: Subject) -> Outcome:
    sound, places = drum_hits()
    stereo = subject.upmix("drums", sound)
    crest, rise = crest_change(stereo, sound), rise_change(stereo, sound, places, RATE)
    text = f"{crest:.1f} dB, {rise:.1f} ms"
    return Outcome(text, crest <= 1 and rise <= 1, {"crest_db": crest, "rise_ms": rise})


def _bass(subject: Subject) -> Outcome:
    default = side_level(subject.on_song(), RATE, below=BASS_HZ)
    if subject.is_filter:
        return Outcome(f"{default:.0f} dB without", None, {"default_db": default})
    asked = side_level(subject.on_song(bass_mono=BASS_OPTION), RATE, below=BASS_HZ)
    text = f"{asked:.0f} dB ({default:.0f} without)"
    return Outcome(text, asked <= -40, {"option_db": asked, "default_db": default})


def _no_width(subject: Subject) -> Outcome:
    side = side_level(subject.on_song(), RATE)
    return Outcome(f"{side:.1f} dB", side > -20, {"side_db": side})


def _delivery(subject: Subject) -> Outcome:
    lowest = correlation(subject.on_song(), RATE).lowest_frame
    return Outcome(f"{lowest:+.2f}", None, {"lowest": lowest})


def _dampened(subject: Subject) -> Outcome:
    mix, lead = subject.material.song
    change = source_image(subject.on_song(), mix, lead, RATE).mid_change
    return Outcome(f"{change:+.2f} dB", abs(change) <= 0.01, {"mid_db": change})


def _off_center(subject: Subject) -> Outcome:
    mix, lead = subject.material.song
    image = source_image(subject.on_song(), mix, lead, RATE)
    passed = abs(image.imbalance) <= 1 and image.wander <= 1 and image.side <= -12
    text = f"{image.imbalance:+.1f} ± {image.wander:.1f} dB, side {image.side:.0f} dB"
    return Outcome(
        text,
        passed,
        {
            "imbalance_db": image.imbalance,
            "wander_db": image.wander,
            "side_db": image.side,
        },
    )


def _surface_side(subject: Subject, **controls: bool) -> float:
    """Level of the side of hiss or clicks, the larger one."""
    song, hiss, clicks = subject.material.disc
    noisy = song + hiss + clicks
    stereo = subject.upmix("disc", noisy, **controls)
    return max(source_image(stereo, noisy, each, RATE).side for each in (hiss, clicks))


def _surface(subject: Subject) -> Outcome:
    side = _surface_side(subject)
    return Outcome(f"{side:.0f} dB", side <= -20, {"side_db": side})


def _spread(subject: Subject) -> Outcome:
    if subject.is_filter:
        return NOT_THERE
    side = _surface_side(subject, spread_noise=True)
    passed = side >= _surface_side(subject) + SPREAD_DB
    return Outcome(f"{side:.0f} dB", passed, {"side_db": side})


def _invented(subject: Subject) -> Outcome:
    peak = float(np.abs(subject.upmix("silence", np.zeros(2 * RATE))).max())
    depth = null_depth(subject.on_song(), subject.material.song[0])
    text = "silence" if peak == 0 else f"{20 * np.log10(peak):.0f} dBFS"
    return Outcome(text, peak == 0 and depth <= -100, {"peak": peak})


def _thin(subject: Subject) -> Outcome:
    change = _loudness_change(subject)
    return Outcome(f"{change:+.2f} LU", abs(change) <= 0.1, {"loudness_lu": change})


def _loudness_change(subject: Subject) -> float:
    import torch

    mono = subject.material.song[0]
    sums = subject.on_song().mean(axis=0)
    after, before = (integrated_loudness(torch.from_numpy(x)[None], RATE) for x in (sums, mono))
    return after - before


def _narrow(subject: Subject) -> Outcome:
    width = _width(subject.on_song())
    if subject.is_filter:
        return Outcome(f"width {width:.2f}", width <= REAL_WIDTH, {"width": width})
    left, right = subject.on_song(width=0.0)
    exact = bool(np.array_equal(left, right))
    text = f"width {width:.2f}, {'exact' if exact else 'not exact'} at 0"
    return Outcome(text, exact and width <= REAL_WIDTH, {"width": width, "exact": float(exact)})


def _solo(subject: Subject) -> Outcome:
    voice = _width(subject.upmix("voice", subject.material.voice))
    solo = _width(subject.upmix("lead", subject.material.song[1]))
    text = f"voice {voice:.2f}, lead {solo:.2f}"
    return Outcome(text, voice <= 0.3 and solo <= 0.3, {"voice": voice, "lead": solo})


def _width(stereo: np.ndarray) -> float:
    """2·rms(S)/rms(M)."""
    left, right = stereo
    mid, side = (np.square(x).sum() for x in ((left + right) / 2, (left - right) / 2))
    return float(2 * np.sqrt(side / mid)) if mid > 0 else 0.0


SOUND_ROWS = (
    Row(1, "fake stereo cannot be combined back to mono",
        "level of (L+R)/2 less the input", "≤ −100 dB", _fold_down),
    Row(2, "one channel is inverted, in mono only reverberation is left",
        "frames with a correlation above 0; lowest correlation of an octave",
        "≥ 95 %, ≥ −0.3", _inverted),
    Row(3, "boom in one channel, scratch in the other",
        "largest level difference of left and right in an octave",
        f"≤ {MOST_IMBALANCE_DB:g} dB", _duophonic),
    Row(4, "the delay makes the fold-down a mess",
        "ripple of the sum's response to white noise", "≤ 0.1 dB", _ripple),
    Row(5, "hollow, a voice in a well", "energy of a click after 50 ms", "≤ −40 dB", _hollow),
    Row(6, "a widener kills the snare",
        "change of crest factor and of rise time", "≤ 1 dB, ≤ 1 ms", _snare),
    Row(7, "widened kick and bass drift",
        "side over mid below 120 Hz with `bass_mono` 240", "≤ −40 dB", _bass),
    Row(8, "the width knob does nothing on mono",
        "side over mid by default", "> −20 dB", _no_width),
    Row(9, "phase trouble at film delivery",
        "lowest short-time correlation", "rows 1 and 2", _delivery),
    Row(10, "the center is dampened", "change of the lead in the mid", "0 dB", _dampened),
    Row(11, "lead vocal off-center or unfocused",
        "level difference of the lead ± its deviation over seconds; its side over its mid",
        "≤ 1 dB, ≤ 1 dB, ≤ −12 dB", _off_center),
    Row(12, "stereo surface noise annoys",
        "side over mid of hiss and clicks by default", "≤ −20 dB", _surface),
    Row(13, "spread noise is easier to ignore",
        "the same with `spread_noise`", "≥ 6 dB more", _spread),
    Row(17, "no invented sounds", "row 1; output for silence", "silence", _invented),
    Row(18, "a podcast turns thin on one loudspeaker",
        "loudness of the fold-down less that of the input", "± 0.1 LU", _thin),
    Row(24, "some songs are better narrow",
        "default width; equality of left and right with `width` 0",
        f"≤ {REAL_WIDTH} (median of real music), exact", _narrow),
    Row(26, "a voice alone becomes as wide as a band",
        "width of a voice, and of a lead alone", "≤ 0.3", _solo),
)  # fmt: skip
