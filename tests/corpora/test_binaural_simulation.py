"""A data set as small as can be: noise for speech, spheres for heads, seconds for minutes."""

import json

import numpy as np
import pytest
import soundfile

from making_recordings import HOP, RATE, write_heads, write_speech
from soundstage.binaural import HrtfRenderer, ShoeBox, Trajectory, ear_positions, read_tracked
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.corpora import binaural_simulation
from soundstage.corpora.binaural_simulation import MANIFEST, PEAK, simulate
from soundstage.corpora.binaural_speech import Chunks, open_binaural_speech
from soundstage.corpora.simulation_hrtfs import prepare_hrtf
from soundstage.errors import InputError, OptionError, OutputError

SECONDS = 3.0
FILES = {"binaural.wav", "mono.wav", "rx_positions.txt", "tx_positions.txt"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return write_speech(folder / "speech"), write_heads(folder / "heads")


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def made(sources, tmp_path_factory, told):
    output = tmp_path_factory.mktemp("made") / "set"
    return simulate(
        *sources,
        output,
        subjects=(1, 1, 1),
        minutes=SECONDS / 60,
        progress=told.append,
    )


@pytest.fixture(scope="module")
def recordings(made):
    return open_binaural_speech(made.folder)


def test_it_is_read_as_the_published_set(made, recordings, told) -> None:
    assert len(recordings) == 3
    for split in ("train", "valid", "test"):
        (recording,) = open_binaural_speech(made.folder, split)
        assert recording.frames == SECONDS * RATE
        assert {path.name for path in recording.folder.iterdir()} == FILES
        rows = read_tracked(recording.folder / "tx_positions.txt")
        assert len(rows) * HOP == recording.frames
        head = read_tracked(recording.folder / "rx_positions.txt")
        assert np.array_equal(head, np.tile([0, 0, 0, 0, 0, 0, 1], (len(rows), 1)))
        assert len(list(Chunks([recording], RATE).in_order())) == SECONDS
    assert told == [done / 6 for done in range(1, 7)]


def test_the_manifest_says_what_was_made_of_what(made, sources) -> None:
    facts = json.loads((made.folder / MANIFEST).read_text())
    assert (facts["rate"], facts["pose_rate"], facts["seconds"]) == (RATE, 120, SECONDS)
    subjects = facts["subjects"]
    assert [each["split"] for each in subjects] == ["train", "valid", "test"]
    assert len({each["head"]["listener"] for each in subjects}) == 3
    speakers = [clip["speaker"] for each in subjects for clip in each["speech"]]
    assert len(speakers) == len({clip["path"] for each in subjects for clip in each["speech"]})
    for each in subjects:
        assert len({clip["speaker"] for clip in each["speech"]}) == 1
        assert all((sources[0] / clip["path"]).is_file() for clip in each["speech"])
        assert each["head"]["license"] == "CC0"
        ShoeBox(**each["room"])


def test_the_loudest_is_just_below_full_scale_and_all_are_alike(recordings, made) -> None:
    peaks, levels = [], []
    for recording in recordings:
        ears, mono = recording.binaural(0, recording.frames), recording.mono(0, recording.frames)
        peaks.append(np.abs(ears).max())
        levels.append(20 * np.log10(ears.std() / mono.std()))
    assert max(peaks) <= PEAK + 1e-3
    assert np.ptp(levels) < 8  # by the ways alone: 1/r
    assert made.gain_db <= 0


def test_the_warp_meets_what_is_heard(recordings) -> None:
    """By the highest peak of the cross-correlation, in quarters of a second."""
    late = []
    for recording in recordings:
        mono = recording.mono(0, recording.frames)
        ears = recording.binaural(0, recording.frames)
        time = np.arange(recording.frames) / RATE
        ways = recording.trajectory.positions_at(time)[:, None] - ear_positions()
        sent = time[:, None] - np.linalg.norm(ways, axis=-1) / SPEED_OF_SOUND
        warped = np.stack([np.interp(each, time, mono) for each in sent.T])
        for start in range(0, recording.frames - 12_000, 12_000):
            part = slice(start, start + 12_000)
            spectra = [np.fft.rfft(each[:, part], 24_000) for each in (ears, warped)]
            match = np.fft.irfft(spectra[0] * spectra[1].conj(), 4 * 24_000)
            shift = (match.argmax(axis=-1) + 48_000) % 96_000 - 48_000
            late.append(shift.mean() / 4 / RATE)
    assert abs(np.median(late)) < 0.1e-3
    assert np.mean(np.abs(late) < 0.25e-3) > 0.7  # reflections outdo the direct sound at times


def test_it_is_what_the_renderer_makes_of_what_is_written(made, sources) -> None:
    facts = json.loads((made.folder / MANIFEST).read_text())
    (recording,) = open_binaural_speech(made.folder, "test")
    subject = facts["subjects"][2]
    head, no_delay = prepare_hrtf(sources[1] / subject["head"]["path"], RATE)
    seed = int(np.random.default_rng((*subject["seed"], 3)).integers(1 << 31))
    renderer = HrtfRenderer(head, room=ShoeBox(**subject["room"]), talker=True, seed=seed)
    stream = renderer.stream(recording.trajectory, RATE, no_delay=no_delay)
    mono = recording.mono(0, recording.frames)
    heard = np.concatenate([stream.push(mono), stream.finish()], axis=-1)
    wanted = 10 ** (made.gain_db / 20) * heard[:, : recording.frames]
    np.testing.assert_allclose(
        recording.binaural(0, recording.frames), wanted, atol=3e-6
    )  # 24 bits, three times


def test_one_seed_is_one_set_whatever_the_workers(sources, tmp_path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        simulate(*sources, tmp_path / name, subjects=(1, 0, 1), minutes=0.01, workers=workers)
    paths = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(paths) == 1 + 2 * len(FILES)
    for path in paths:
        twin = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert twin.read_bytes() == path.read_bytes(), path.name


def test_one_gain_keeps_the_loudest_below_full_scale(sources, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(binaural_simulation, "PEAK", 0.01)  # as if it had been that much louder
    quiet = simulate(*sources, tmp_path / "quiet", subjects=(1, 0, 1), minutes=0.01)
    monkeypatch.undo()
    loud = simulate(*sources, tmp_path / "loud", subjects=(1, 0, 1), minutes=0.01)
    assert loud.gain_db == 0
    peaks = []
    for one, other in zip(
        *(open_binaural_speech(each.folder) for each in (quiet, loud)), strict=True
    ):
        heard = one.binaural(0, one.frames)
        wanted = 10 ** (quiet.gain_db / 20) * other.binaural(0, one.frames)
        np.testing.assert_allclose(heard, wanted, atol=1e-6)
        peaks.append(np.abs(heard).max())
    assert 0.005 < max(peaks) < 0.0101


def test_another_seed_and_sixteen_bits(made, sources, tmp_path) -> None:
    other = simulate(*sources, tmp_path / "b", subjects=(0, 0, 1), minutes=0.01, seed=5, bits=16)
    (recording,) = open_binaural_speech(other.folder, "test")
    assert soundfile.info(recording.folder / "binaural.wav").subtype == "PCM_16"
    assert other.subjects[0].room != made.subjects[2].room
    with pytest.raises(InputError, match="no recording of the split 'train'"):
        open_binaural_speech(other.folder, "train")


def test_nothing_is_overwritten_and_nothing_unfinished_is_left(
    made, sources, tmp_path, monkeypatch
) -> None:
    before = (made.folder / MANIFEST).read_bytes()
    with pytest.raises(OutputError, match="is there already"):
        simulate(*sources, made.folder, subjects=(1, 1, 1), minutes=0.01)
    assert (made.folder / MANIFEST).read_bytes() == before

    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(*sources, tmp_path / "c", subjects=(1, 1, 1), minutes=0.01, progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": (1, 1)}, "three numbers"),
        ({"subjects": (0, 0, 0)}, "three numbers"),
        ({"minutes": 0.0}, "0.01 to 120 minutes"),
        ({"bits": 20}, "16 or 24 bits"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_what_cannot_be_is_refused_first(options, message: str, tmp_path) -> None:
    with pytest.raises(OptionError, match=message):
        simulate(tmp_path / "none", tmp_path / "none", tmp_path / "d", **options)


def test_positions_are_those_that_were_rendered(recordings) -> None:
    for recording in recordings:
        way = recording.trajectory
        assert isinstance(way, Trajectory)
        assert 0.5 < way.min_distance < way.max_distance < 2.7
        assert way.turns
