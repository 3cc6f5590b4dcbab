import errno
import gc
import itertools
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from making import RATE, make_film, music, noise, read_all, write_sound
from soundstage.audio import Quantizer, SoundFormat, SoundWriter, open_sound
from soundstage.audio.codecs import sndfile_writer as inner
from soundstage.errors import OutputError

PCM_16 = SoundFormat("WAV", "PCM_16")
FLOAT = SoundFormat("WAV", "FLOAT")
AAC = SoundFormat("MP4", "AAC")


def writer(path, form=FLOAT, **more):
    return SoundWriter(path, **{"rate": RATE, "channels": 2, "format": form, **more})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("container", "encoding"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "PCM_32"),
        ("RF64", "PCM_24"),
        ("FLAC", "PCM_S8"),
        ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("CAF", "ALAC_16"),
        ("MP4", "ALAC_16"),
        ("MP4", "ALAC_24"),
        ("MOV", "PCM_24"),
        ("MATROSKA", "PCM_16"),
        ("MATROSKA", "PCM_24"),
        ("MATROSKA", "PCM_32"),
    ],
)
def test_steps_are_written_bit_for_bit(tmp_path, container, encoding):
    form = SoundFormat(container, encoding)
    full = 1 << form.integer_bits - 1
    steps = np.random.default_rng(0).integers(-full, full, (2, 9001), dtype=np.int64)
    steps[:, :4] = [[-full, -1, 0, full - 1]]
    with writer(tmp_path / "a.bin", form) as file:
        for start in range(0, 9001, 2000):
            file.write(steps[:, start : start + 2000].astype(np.int32))
    got = read_all(tmp_path / "a.bin") * np.float64(full)
    assert np.array_equal(got.astype(np.int64), steps)


def test_floats_beyond_full_scale_are_kept(tmp_path):
    samples = 20 * noise(2, 1000)
    write_sound(tmp_path / "a.wav", samples, FLOAT)
    assert np.array_equal(read_all(tmp_path / "a.wav"), samples)


@pytest.mark.parametrize(
    ("form", "block", "error"),
    [
        (PCM_16, np.zeros((2, 5), np.float32), TypeError),
        (PCM_16, np.full((2, 5), 32_768, np.int32), ValueError),
        (PCM_16, np.full((2, 5), -32_769, np.int32), ValueError),
        (FLOAT, np.zeros((2, 5), np.int32), TypeError),
        (FLOAT, np.zeros((1, 5), np.float32), ValueError),
        (FLOAT, np.zeros(5, np.float32), ValueError),
        (SoundFormat("OGG", "VORBIS"), np.full((2, 5), 1.01, np.float32), ValueError),
        (SoundFormat("OGG", "VORBIS"), np.full((2, 5), np.nan, np.float32), ValueError),
    ],
)
def test_blocks_that_do_not_fit_are_refused(tmp_path, form, block, error):
    with pytest.raises(error), writer(tmp_path / "a.bin", form) as file:
        file.write(block)
    assert names(tmp_path) == []


def test_an_existing_file_is_not_replaced(tmp_path):
    (tmp_path / "a.wav").write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        writer(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_text() == "precious"


def test_overwriting_replaces(tmp_path):
    (tmp_path / "a.wav").write_text("old")
    write_sound(tmp_path / "a.wav", noise(2, 100), overwrite=True)
    assert open_sound(tmp_path / "a.wav").frames == 100
    assert names(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("form", [FLOAT, SoundFormat("FLAC", "PCM_16"), AAC], ids=str)
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_everything_unchanged(tmp_path, form, failure):
    (tmp_path / "a.bin").write_text("precious")
    block = np.zeros((2, 5000), np.int32 if form.integer_bits else np.float32)

    def fail():
        with writer(tmp_path / "a.bin", form, overwrite=True) as file:
            file.write(block)
            assert len(names(tmp_path)) == 2
            raise failure

    with pytest.raises(failure):
        fail()
    assert names(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_text() == "precious"


@pytest.mark.parametrize("form", [PCM_16, SoundFormat("OGG", "VORBIS"), AAC], ids=str)
def test_a_complete_file_is_read_before_it_has_its_name(tmp_path, form):
    block = np.full((2, 5000), 100, np.int32) if form.integer_bits else noise(2, 5000) / 9
    with writer(tmp_path / "a.bin", form) as file:
        file.write(block)
        hidden = file.complete()
        assert open_sound(hidden).channels == 2
        assert read_all(hidden).shape[1] >= 5000
        assert not (tmp_path / "a.bin").exists()
        assert file.complete() == hidden
        with pytest.raises(RuntimeError, match="complete already"):
            file.write(block)
    assert names(tmp_path) == ["a.bin"]


def test_a_complete_file_that_is_refused_never_appears(tmp_path):
    def refuse():
        with writer(tmp_path / "a.wav") as file:
            file.write(noise(2, 50))
            file.complete()
            raise OutputError("not as it should be")

    with pytest.raises(OutputError, match="not as it should be"):
        refuse()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "reason"), [("sub", "is a folder"), ("file/a.wav", "is not a folder")]
)
def test_impossible_targets_are_refused(tmp_path, place, reason):
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=reason):
        writer(tmp_path / place)


@pytest.mark.parametrize(
    ("container", "encoding", "rate", "channels", "reason"),
    [
        ("MP3", "MPEG_LAYER_III", 96_000, 2, "resample to 48,000 Hz"),
        ("MP3", "MPEG_LAYER_III", 44_100, 3, "1 to 2 channels"),
        ("OGG", "OPUS", 44_100, 2, "resample to 48,000 Hz"),
        ("OGG", "OPUS", 11_025, 2, "resample to 12,000 Hz"),
        ("MP4", "AAC", 192_000, 2, "resample to 96,000 Hz"),
        ("FLAC", "PCM_16", 48_000, 9, "1 to 8 channels"),
        ("MP4", "AAC", 48_000, 6, "1 to 2 channels"),
        ("WAV", "FLOAT", 48_000, 0, "1 to 256 channels"),
    ],
)
def test_unsupported_sounds_are_refused(tmp_path, container, encoding, rate, channels, reason):
    form = SoundFormat(container, encoding)
    with pytest.raises(OutputError, match=reason):
        writer(tmp_path / "a.bin", form, rate=rate, channels=channels)


@pytest.mark.parametrize("rate", [8000, 11_025, 192_000])
@pytest.mark.parametrize(
    "form", [FLOAT, SoundFormat("FLAC", "PCM_24"), SoundFormat("OGG", "VORBIS")]
)
def test_every_rate_in_the_range_is_written(tmp_path, form, rate):
    path = write_sound(tmp_path / "a.bin", music(2, 3000, rate=rate), form, rate=rate)
    assert (open_sound(path).rate, open_sound(path).frames) == (rate, 3000)


@pytest.mark.parametrize("known", [True, False])
def test_a_short_wav_is_a_plain_wav(tmp_path, known):
    samples = noise(2, 1001)
    more = {"expected_frames": 1001 if known else None, "tags": {"title": "é"}}
    path = write_sound(tmp_path / "a.wav", samples, FLOAT, **more)
    data = path.read_bytes()
    assert data[:4] == b"RIFF"
    assert b"ds64" not in data
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert soundfile.info(path).format in ("WAV", "WAVEX")
    assert open_sound(path).metadata.tag("title") == "é"
    assert np.array_equal(read_all(path), samples)


@pytest.mark.parametrize("expected", [5000, None])
def test_a_wav_beyond_four_gigabytes_is_rf64(tmp_path, monkeypatch, expected):
    monkeypatch.setattr(inner, "MAX_BYTES", 5000 * 4 - 1)
    samples = noise(1, 5000)
    path = write_sound(tmp_path / "a.wav", samples, FLOAT, expected_frames=expected)
    assert open_sound(path).format.container == "RF64"
    assert np.array_equal(read_all(path), samples)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU"])
def test_sound_too_long_for_its_container_is_refused(tmp_path, monkeypatch, container):
    monkeypatch.setattr(inner, "MAX_BYTES", 4 * 1000)
    more = {"expected_frames": 10, "channels": 1, "form": SoundFormat(container, "FLOAT")}
    with writer(tmp_path / "a.bin", **more) as file:
        file.write(noise(1, 1000))
    with (
        pytest.raises(OutputError, match="4 GB"),
        writer(tmp_path / "b.bin", **more) as file,
    ):
        file.write(noise(1, 1001))
    (tmp_path / "a.bin").unlink()
    assert names(tmp_path) == []


FULL_DISK = """
import resource, sys
import numpy as np
from soundstage.audio import SoundFormat, SoundWriter
from soundstage.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
form = SoundFormat(sys.argv[2], sys.argv[3])
block = 0.3 * np.random.default_rng(0).standard_normal((2, 20_000)).clip(-1, 1)
block = (block * 32767).astype(np.int32) if form.integer_bits else block
try:
    with SoundWriter(sys.argv[1], rate=48_000, channels=2, format=form) as file:
        for _ in range(3):
            file.write(block)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("container", "encoding", "room"),
    [
        ("WAV", "PCM_16", 100),
        ("FLAC", "PCM_16", 30_000),
        ("OGG", "VORBIS", 30_000),
        ("MP3", "MPEG_LAYER_III", 100),
        ("MP4", "AAC", 30_000),
        ("MATROSKA", "PCM_16", 100),
    ],
)
def test_a_disk_that_fills_up_is_reported_in_one_sentence(tmp_path, container, encoding, room):
    arguments = [str(tmp_path / "a.bin"), container, encoding, str(room)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("cannot be written") == 1
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert names(tmp_path) == []


@pytest.mark.parametrize("form", [PCM_16, SoundFormat("OGG", "VORBIS"), AAC], ids=str)
def test_a_full_disk_is_reported_as_full(tmp_path, form):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    block = noise(2, 200_000)
    try:
        with (
            pytest.raises(OutputError, match="disk is full"),
            writer(small / "a.bin", form) as file,
        ):
            file.write(Quantizer(16).quantize(block) if form.integer_bits else block)
        assert names(small) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("encoding", ["VORBIS", "OPUS"])
def test_a_disk_that_fills_up_at_the_end_is_reported(tmp_path, monkeypatch, encoding):
    def closing():
        with writer(tmp_path / "a.ogg", SoundFormat("OGG", encoding)) as file:
            file.write(noise(2, 3000))
            monkeypatch.setattr(file._target._sink, "_file", Full())

    with pytest.raises(OutputError, match="disk is full"):
        closing()
    assert names(tmp_path) == []


class Full:
    def write(self, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    def seek(self, *_place):
        return 0

    def tell(self):
        return 0


def test_an_interrupt_within_libsndfile_is_not_lost(tmp_path, monkeypatch):

    def interrupted():
        with writer(tmp_path / "a.wav") as file:
            monkeypatch.setattr(file._target._sink, "_file", Interrupting())
            file.write(noise(2, 100_000))

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []


def test_a_writer_that_is_dropped_leaves_no_file(tmp_path):
    opened = writer(tmp_path / "a.wav")
    opened.__enter__()
    assert names(tmp_path)
    del opened
    gc.collect()
    assert names(tmp_path) == []


@pytest.mark.parametrize("container", ["WAV", "AIFF"])
def test_a_float_file_holds_no_time_of_writing(tmp_path, container):
    form = SoundFormat(container, "FLOAT")
    with writer(tmp_path / "a", form, expected_frames=1000) as file:
        file.write(noise(2, 1000))
    content = (tmp_path / "a").read_bytes()
    peaks = content.index(b"PEAK")
    assert content[peaks + 12 : peaks + 16] == bytes(4)
    assert np.array_equal(read_all(tmp_path / "a"), noise(2, 1000))


class Interrupting:
    def write(self, _data):
        raise KeyboardInterrupt

    def seek(self, *_place):
        return 0

    def tell(self):
        return 0


def test_writing_outside_a_with_block_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="with"):
        writer(tmp_path / "a.wav").write(noise(2, 10))
    assert names(tmp_path) == []


def test_sound_files_ignore_the_picture(tmp_path):
    film = make_film(tmp_path / "a.mp4", muxer="mp4", seconds=0.4)
    for source in (film, write_sound(tmp_path / "b.wav", noise(2, 100))):
        write_sound(tmp_path / "c.wav", noise(2, 100), picture_from=source, overwrite=True)
        assert open_sound(tmp_path / "c.wav").frames == 100


FULL = {8: 128, 16: 32768, 24: 1 << 23, 32: 1 << 31}


@given(st.lists(st.integers(0, 500), max_size=6), st.integers(1, 3))
def test_quantization_does_not_depend_on_the_blocks(places, channels):
    samples = noise(channels, 500)
    whole = Quantizer(16, seed=7).quantize(samples)
    quantizer = Quantizer(16, seed=7)
    edges = [0, *sorted(places), 500]
    parts = [quantizer.quantize(samples[:, a:b]) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_quantization_of_one_dimension_is_of_one_channel():
    samples = noise(1, 300)
    assert np.array_equal(Quantizer(16).quantize(samples[0]), Quantizer(16).quantize(samples)[0])


def test_dither_makes_the_error_independent_of_the_sample():
    value = 100.3 / FULL[16]
    steps = Quantizer(16).quantize(np.full((1, 200_000), value))
    assert abs(steps.mean() - 100.3) < 0.01
    assert np.isclose((steps - 100.3).var(), 0.25, rtol=0.02)  # 1/12 of rounding + 2/12 of TPDF


def test_dither_is_at_most_one_step():
    samples = noise(2, 20_000) * 0.5
    error = Quantizer(16).quantize(samples) - samples * float(FULL[16])
    assert np.abs(error).max() <= 1.5


def test_digital_silence_stays_silent():
    quiet = np.full((2, 1000), 0.0009 / FULL[16])
    assert not Quantizer(16).quantize(quiet).any()


def test_dithers_of_seeds_repeat_and_differ():
    samples = noise(1, 1000)
    one, again, other = (Quantizer(16, seed=s).quantize(samples) for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_whole_steps_pass_without_dither(bits):
    steps = np.array([[-FULL[bits], -1, 0, 1, FULL[bits] - 1]], np.int64)
    out = Quantizer(bits).quantize(steps / FULL[bits], dither=False)
    assert out.dtype == np.int32
    assert np.array_equal(out, steps)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_full_scale_is_clipped_by_no_more_than_the_dither(bits):
    top = Quantizer(bits).quantize(np.ones((1, 2000)))
    bottom = Quantizer(bits).quantize(-np.ones((1, 2000)))
    assert top.max() == FULL[bits] - 1
    assert top.min() >= FULL[bits] - 2
    assert bottom.min() == -FULL[bits]
    assert bottom.max() <= -FULL[bits] + 1


@pytest.mark.parametrize("value", [1.001, -1.001, np.nan, np.inf])
def test_quantization_beyond_full_scale_is_refused(value):
    with pytest.raises(ValueError, match="does not fit"):
        Quantizer(16).quantize(np.array([[0.0, value]]))


def test_rounding_without_dither_draws_no_noise():
    samples = noise(1, 100)
    quantizer = Quantizer(16)
    quantizer.quantize(samples, dither=False)
    assert np.array_equal(quantizer.quantize(samples), Quantizer(16).quantize(samples))
