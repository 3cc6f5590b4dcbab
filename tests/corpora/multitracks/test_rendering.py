"""Rendered songs: levels, files, manifest."""

import ctypes.util
import shutil

import numpy as np
import pytest
import soundfile

from making_soundfonts import write_soundfont
from soundstage.corpora import open_corpus, read_manifest
from soundstage.corpora.multitracks import rendering
from soundstage.corpora.multitracks.composing import compose
from soundstage.corpora.multitracks.rendering import RATE, render_multitracks, render_song
from soundstage.errors import InputError, OptionError, SoundstageError

needs_fluidsynth = pytest.mark.skipif(
    ctypes.util.find_library("fluidsynth") is None, reason="FluidSynth is not installed"
)
SECONDS = 3.0


@pytest.fixture(scope="module")
def soundfont(tmp_path_factory):
    return write_soundfont(tmp_path_factory.mktemp("sf") / "sine.sf2")


@pytest.fixture(autouse=True)
def short_songs(monkeypatch):
    monkeypatch.setattr(rendering, "SONG_SECONDS", (SECONDS, SECONDS))


@pytest.fixture(scope="module")
def collection(tmp_path_factory, soundfont):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "SONG_SECONDS", (SECONDS, SECONDS))
        folder = tmp_path_factory.mktemp("collections") / "new" / "train"
        done: list[float] = []
        return (
            render_multitracks(
                folder, hours=0.0025, seed=3, soundfonts=[soundfont], progress=done.append
            ),
            done,
        )


@needs_fluidsynth
def test_a_song_is_mixed_to_a_peak(soundfont) -> None:
    stems = render_song(compose((4,), 8.0, style="synth-pop"), (4,), [soundfont])
    mix = np.sum([stem.sound for stem in stems], axis=0)
    assert 0.85 < max(np.abs(mix).max(), *(np.abs(stem.sound).max() for stem in stems)) < 0.9
    assert len({stem.sound.shape for stem in stems}) == 1
    assert all(np.abs(stem.sound).max() > 0.003 for stem in stems)
    assert all(abs(stem.sound[-1]) < 1e-4 for stem in stems)
    drums = next(stem for stem in stems if stem.part.name == "drums")
    for stem in stems:
        level = rendering._loudness(stem.sound) - rendering._loudness(drums.sound)
        assert level == pytest.approx(stem.part.level - drums.part.level, abs=1.5)


@needs_fluidsynth
def test_a_collection_is_read_as_stems(collection) -> None:
    result, done = collection
    corpus = open_corpus(result.folder)
    assert corpus.layout == "stems with a manifest"
    assert len(corpus.clips) == result.songs == 3
    assert sum(len(clip.stems) for clip in corpus.clips) == result.stems
    assert not corpus.skipped
    assert done[-1] == 1.0
    for path, row in read_manifest(result.folder / "manifest.csv").items():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
        assert float(row["duration_s"]) == pytest.approx(info.duration, abs=0.01)
        assert row["kind"] in {"drums", "bass", "voice", "object"}
        assert row["split"] == "train"
        assert row["license"]
        assert row["source"]
        sound, _ = soundfile.read(path)
        assert np.abs(sound).max() > 0.002
    assert {row["source"] for row in read_manifest(result.folder / "manifest.csv").values()} <= {
        "sine.sf2",
        rendering._OWN,
    }


@needs_fluidsynth
@pytest.mark.slow
def test_a_longer_run_keeps_the_songs_that_are_there(collection, soundfont, tmp_path) -> None:
    result, _ = collection
    folder = tmp_path / "more"
    shutil.copytree(result.folder, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.flac")}
    longer = render_multitracks(folder, hours=0.005, seed=3, soundfonts=[soundfont])
    assert longer.songs == result.songs + 3
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    again = render_multitracks(folder, hours=0.0025, seed=3, soundfonts=[soundfont])
    assert again == longer


@needs_fluidsynth
def test_a_song_that_a_killed_run_left_unlisted_is_made_again(
    collection, soundfont, tmp_path
) -> None:
    result, _ = collection
    folder = tmp_path / "cut"
    shutil.copytree(result.folder, folder)
    lines = (folder / "manifest.csv").read_text().splitlines(keepends=True)
    (folder / "manifest.csv").write_text("".join(x for x in lines if "train-3-0002" not in x))
    shutil.rmtree(folder / "train-3-0002")
    (folder / ".train-3-0002").mkdir()
    (folder / ".train-3-0002" / "01-half.flac").write_bytes(b"fLaC")
    render_multitracks(folder, hours=0.0025, seed=3, soundfonts=[soundfont])
    assert (folder / "manifest.csv").read_text() == "".join(lines)
    for path in (result.folder / "train-3-0002").iterdir():
        assert (folder / "train-3-0002" / path.name).read_bytes() == path.read_bytes()
    assert not (folder / ".train-3-0002").exists()


@needs_fluidsynth
def test_an_interrupted_run_lists_what_is_complete(soundfont, tmp_path) -> None:
    def stop(fraction: float) -> None:
        (tmp_path / ".train-3-0001").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_multitracks(tmp_path, hours=0.0025, seed=3, soundfonts=[soundfont], progress=stop)
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.csv", "train-3-0000"}
    assert {row["song"] for row in read_manifest(tmp_path / "manifest.csv").values()} == {
        "train-3-0000"
    }


@needs_fluidsynth
@pytest.mark.slow
def test_splits_and_seeds_have_songs_of_their_own(collection, soundfont, tmp_path) -> None:
    result, _ = collection
    render_multitracks(tmp_path, hours=0.0025, seed=3, split="test", soundfonts=[soundfont])
    train, test = (
        {path.read_bytes() for path in folder.rglob("*.flac")}
        for folder in (result.folder, tmp_path)
    )
    assert test
    assert not train & test


@needs_fluidsynth
@pytest.mark.slow
def test_jobs_do_not_change_the_songs(soundfont, tmp_path, monkeypatch) -> None:
    monkeypatch.undo()  # worker processes have songs of full length
    for jobs in (1, 2):
        render_multitracks(
            tmp_path / str(jobs), hours=0.02, seed=5, soundfonts=[soundfont], jobs=jobs
        )
    one = [path for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert len({path.parent for path in one}) == 3  # two songs, and the manifest
    for path in one:
        other = tmp_path / "2" / path.relative_to(tmp_path / "1")
        assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": 0}, "`hours` must be 0.001 to 1000"),
        ({"hours": float("nan")}, "`hours` must be"),
        ({"seed": -1}, "`seed` must be 0 or more"),
        ({"split": "dev"}, "`split` must be train, valid or test, not dev"),
    ],
)
def test_options_out_of_range_are_refused(options, message: str, tmp_path) -> None:
    with pytest.raises(OptionError, match=message):
        render_multitracks(tmp_path / "set", **options)
    assert not (tmp_path / "set").exists()


def test_nothing_is_written_without_a_soundfont(tmp_path) -> None:
    with pytest.raises((InputError, SoundstageError)):
        render_multitracks(tmp_path / "set", soundfonts=[tmp_path / "none.sf2"])
    assert not (tmp_path / "set").exists()
