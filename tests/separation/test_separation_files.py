"""Files of sources add up to their input, in every format, and appear together or not at all."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundstage import interruption
from soundstage.audio import open_sound, read_metadata
from soundstage.errors import OptionError, OutputError
from soundstage.separation import SourceOptions, load_separator, separate_to_files
from soundstage.separation.separation_files import write_sources
from soundstage.separation.separator import SourceInfo
from soundstage.separation.source_folders import file_names, own_files
from soundstage.separation.source_steps import SourceSteps

RATE = 44_100
BITS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}


def hpss():
    return load_separator("hpss")


class Loud:
    """Two sources beyond full scale whose sum is not."""

    rate = RATE
    sources = (SourceInfo("lead", "lead"), SourceInfo("residual", "residual"))

    def stream(self):
        import torch

        class Stream:
            def push(self, mono):
                return torch.stack([3 * mono, -2 * mono])

            def finish(self):
                return torch.zeros(2, 0)

        return Stream()


def write(path: Path, subtype: str | None = None, *, peak=0.9, channels=1, **tags) -> Path:
    sound = np.random.default_rng(5).normal(0, 0.25, (30_000, channels)).clip(-peak, peak)
    with soundfile.SoundFile(path, "w", RATE, channels, subtype) as file:
        for name, value in tags.items():
            setattr(file, name, value)
        file.write(sound)
    return path


def read(path: Path) -> np.ndarray:
    blocks = [block.astype(np.float64) for block in open_sound(path).blocks(10_000)]
    return np.concatenate(blocks, axis=1)


def summed(report) -> np.ndarray:
    return sum(read(Path(each.path)) for each in report.files)


@pytest.mark.parametrize("subtype", BITS)
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_steps_add_up_exactly(tmp_path, subtype, channels):
    source = write(tmp_path / "song.wav", subtype, channels=channels)
    report = separate_to_files(source, tmp_path / "out", hpss)
    assert report.encoding == subtype
    assert report.gain_db == 0
    assert report.sum_error_db == -np.inf
    assert np.array_equal(summed(report), read(source))


@pytest.mark.parametrize(("suffix", "subtype"), [(".wav", "FLOAT"), (".mp3", None)])
def test_floats_and_lossy_inputs_add_up_as_floats(tmp_path, suffix, subtype):
    source = write(tmp_path / f"song{suffix}", subtype)
    report = separate_to_files(source, tmp_path / "out", hpss)
    assert report.encoding == "FLOAT"
    assert report.sum_error_db < -140
    assert np.abs(summed(report) - read(source)).max() < 2e-7


def test_fewer_bits_add_up_to_the_dithered_input(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_24")
    options = SourceOptions(bit_depth="16", suffix="flac")
    report = separate_to_files(source, tmp_path / "out", hpss, options)
    assert (report.container, report.encoding) == ("FLAC", "PCM_16")
    assert np.abs(summed(report) - read(source)).max() <= 1.5 / 2**15
    assert -100 < report.sum_error_db < -70


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_sources_beyond_full_scale_get_one_gain(tmp_path, subtype):
    source = write(tmp_path / "song.wav", subtype)
    report = separate_to_files(source, tmp_path / "out", Loud)
    assert report.gain_db == pytest.approx(-20 * np.log10(3 * 0.9), abs=0.01)
    gain = 10 ** (report.gain_db / 20)
    assert np.abs(summed(report) - gain * read(source)).max() <= 1.5 / 2 ** (BITS[subtype] - 1)
    floats = SourceOptions(bit_depth="float")
    assert separate_to_files(source, tmp_path / "float", Loud, floats).gain_db == 0


def test_full_scale_itself_needs_no_gain(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16", peak=1.0)
    with soundfile.SoundFile(source, "r+") as file:
        file.write(np.tile([1.0, -1.0], 200))
    report = separate_to_files(source, tmp_path / "out", hpss)
    if report.gain_db == 0:
        assert np.array_equal(summed(report), read(source))
    else:  # a part of the sound may be louder than the sound
        assert report.gain_db < -0.001


def test_errors_of_the_others_are_moved_where_the_residual_has_no_room():
    steps = SourceSteps(16, 3, 2, dither_sum=False)
    total = np.full((1, 4000), 1 - 2**-15)
    steps_of = steps(total, np.stack([0 * total - 1e-4, 0 * total + 1e-4, total]))
    assert np.array_equal(steps_of.sum(axis=0), np.full((1, 4000), 2**15 - 1))
    assert steps_of.max() <= 2**15 - 1


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
def test_lossy_files_do_not_claim_a_sum(tmp_path, suffix):
    source = write(tmp_path / "song.wav", "PCM_16")
    report = separate_to_files(source, tmp_path / "out", Loud, SourceOptions(suffix=suffix))
    assert report.sum_error_db is None
    assert any("not exact" in line for line in report.lines())


def test_equal_inputs_make_equal_files(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16")
    made = []
    for folder in ("one", "two"):
        report = separate_to_files(source, tmp_path / folder, hpss)
        made.append([Path(each.path).read_bytes() for each in report.files])
    assert made[0] == made[1]


def test_tags_go_along_and_the_title_names_the_source(tmp_path):
    source = write(tmp_path / "song.flac", "PCM_16", title="Song", artist="Somebody")
    report = separate_to_files(source, tmp_path / "out", hpss)
    tags = read_metadata(report.files[0].path).tags
    assert tags["title"] == ("Song (harmonic)",)
    assert tags["artist"] == ("Somebody",)
    assert report.carried


def test_existing_sources_are_kept_without_overwrite(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16")
    first = separate_to_files(source, tmp_path / "out", hpss)
    before = Path(first.files[0].path).read_bytes()
    with pytest.raises(OutputError, match="holds sources already"):
        separate_to_files(source, tmp_path / "out", Loud)
    assert Path(first.files[0].path).read_bytes() == before


def test_overwriting_removes_sources_of_an_earlier_run_and_nothing_else(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16")
    folder = tmp_path / "out"
    separate_to_files(source, folder, hpss)
    notes = [folder / "drums.wav", folder / "song-stereo.wav", folder / "lead.txt"]
    write(notes[0], "PCM_16")  # not ours
    notes[1].write_bytes((folder / "harmonic.wav").read_bytes())  # ours, but no source
    notes[2].write_text("mine")
    report = separate_to_files(source, folder, Loud, SourceOptions(overwrite=True))
    kept = {*notes, *(Path(each.path) for each in report.files)}
    assert {*folder.iterdir()} == kept
    assert [path.name for path in own_files(folder)] == ["lead.wav", "residual.wav"]


def test_an_error_leaves_nothing(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16")

    class Broken(Loud):
        def stream(self):
            raise OutputError("the disk is full")

    with pytest.raises(OutputError, match="disk is full"):
        separate_to_files(source, tmp_path / "new" / "out", Broken)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_an_interruption_among_the_renames_leaves_nothing(tmp_path, monkeypatch):
    source = write(tmp_path / "song.wav", "PCM_16")
    from soundstage.atomic_files import AtomicFile

    commit, done = AtomicFile.commit, []

    def interrupted(self):
        if done:
            raise interruption.Interrupted(2)
        done.append(self.path)
        commit(self)

    monkeypatch.setattr(AtomicFile, "commit", interrupted)
    with pytest.raises(interruption.Interrupted):
        separate_to_files(source, tmp_path / "out", hpss)
    assert done
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_files_that_do_not_add_up_are_refused(tmp_path, monkeypatch):
    source = write(tmp_path / "song.wav", "PCM_16")
    quantize = SourceSteps.__call__

    def wrong(self, total, sources):
        steps = quantize(self, total, sources)
        steps[0, 0, 100] += 1
        return steps

    monkeypatch.setattr(SourceSteps, "__call__", wrong)
    with pytest.raises(OutputError, match="do not add up"):
        separate_to_files(source, tmp_path / "out", hpss)
    assert not (tmp_path / "out").exists()
    unproven = SourceOptions(proof=False)
    assert separate_to_files(source, tmp_path / "out", hpss, unproven).sum_error_db is None


def test_the_mid_of_a_stereo_sound_can_be_written(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16", channels=2)
    with open_sound(source) as sound:

        def mids():
            return (block.mean(axis=0, keepdims=True) for block in sound.blocks(7000))

        report = write_sources(sound, hpss, tmp_path / "out", blocks=mids, channels=1, exact=False)
    expected = read(source).mean(axis=0, keepdims=True)
    assert report.channels == 1
    assert np.abs(summed(report) - expected).max() <= 1.5 / 2**15


def test_progress_rises_to_one(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16")
    seen: list[float] = []
    separate_to_files(source, tmp_path / "out", hpss, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_names_are_safe_and_distinct():
    names = ["lead", "../../etc", "LEAD", "", "a" * 300, "con: x"]
    made = file_names(names, ".wav")
    assert len({name.casefold() for name in made}) == len(made)
    assert all("/" not in name and len(name) < 100 and name.endswith(".wav") for name in made)


def test_impossible_formats_are_refused(tmp_path):
    source = write(tmp_path / "song.wav", "PCM_16")
    for options in (SourceOptions(suffix="xyz"), SourceOptions(suffix="flac", bit_depth="float")):
        with pytest.raises(OptionError):
            separate_to_files(source, tmp_path / "out", hpss, options)
    with pytest.raises(OutputError, match="is a file"):
        separate_to_files(source, source, hpss)
