import json

import numpy as np
import pytest
import soundfile

from sounds import song
from soundstage.audio import Audio, open_sound
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.upmixing import Upmixer
from tiny import UPMIXERS

RATE = 44_100
BITS = {"PCM_16": 16, "PCM_24": 24}
METHODS = {name: Upmixer(method, name=name) for name, method in UPMIXERS.items()}


def music(seconds=2.0, rate=RATE, level=0.3):
    sound = song(int(seconds * rate), rate=rate).numpy()
    return level * sound / np.abs(sound).max()


def steps(path, bits):
    """Whole steps of an integer file, (frames, channels)."""
    samples, _ = soundfile.read(path, dtype="int32", always_2d=True)
    return samples.astype(np.int64) >> (32 - bits)


@pytest.mark.parametrize(
    ("rate", "encoding"),
    [(8_000, "PCM_16"), (44_100, "PCM_16"), (48_000, "PCM_24"), (192_000, "PCM_24")],
)
def test_integers_fold_down_bit_for_bit(tmp_path, rate, encoding):
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(source, music(0.5, rate), rate, subtype=encoding)
    report = METHODS["nearest"].file(source, target)
    before, after = steps(source, BITS[encoding]), steps(target, BITS[encoding])
    assert report.gain_db == 0
    assert (soundfile.info(target).samplerate, soundfile.info(target).subtype) == (rate, encoding)
    assert np.array_equal(after.sum(axis=1), 2 * before[:, 0])
    assert np.abs(after[:, 0] - after[:, 1]).max() > 10


def test_a_loud_input_is_turned_down_once_and_folds_down_to_half_a_step_and_dither(tmp_path):
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(source, music(level=0.999), RATE, subtype="PCM_16")
    report = METHODS["decorrelate"].file(source, target, width=2)
    before, after = steps(source, 16)[:, 0], steps(target, 16)
    assert report.gain_db < -1
    assert report.true_peak_db < 0.1
    assert np.abs(after).max() <= 32767
    wanted = before * 10 ** (report.gain_db / 20)
    assert np.abs(after.sum(axis=1) / 2 - wanted).max() <= 1.5  # half a step, and dither of one


def test_float_is_never_turned_down(tmp_path):
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    mono = music(level=1.4).astype(np.float32)
    soundfile.write(source, mono, RATE, subtype="FLOAT")
    report = METHODS["nearest"].file(source, target)
    stereo, _ = soundfile.read(target, dtype="float32")
    assert report.gain_db == 0
    assert np.abs(stereo.mean(axis=1) - mono).max() < 2e-7


def test_a_float_input_beyond_full_scale_fits_into_16_bits(tmp_path):
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(source, music(level=1.4), RATE, subtype="FLOAT")
    report = METHODS["nearest"].file(source, target, width=0, bit_depth="16")
    assert report.gain_db == pytest.approx(-2.92, abs=0.7)
    assert np.abs(steps(target, 16)).max() <= 32767


def test_dither_is_added_when_the_depth_falls(tmp_path):
    """A tone of a quarter of a step would vanish without it."""
    quiet = 0.25 / 2**15 * np.sin(2 * np.pi * 441 * np.arange(RATE) / RATE)
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(source, quiet, RATE, subtype="PCM_24")
    METHODS["decorrelate"].file(source, target, bit_depth="16")
    mid = steps(target, 16).sum(axis=1) / 2
    assert np.dot(mid, quiet) / np.dot(quiet, quiet) / 2**15 == pytest.approx(1, abs=0.15)
    assert 0.3 < mid.std() < 1.2


@pytest.mark.parametrize("encoding", ["PCM_16", "FLOAT"])
def test_a_path_and_an_array_give_the_same_samples(tmp_path, encoding):
    source, target = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(source, music(), RATE, subtype=encoding)
    samples, _ = soundfile.read(source, dtype="float32")
    from_path = METHODS["nearest"](source, seed=2)
    from_array = METHODS["nearest"]((samples, RATE), seed=2)
    assert from_path == from_array == METHODS["nearest"](Audio(samples, RATE), seed=2)
    METHODS["nearest"].file(source, target, seed=2, bit_depth="float")
    assert Audio.read(target) == from_path


def test_the_same_seed_gives_the_same_file(tmp_path):
    source = tmp_path / "mono.wav"
    soundfile.write(source, music(), RATE, subtype="PCM_16")
    contents = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        target = tmp_path / f"{name}.flac"
        METHODS["nearest"].file(source, target, seed=seed)
        contents.append(target.read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_a_result_has_the_tags_of_the_source_and_a_report(tmp_path):
    source, target = tmp_path / "mono.flac", tmp_path / "stereo.flac"
    with soundfile.SoundFile(source, "w", RATE, 1, "PCM_24") as file:
        file.title, file.artist = "Title", "Artist"
        file.write(music())
    fractions = []
    report = METHODS["comb"].file(source, target, seed=7, progress=fractions.append)
    with open_sound(target) as sound:
        tags = sound.metadata.tags
        assert (tags["title"], tags["artist"]) == (("Title",), ("Artist",))
    assert json.loads(json.dumps(report.as_dict()))["encoding"] == "PCM_24"
    assert (report.method, report.seed, report.exact_fold_down) == ("comb", 7, True)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)


def test_dual_mono_folds_down_bit_for_bit_and_near_dual_mono_to_half_a_step(tmp_path):
    mono = music()
    for name, right in (("same", mono), ("near", mono + 2e-5 * np.sin(np.arange(mono.size)))):
        source, target = tmp_path / f"{name}.wav", tmp_path / f"{name}-stereo.wav"
        soundfile.write(source, np.stack([mono, right], axis=1), RATE, subtype="PCM_16")
        report = METHODS["nearest"].file(source, target)
        assert report.dual_mono
        error = steps(target, 16).sum(axis=1) / 2 - steps(source, 16).mean(axis=1)
        assert np.abs(error).max() <= (0 if name == "same" else 1.5)


def test_stereo_is_refused_before_a_file_appears(tmp_path):
    source, target = tmp_path / "two.wav", tmp_path / "stereo.wav"
    mono = music()
    soundfile.write(source, np.stack([mono, mono[::-1]], axis=1), RATE)
    with pytest.raises(InputError, match="stereo already"):
        METHODS["nearest"].file(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["two.wav"]


@pytest.mark.parametrize("suffix", [".mp3", ".opus", ".m4a", ".aiff"])
def test_lossy_formats_are_reported_as_inexact(tmp_path, suffix):
    rate = 48_000
    source, target = tmp_path / "mono.wav", tmp_path / f"stereo{suffix}"
    soundfile.write(source, music(rate=rate, level=0.99), rate, subtype="PCM_16")
    report = METHODS["nearest"].file(source, target)
    assert report.exact_fold_down is (suffix in (".aiff", ".m4a"))  # M4A keeps it lossless
    made = Audio.read(target)
    assert (made.channels, made.rate) == (2, rate)
    assert abs(made.frames - 2 * rate) < 0.1 * rate
    assert np.abs(made.samples).max() > 0.3


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, music(level=0.99), RATE, subtype="PCM_16")
    return path


@pytest.mark.parametrize("name", METHODS)
def test_a_take_among_others_is_the_file_that_its_seed_makes_alone(tmp_path, source, name):
    suffix, seeds = ".flac" if name == "nearest" else ".wav", [5, 0, 7]
    targets = [tmp_path / f"take-{seed}{suffix}" for seed in seeds]
    reports = METHODS[name].file(source, targets, seed=seeds, width=1.5)
    alone = tmp_path / f"alone{suffix}"
    for seed, target, report in zip(seeds, targets, reports, strict=True):
        single = METHODS[name].file(source, alone, seed=seed, width=1.5, overwrite=True)
        assert target.read_bytes() == alone.read_bytes()
        assert (report.seed, report.width, report.gain_db) == (seed, single.width, single.gain_db)
    assert len({target.read_bytes() for target in targets}) == 3
    if name == "masked":
        assert len({report.gain_db for report in reports}) == 3  # each has a gain of its own


@pytest.mark.parametrize("depth", ["16", "float"])
def test_an_existing_target_is_kept_and_no_other_appears(tmp_path, source, depth):
    targets = [tmp_path / f"{take}.wav" for take in range(3)]
    targets[2].write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists"):
        METHODS["nearest"].file(source, targets, seed=range(3), bit_depth=depth)
    assert names(tmp_path) == ["2.wav", "mono.wav"]
    assert targets[2].read_bytes() == b"precious"


@pytest.mark.parametrize("depth", ["16", "float"])
def test_an_interrupt_leaves_no_file(tmp_path, source, depth):
    def stop(fraction):
        raise KeyboardInterrupt

    targets = [tmp_path / f"{take}.wav" for take in range(3)]
    with pytest.raises(KeyboardInterrupt):
        METHODS["nearest"].file(source, targets, seed=range(3), bit_depth=depth, progress=stop)
    assert names(tmp_path) == ["mono.wav"]


def test_takes_of_two_formats_are_refused(tmp_path, source):
    with pytest.raises(OptionError, match="one format"):
        METHODS["comb"].file(source, [tmp_path / "a.wav", tmp_path / "b.flac"], seed=[0, 1])
    assert names(tmp_path) == ["mono.wav"]


@pytest.mark.parametrize(
    ("suffix", "facts"),
    [
        (".webm", ("the encoding changes from VORBIS to OPUS",)),
        (".mka", ("the encoding changes from VORBIS to AAC",)),
        (".ogg", ()),
        (".flac", ()),
    ],
)
def test_a_lossy_encoding_that_becomes_another_is_named(tmp_path, suffix, facts):
    source = tmp_path / "mono.ogg"
    soundfile.write(source, music(0.5, 48_000), 48_000, subtype="VORBIS")
    report = METHODS["nearest"].file(source, tmp_path / f"stereo{suffix}")
    assert tuple(fact for fact in report.facts if "encoding" in fact) == facts
