"""Synthesized sounds: pitch, band limit, envelopes."""

from dataclasses import replace

import numpy as np
import pytest

from soundstage.corpora.multitracks.arrangement import Note, Part, Sound
from soundstage.corpora.multitracks.electronic_drums import DrumMachine
from soundstage.corpora.multitracks.electronic_sounds import (
    SOUNDS,
    draw_patch,
    low_pass,
    pulse,
    render_electronic,
    saw,
)

RATE = 44_100


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    return np.fft.rfftfreq(len(sound), 1 / RATE), power


def centroid(sound: np.ndarray) -> float:
    hz, power = spectrum(sound)
    return float((hz * power).sum() / power.sum())


def part(sound: str, *notes: Note) -> Part:
    return Part("synth", "object", Sound(0, sound == "kit", sound), notes, (), 0.0)


@pytest.mark.parametrize("name", SOUNDS)
def test_partials_are_those_of_the_note(name: str) -> None:
    patch = replace(draw_patch(np.random.default_rng(1)), ratio=2.0)
    sound = SOUNDS[name](220.0, 1.0, RATE, patch, np.random.default_rng(2))
    assert np.isfinite(sound).all()
    hz, power = spectrum(sound[:RATE])
    low = hz < 1500
    near = np.abs(hz - 220 * np.round(hz / 220)) < 40  # with detuning and vibrato
    assert power[low & near].sum() > 0.9 * power[low].sum()


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_begins_and_ends_in_silence(name: str) -> None:
    patch = draw_patch(np.random.default_rng(3))
    sound = SOUNDS[name](110.0, 0.4, RATE, patch, np.random.default_rng(4))
    loudest = np.abs(sound).max()
    assert 0.05 < loudest < 8
    assert np.abs(sound[-20:]).max() < 0.01 * loudest
    assert np.abs(sound[0]) < 0.15 * loudest


def test_a_saw_folds_less_than_a_plain_one() -> None:
    hz = np.full(RATE, 3001.0)
    plain = 2 * ((np.cumsum(hz) / RATE) % 1) - 1

    def folded(sound: np.ndarray) -> float:
        frequency, power = spectrum(sound)
        harmonic = np.abs(frequency - 3001 * np.round(frequency / 3001)) < 5
        return float(power[~harmonic].sum() / power.sum())

    assert folded(saw(hz, RATE, 0.3)) < 0.1 * folded(plain)


def test_a_pulse_has_no_offset() -> None:
    assert abs(pulse(np.full(RATE, 441.0), RATE, 0.1, 0.2).mean()) < 1e-3


@pytest.mark.parametrize("cutoff", [200.0, 777.0, 5000.0])
def test_the_low_pass_is_down_above_its_cutoff(cutoff: float) -> None:
    noise = np.random.default_rng(0).standard_normal(2 * RATE)
    hz, power = spectrum(low_pass(noise, np.full(len(noise), cutoff), 0.7, RATE))
    below = power[hz < cutoff / 3].mean()
    assert power[(hz > 4 * cutoff) & (hz < 5 * cutoff)].mean() < 0.03 * below


@pytest.mark.parametrize("seed", range(6))
def test_kicks_are_dark_and_hats_bright(seed: int) -> None:
    machine = DrumMachine(RATE, np.random.default_rng(seed))
    sounds = {instrument: machine.hit(instrument) for instrument in range(35, 83)}
    assert all(np.isfinite(sound).all() for sound in sounds.values())
    assert all(np.abs(sound).max() > 0.02 for sound in sounds.values())
    assert centroid(sounds[36]) < 400 < centroid(sounds[38]) < centroid(sounds[42])
    assert len(sounds[46]) > len(sounds[42])


def test_machines_differ() -> None:
    kicks = [centroid(DrumMachine(RATE, np.random.default_rng(s)).hit(36)) for s in range(8)]
    assert max(kicks) > 1.3 * min(kicks)


def test_a_part_sounds_where_its_notes_are() -> None:
    notes = Note(0.5, 0.2, 69, 100), Note(1.5, 0.2, 69, 50)
    sound = render_electronic(part("pulse lead", *notes), 3.0, RATE, np.random.default_rng(0))
    assert sound.shape == (3 * RATE,)
    assert not sound[: RATE // 2].any()
    assert not sound[2 * RATE :].any()
    first, second = (np.abs(sound[s : s + RATE // 4]).max() for s in (RATE // 2, 3 * RATE // 2))
    assert np.isclose(second / first, 0.5**1.5, rtol=0.01)


def test_a_note_at_the_end_is_cut() -> None:
    sound = render_electronic(
        part("saw pad", Note(0.9, 2.0, 60, 100)), 1.0, RATE, np.random.default_rng(0)
    )
    assert sound.shape == (RATE,)
    assert sound.any()


def test_a_seed_is_a_sound() -> None:
    chord = part("supersaw", Note(0.0, 0.5, 60, 100), Note(0.0, 0.5, 64, 100))
    sounds = [render_electronic(chord, 1.0, RATE, np.random.default_rng(s)) for s in (1, 1, 2)]
    assert np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[0], sounds[2])


@pytest.mark.parametrize(("pitch", "rises"), [(60, True), (61, False)])
def test_sweeps_rise_and_fall(pitch: int, rises: bool) -> None:
    sweep = part("sweeps", Note(0.0, 2.0, pitch, 100))
    sound = render_electronic(sweep, 2.0, RATE, np.random.default_rng(5))
    early, late = sound[RATE // 4 : RATE // 2], sound[-RATE // 2 : -RATE // 4]
    assert (centroid(late) > 1.5 * centroid(early)) == rises
    assert (np.abs(late).max() > np.abs(early).max()) == rises
