"""A tiny data set: noise as speech, HRTFs of spheres, seconds instead of minutes."""

import json

import numpy as np
import pytest
import soundfile

from making_recordings import HOP, RATE, write_hrtf_sets, write_speech
from soundstage.binaural import HrtfRenderer, ShoeBox, ear_positions, read_tracked
from soundstage.binaural.geometry import SPEED_OF_SOUND
from soundstage.corpora import binaural_simulation
from soundstage.corpora.binaural_simulation import MANIFEST, PEAK, simulate
from soundstage.corpora.binaural_speech import Chunks, open_binaural_speech
from soundstage.corpora.simulation_hrtfs import prepare_hrtf
from soundstage.errors import InputError, OptionError, OutputError

SECONDS = 3
FILES = {"binaural.wav", "mono.wav", "rx_positions.txt", "tx_positions.txt"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    return write_speech(folder / "speech"), write_hrtf_sets(folder / "heads")


@pytest.fixture(scope="module")
def fractions():
    return []


@pytest.fixture(scope="module")
def simulated(sources, tmp_path_factory, fractions):
    output = tmp_path_factory.mktemp("simulated") / "set"
    return simulate(
        *sources,
        output,
        subjects=(1, 1, 1),
        minutes=SECONDS / 60,
        progress=fractions.append,
    )


@pytest.fixture(scope="module")
def recordings(simulated):
    return open_binaural_speech(simulated.folder)


def test_it_is_read_like_the_published_data_set(simulated, recordings, fractions) -> None:
    assert len(recordings) == 3
    for split in ("train", "valid", "test"):
        (recording,) = open_binaural_speech(simulated.folder, split)
        assert recording.frames == SECONDS * RATE
        assert {path.name for path in recording.folder.iterdir()} == FILES
        talker = read_tracked(recording.folder / "tx_positions.txt")
        assert len(talker) * HOP == recording.frames
        head = read_tracked(recording.folder / "rx_positions.txt")
        assert np.array_equal(head, np.tile([0, 0, 0, 0, 0, 0, 1], (len(talker), 1)))
        assert len(list(Chunks([recording], RATE).in_order())) == SECONDS
    assert fractions == [done / 6 for done in range(1, 7)]


def test_the_manifest_lists_the_ingredients_of_each_subject(simulated, sources) -> None:
    manifest = json.loads((simulated.folder / MANIFEST).read_text())
    assert (manifest["rate"], manifest["pose_rate"], manifest["seconds"]) == (RATE, 120, SECONDS)
    subjects = manifest["subjects"]
    assert [each["split"] for each in subjects] == ["train", "valid", "test"]
    assert len({each["hrtf"]["listener"] for each in subjects}) == 3
    speakers = [clip["speaker"] for each in subjects for clip in each["speech"]]
    assert len(speakers) == len({clip["path"] for each in subjects for clip in each["speech"]})
    for each in subjects:
        assert len({clip["speaker"] for clip in each["speech"]}) == 1
        assert all((sources[0] / clip["path"]).is_file() for clip in each["speech"])
        assert each["hrtf"]["license"] == "CC0"
        ShoeBox(**each["room"])


def test_no_recording_clips_and_levels_are_similar(recordings, simulated) -> None:
    peaks, levels = [], []
    for recording in recordings:
        ears, mono = recording.binaural(0, recording.frames), recording.mono(0, recording.frames)
        peaks.append(np.abs(ears).max())
        levels.append(20 * np.log10(ears.std() / mono.std()))
    assert max(peaks) <= PEAK + 1e-3
    assert np.ptp(levels) < 8  # by the distances only
    assert simulated.gain_db <= 0


def test_geometric_warping_is_aligned_with_the_ears(recordings) -> None:
    """By the maximum of the cross-correlation, every quarter of a second."""
    shifts = []
    for recording in recordings:
        mono = recording.mono(0, recording.frames)
        ears = recording.binaural(0, recording.frames)
        time = np.arange(recording.frames) / RATE
        paths = recording.trajectory.positions_at(time)[:, None] - ear_positions()
        emitted = time[:, None] - np.linalg.norm(paths, axis=-1) / SPEED_OF_SOUND
        warped = np.stack([np.interp(each, time, mono) for each in emitted.T])
        for start in range(0, recording.frames - 12_000, 12_000):
            part = slice(start, start + 12_000)
            spectra = [np.fft.rfft(each[:, part], 24_000) for each in (ears, warped)]
            match = np.fft.irfft(spectra[0] * spectra[1].conj(), 4 * 24_000)
            shift = (match.argmax(axis=-1) + 48_000) % 96_000 - 48_000
            shifts.append(shift.mean() / 4 / RATE)
    assert abs(np.median(shifts)) < 0.1e-3
    assert np.mean(np.abs(shifts) < 0.25e-3) > 0.7  # a reflection is louder at times


def test_the_written_files_reproduce_the_rendering(simulated, sources) -> None:
    manifest = json.loads((simulated.folder / MANIFEST).read_text())
    (recording,) = open_binaural_speech(simulated.folder, "test")
    subject = manifest["subjects"][2]
    hrtf, no_delay = prepare_hrtf(sources[1] / subject["hrtf"]["path"], RATE)
    seed = int(np.random.default_rng((*subject["seed"], 3)).integers(1 << 31))
    renderer = HrtfRenderer(hrtf, room=ShoeBox(**subject["room"]), talker=True, seed=seed)
    stream = renderer.stream(recording.trajectory, RATE, no_delay=no_delay)
    mono = recording.mono(0, recording.frames)
    ears = np.concatenate([stream.push(mono), stream.finish()], axis=-1)
    expected = 10 ** (simulated.gain_db / 20) * ears[:, : recording.frames]
    np.testing.assert_allclose(
        recording.binaural(0, recording.frames), expected, atol=3e-6
    )  # 24 bits, three times


@pytest.mark.slow
def test_the_number_of_jobs_does_not_matter(sources, tmp_path) -> None:
    for name, jobs in (("one", 1), ("two", 2)):
        simulate(*sources, tmp_path / name, subjects=(1, 0, 1), minutes=0.01, jobs=jobs)
    paths = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(paths) == 1 + 2 * len(FILES)
    for path in paths:
        twin = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert twin.read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_one_gain_limits_the_loudest_recording(sources, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(binaural_simulation, "PEAK", 0.01)  # as for louder recordings
    quiet = simulate(*sources, tmp_path / "quiet", subjects=(1, 0, 1), minutes=0.01)
    monkeypatch.undo()
    loud = simulate(*sources, tmp_path / "loud", subjects=(1, 0, 1), minutes=0.01)
    assert loud.gain_db == 0
    peaks = []
    for one, other in zip(
        *(open_binaural_speech(each.folder) for each in (quiet, loud)), strict=True
    ):
        ears = one.binaural(0, one.frames)
        expected = 10 ** (quiet.gain_db / 20) * other.binaural(0, one.frames)
        np.testing.assert_allclose(ears, expected, atol=1e-6)
        peaks.append(np.abs(ears).max())
    assert 0.005 < max(peaks) < 0.0101


@pytest.mark.slow
def test_seed_and_bit_depth_are_applied(simulated, sources, tmp_path) -> None:
    other = simulate(*sources, tmp_path / "b", subjects=(0, 0, 1), minutes=0.01, seed=5, bits=16)
    (recording,) = open_binaural_speech(other.folder, "test")
    assert soundfile.info(recording.folder / "binaural.wav").subtype == "PCM_16"
    assert other.subjects[0].room != simulated.subjects[2].room
    with pytest.raises(InputError, match="no recording of the split 'train'"):
        open_binaural_speech(other.folder, "train")


@pytest.mark.slow
def test_existing_output_is_kept_and_unfinished_output_removed(
    simulated, sources, tmp_path, monkeypatch
) -> None:
    before = (simulated.folder / MANIFEST).read_bytes()
    with pytest.raises(OutputError, match="exists and is not empty"):
        simulate(*sources, simulated.folder, subjects=(1, 1, 1), minutes=0.01)
    assert (simulated.folder / MANIFEST).read_bytes() == before

    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(*sources, tmp_path / "c", subjects=(1, 1, 1), minutes=0.01, progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": (0, 0, 0)}, "three numbers"),
        ({"minutes": 0.0}, "0.01 to 120"),
        ({"bits": 20}, "16 or 24"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_impossible_options_are_refused(options, message: str, tmp_path) -> None:
    with pytest.raises(OptionError, match=message):
        simulate(tmp_path / "none", tmp_path / "none", tmp_path / "d", **options)


def test_talkers_stay_near_and_turn(recordings) -> None:
    for recording in recordings:
        assert recording.trajectory.min_distance > 0.5
        assert recording.trajectory.max_distance < 2.7
        assert recording.trajectory.is_rotating
