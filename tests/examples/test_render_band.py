import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import instruments
import render_band
import room
import score
import voice
from instruments import RATE

TUTTI = (score.THEME - 1, score.THEME + 1)  # two bars with all instruments


@pytest.fixture(scope="module")
def stems():
    return render_band.render(*TUTTI)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("band")
    run(path, "--bars", "1", "--stems")
    return path


def run(folder, *options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["render_band.py", "--output", str(folder), *options])
        render_band.main()


def level(signal):
    return 20 * np.log10(np.sqrt(np.mean(signal**2)) + 1e-12)


def test_mono_file_is_the_exact_fold_down_of_the_stereo_file(folder):
    stereo, rate = soundfile.read(folder / "band-stereo.wav", dtype="int32")
    mono, _ = soundfile.read(folder / "band-mono.wav", dtype="int32")
    assert rate == RATE == 44100
    assert soundfile.info(folder / "band-mono.wav").subtype == "PCM_24"
    assert np.abs(mono).max() > 2**20
    assert np.any(stereo[:, 0] != stereo[:, 1])
    assert np.array_equal(stereo.astype(np.int64).sum(axis=1), 2 * mono.astype(np.int64))


@pytest.mark.slow
def test_rendering_is_reproducible_to_the_byte(folder, tmp_path):
    run(tmp_path, "--bars", "1", "--stems")
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) == 3 + len(render_band.PLACES)
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_places_file_lists_every_instrument_from_left_to_right(folder):
    listing = json.loads((folder / "band-places.json").read_text(encoding="utf-8"))
    assert {entry["name"] for entry in listing} == set(score.parts())
    assert len(listing) >= 6
    azimuths = [entry["azimuth_degrees"] for entry in listing]
    assert azimuths == sorted(azimuths, reverse=True)
    assert all(entry["distance_meters"] > 0 for entry in listing)


def test_an_excerpt_starts_like_the_piece():
    frames = render_band.length(1)
    before_next_bar = frames - int(render_band.TAIL * RATE) - RATE // 10
    short = render_band.play("right guitar", score.parts(0, 1)["right guitar"], frames)
    long = render_band.play("right guitar", score.parts(0, 2)["right guitar"], frames + RATE)
    assert np.abs(short).max() > 0
    assert np.array_equal(short[:before_next_bar], long[:before_next_bar])


def test_the_piece_is_longer_than_thirty_seconds():
    assert 30 < render_band.length(score.BARS) / RATE < 40
    melody_end = max(note.beat + note.beats for note in score.parts()["voice"])
    assert melody_end > (score.BARS - 1) * score.BEATS_PER_BAR


def test_every_instrument_is_louder_on_its_own_side(stems):
    for name, place in render_band.PLACES.items():
        difference = render_band.level_difference(stems[name])
        if place.azimuth:
            assert difference * np.sign(place.azimuth) > 0.4, name
        else:
            assert abs(difference) < 0.8, name


def test_level_differences_follow_the_azimuths(stems):
    order = sorted(stems, key=lambda name: -render_band.PLACES[name].azimuth)
    differences = [render_band.level_difference(stems[name]) for name in order]
    assert all(np.diff(differences) < 0), dict(zip(order, differences, strict=True))


def test_mix_is_finite_and_does_not_clip(stems):
    mix = sum(stems.values())
    assert np.isfinite(mix).all()
    assert 0.3 < np.abs(mix).max() < 1
    for name, stem in stems.items():
        assert -60 < level(stem) < -15, name  # all audible, none dominant


def test_mix_is_as_wide_as_commercial_music(stems):
    left, right = sum(stems.values())
    width = level(left - right) - level(left + right)
    assert 20 * np.log10(0.3) < width < 20 * np.log10(0.5)


def test_mix_has_the_spectral_slope_of_commercial_music(stems):
    mid = sum(stems.values()).sum(axis=0)
    power = np.abs(np.fft.rfft(mid)) ** 2
    f = np.fft.rfftfreq(len(mid), 1 / RATE)
    centers = np.array([125, 250, 500, 1000, 2000, 4000, 8000, 14000])
    density = [10 * np.log10(power[(f > c / 1.4) & (f < c * 1.4)].mean()) for c in centers]
    slope = np.polyfit(np.log2(centers), density, 1)[0]
    assert -7 < slope < -3
    assert power[f < 200].sum() < 0.6 * power.sum()


@pytest.mark.slow
def test_the_end_decays_to_silence():
    mix = sum(render_band.render(score.ENDING, score.BARS).values())
    assert level(mix[:, : RATE // 2]) > -30
    assert level(mix[:, -RATE // 2 :]) < -70


@pytest.mark.parametrize(("pitch", "hertz"), [(57, 220.0), (60, 261.626), (76, 659.255)])
def test_a_plucked_string_is_in_tune(pitch, hertz):
    tone = instruments.plucked(pitch, 1.0, 0.8, np.random.default_rng(0), instruments.STEEL)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 8 * len(tone)))
    f = np.fft.rfftfreq(8 * len(tone), 1 / RATE)
    near = (f > 0.9 * hertz) & (f < 1.1 * hertz)
    assert f[near][spectrum[near].argmax()] == pytest.approx(hertz, rel=1e-3)  # two cents


def test_the_melody_is_sung_in_breaths():
    phrases = voice.phrases(score.parts()["voice"])
    assert len(phrases) > 3
    assert sum(len(phrase) for phrase in phrases) == len(score.parts()["voice"])


def test_the_near_microphone_receives_a_source_first_and_louder():
    source = room.position(50, 2.0, room.PAIR[2])
    early = room.early(source, 3000, RATE)
    direct = early[:, : round(2.3 / room.SPEED * RATE)]  # before the first reflection
    x, left, _ = source - room.PAIR
    y = left - np.array([0.085, -0.085])  # relative to each microphone
    distance = np.hypot(x, y)
    arrival = np.abs(direct).argmax(axis=1) / RATE
    assert arrival == pytest.approx(distance / 343, abs=1.1 / RATE)
    off_axis = np.arctan2(y, x) - np.radians([55, -55])
    cardioids = 0.5 + 0.5 * np.cos(off_axis)
    assert np.linalg.norm(direct, axis=1) == pytest.approx(cardioids / distance, rel=0.05)


def test_the_tail_has_the_level_of_the_images_at_the_crossover():
    source = room.position(-30, 2.5, 1.2)
    images, tail = room.early(source, 44100, RATE), room.late(44100, RATE, np.random.default_rng(3))
    window = slice(int(0.04 * RATE), int(0.06 * RATE))  # both at half power in its middle
    assert abs(level(images[:, window]) - level(tail[:, window])) < 4


def test_the_tail_decays_in_the_reverberation_time():
    tail = room.late(44100, RATE, np.random.default_rng(1))
    early, late = (level(tail[:, int(t * RATE) : int((t + 0.1) * RATE)]) for t in (0.1, 0.3))
    longest, shortest = room.reverberation_time().max(), room.reverberation_time().min()
    assert 60 / longest < (early - late) / 0.2 < 60 / shortest


@pytest.mark.slow
def test_the_whole_piece_peaks_at_three_decibels_below_full_scale(tmp_path):
    run(tmp_path)
    stereo, _ = soundfile.read(tmp_path / "band-stereo.wav")
    assert len(stereo) > 30 * RATE
    assert 10 ** (-4 / 20) < np.abs(stereo).max() < 10 ** (-2 / 20)
