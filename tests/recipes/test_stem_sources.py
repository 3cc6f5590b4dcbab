import csv
import importlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, tone
from soundstage.stereo.encoding import RATE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def recipe():
    """Modules of the recipe by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "recipes"))
        yield importlib.import_module


def samples(signal):
    return signal.numpy().astype(np.float32)


def energy(signal):
    return float((np.asarray(signal, np.float64) ** 2).sum())


def kit_of_noise(module):
    strokes = {
        "kick": samples(tone(RATE // 4, hz=60)),
        "snare": samples(noise(RATE // 4, seed=1)),
        "hat": samples(noise(RATE // 20, seed=2)),
    }
    return module.Kit("noise", "CC0-1.0", {role: [sound] for role, sound in strokes.items()})


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("PearlKick-Hard", "kick"),
        ("bassdrum-4mics-br-stereo-soft2", "kick"),
        ("SabianHatClosed-Med", "hat"),
        ("hihat-semi-open-1", "open"),
        ("snare-opaque-normal-mic-rimshot2", "rim"),
        ("sd_03", "snare"),
        ("TM2_05", "tom"),
        ("Cowbell-Soft", "bell"),
        ("24Ride-3", "ride"),
        ("HandClap", "clap"),
        ("emptySample", None),
    ],
)
def test_a_drum_is_known_by_its_name(recipe, name, role):
    assert recipe("drum_patterns").role_of(name) == role


def test_a_pattern_follows_its_seed_and_fills_its_length(recipe):
    drums = recipe("drum_patterns")
    kit = kit_of_noise(drums)
    first, again, other = (drums.play(kit, np.random.default_rng(s), 10) for s in (1, 1, 2))
    assert len(first) == 10 * RATE
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert all(energy(second) > 0 for second in np.split(first[: 9 * RATE], 3))


def test_a_line_has_pitches_of_its_key(recipe):
    drums = recipe("drum_patterns")
    sound = samples(tone(2 * RATE, hz=110))
    line = drums.line(sound, 110.0, np.random.default_rng(3), root=(55.0, 55.0), seconds=12)
    spectrum = np.abs(np.fft.rfft(line)) ** 2
    hertz = np.fft.rfftfreq(len(line), 1 / RATE)
    below = spectrum[(hertz > 35) & (hertz < 170)].sum()
    assert below > 0.9 * spectrum.sum()


@pytest.mark.parametrize("hertz", [41.2, 65.4, 110.0])
def test_the_pitch_of_a_bass_is_found(recipe, hertz):
    drums = recipe("drum_patterns")
    found = drums.pitch_of(drums.synthetic_bass(np.random.default_rng(4), hertz))
    assert found == pytest.approx(hertz, rel=0.01)
    assert drums.pitch_of(samples(noise(RATE, seed=5))) is None


def test_lead_and_backing_are_told_apart_by_place_and_add_up(recipe):
    teacher = recipe("stem_teacher")
    center, left = samples(tone(2 * RATE)), samples(tone(2 * RATE, hz=1500))
    lead, backing = teacher.lead_and_backing(np.stack([center + left, center]))
    assert np.abs(lead + backing - (center + left / 2)).max() < 1e-5
    assert energy(lead - center) < 0.01 * energy(center)
    assert energy(backing - left / 2) < 0.01 * energy(left / 2)


def test_voices_that_are_mostly_wide_are_one_doubled_lead(recipe):
    sources = recipe("stem_sources")
    loud, soft = samples(tone(RATE)), 0.3 * samples(tone(RATE, hz=700))
    kinds = {
        name: {stem: kind for stem, (kind, _) in sources.sorted_voices(*voices, 0.03).items()}
        for name, voices in {
            "alone": (loud, 0.1 * soft),
            "both": (loud, soft),
            "doubled": (soft, loud),
        }.items()
    }
    assert kinds["alone"] == {"lead": "lead"}
    assert kinds["both"] == {"lead": "lead", "backing": "voice"}
    assert kinds["doubled"] == {"lead": "lead"}
    assert np.array_equal(sources.sorted_voices(soft, loud, 0.03)["lead"][1], soft + loud)


@given(st.lists(st.sampled_from([0.0, 0.05, 0.5]), max_size=80))
def test_excerpts_are_long_enough_apart_and_sung(recipe, share):
    teacher = recipe("stem_teacher")
    share = np.array(share)
    end = 0
    for first, last in teacher.excerpts_with_voice(share, 0.1):
        assert end <= first < last <= len(share)
        assert 4 <= last - first <= 30
        assert share[first] >= 0.1
        assert share[last - 1] >= 0.1
        end = last


def test_a_gap_is_silenced_and_the_voice_is_not(recipe):
    teacher = recipe("stem_teacher")
    signal = np.ones(12 * RATE, np.float32)
    share = np.array([0.5] * 4 + [0.0] * 5 + [0.5] * 3)
    gated = teacher.gate(signal, share, 0.02)
    assert np.array_equal(gated[: 4 * RATE], signal[: 4 * RATE])
    assert not gated[6 * RATE : 7 * RATE].any()


def test_the_share_of_a_second_is_that_of_its_energy(recipe):
    teacher = recipe("stem_teacher")
    voice = np.stack([samples(tone(2 * RATE))] * 2)
    voice[:, RATE:] = 0
    rest = np.stack([samples(tone(2 * RATE, hz=1000))] * 2)
    share = teacher.share_by_second(voice, voice + rest)
    assert share == pytest.approx([0.5, 0.0], abs=1e-3)


def speech(module, seconds=2.0):
    """A vowel of 120 Hz with a dip between its two syllables."""
    frames = round(seconds / module.PERIOD)
    time = np.arange(frames) * module.PERIOD
    loud = 0.05 + np.abs(np.sin(2 * np.pi * time / seconds))
    envelope = loud[:, None] ** 2 * np.ones((1, 513))
    return module.Speech(16000, np.full(frames, 120.0), envelope, np.full((frames, 513), 0.1))


def test_a_song_is_no_shorter_than_its_words_and_keeps_their_order(recipe):
    sung = recipe("sung_speech")
    spoken = speech(sung)
    song = sung.compose(spoken, np.random.default_rng(6))
    assert len(spoken.pitch) <= len(song.frames) <= 3.1 * len(spoken.pitch)
    assert (np.diff(song.frames) >= -1e-6).all()
    assert song.frames.max() <= len(spoken.pitch)


def test_a_voice_sings_its_melody(recipe):
    pytest.importorskip("pyworld")
    sung = recipe("sung_speech")
    spoken = speech(sung)
    song = sung.compose(spoken, np.random.default_rng(7))
    voice = sung.sing(spoken, song, np.random.default_rng(8))
    again = sung.sing(spoken, song, np.random.default_rng(8))
    assert len(voice) == pytest.approx(len(song.frames) * sung.PERIOD * RATE, rel=0.01)
    assert np.array_equal(voice, again)


def test_highs_are_added_above_the_band_only(recipe):
    sung = recipe("sung_speech")
    narrow = noise(2 * RATE, seed=9).numpy()
    spectrum = np.fft.rfft(narrow)
    hertz = np.fft.rfftfreq(len(narrow), 1 / RATE)
    narrow = np.fft.irfft(np.where(hertz < 7500, spectrum, 0)).astype(np.float32)
    wide = sung.with_highs(narrow, 16000, np.random.default_rng(10))
    added = np.abs(np.fft.rfft(wide - narrow)) ** 2
    assert added[hertz > 7600].sum() > 100 * added[hertz < 7000].sum()
    assert 1e-4 < added.sum() / (np.abs(spectrum) ** 2).sum() < 0.2
    assert np.array_equal(sung.with_highs(narrow, 44100, np.random.default_rng(10)), narrow)


def test_a_collection_keeps_the_balance_and_is_gone_on_with(recipe, tmp_path):
    module = recipe("stem_collection")
    loud, soft = samples(tone(RATE, hz=300)), 0.25 * samples(tone(RATE, hz=500))
    stems = {"one": ("lead", loud), "two": ("voice", soft)}
    module.Collection(tmp_path).add("song", stems, "CC0-1.0", "a test", "valid")
    collection = module.Collection(tmp_path)
    assert collection.songs == {"song"}
    collection.add("silence", {"one": ("lead", 0 * loud)}, "CC0-1.0", "a test")
    with (tmp_path / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["lead", "voice"]
    assert {row["split"] for row in rows} == {"valid"}
    written = [soundfile.read(tmp_path / row["file"])[0] for row in rows]
    assert np.abs(written[0]).max() == pytest.approx(module.PEAK, abs=1e-3)
    assert energy(written[1]) / energy(written[0]) == pytest.approx(1 / 16, rel=0.01)


def test_the_songs_of_a_band_are_listed_once_unpacked(recipe, tmp_path):
    packages, sources = recipe("stem_packages"), recipe("stem_sources")
    audio = tmp_path / packages.SINGERS / "usr/share/games/marsshooter/audio"
    for name in ("tutorial.ogg", "menu.ogg", "music/song.ogg"):
        (audio / name).parent.mkdir(parents=True, exist_ok=True)
        (audio / name).touch()
    folder = packages.sung_songs(tmp_path)
    rows = sources.rows_of(folder)
    assert [row["file"] for row in rows] == ["tutorial.ogg", "menu.ogg", "music/song.ogg"]
    assert all((folder / row["file"]).exists() for row in rows)


def test_excerpts_of_songs_without_a_voice_become_accompaniments(recipe, tmp_path):
    sources = recipe("stem_sources")
    music = tmp_path / "music"
    music.mkdir()
    columns = ["file", "split", "title", "artist", "licence", "genre"]
    rows = [
        ["silent.wav", "train", "A", "X", "CC0-1.0", "rock"],
        ["sung.wav", "train", "B", "X", "CC0-1.0", "rock"],
        ["piano.wav", "train", "C", "X", "CC0-1.0", "piano"],
    ]
    for row in rows:
        stereo = np.stack([samples(tone(RATE, hz=300)), samples(tone(RATE, hz=500))], axis=1)
        soundfile.write(music / row[0], stereo, RATE)
    for path, table in (
        (music / "manifest.csv", [columns, *rows]),
        (
            tmp_path / "shares.csv",
            [["file", "upper"], ["silent.wav", 0.001], ["sung.wav", 0.4], ["piano.wav", 0.4]],
        ),
    ):
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)
    sources.gather_instrumental(tmp_path / "out", music, tmp_path / "shares.csv")
    with (tmp_path / "out" / "manifest.csv").open(encoding="utf-8") as file:
        kinds = {row["song"]: row["kind"] for row in csv.DictReader(file)}
    assert kinds == {"silent": "accompaniment", "piano": "accompaniment"}
