import errno
import gc
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from making import RATE, make_film, music, noise, read_all, write_sound
from soundstage.audio import Quantizer, SoundFormat, SoundWriter, open_sound, writing
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


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", refuse(OSError(errno.EPERM, "no links here")))

    def meanwhile():
        with writer(tmp_path / "a.wav") as file:
            file.write(noise(2, 100))
            (tmp_path / "a.wav").write_text("precious")

    with pytest.raises(OutputError, match="exists"):
        meanwhile()
    assert (tmp_path / "a.wav").read_text() == "precious"
    assert names(tmp_path) == ["a.wav"]


def test_without_hard_links_a_file_lands_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse(OSError(errno.EPERM, "no links here")))
    write_sound(tmp_path / "a.wav", noise(2, 100))
    assert names(tmp_path) == ["a.wav"]


def refuse(error):
    def refusing(*_args, **_more):
        raise error

    return refusing


def test_overwriting_replaces(tmp_path):
    (tmp_path / "a.wav").write_text("old")
    write_sound(tmp_path / "a.wav", noise(2, 100), overwrite=True)
    assert open_sound(tmp_path / "a.wav").frames == 100
    assert names(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("form", [FLOAT, SoundFormat("FLAC", "PCM_16"), AAC], ids=str)
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_everything_as_it_was(tmp_path, form, failure):
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


def test_the_file_in_the_making_is_hidden_and_beside_its_target(tmp_path):
    with writer(tmp_path / "a.wav"):
        assert [n for n in names(tmp_path) if n.startswith(".a.wav.") and n.endswith(".part")]
        assert len(names(tmp_path)) == 1


def test_names_of_the_longest_kind_can_be_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".wav")
    write_sound(path, noise(1, 10))
    assert names(tmp_path) == [path.name]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        write_sound(tmp_path / "a.wav", noise(1, 10))
    finally:
        os.umask(old)
    assert (tmp_path / "a.wav").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("place", "said"), [("sub", "is a folder"), ("none/a.wav", "make the folder")]
)
def test_places_that_cannot_be_written_are_said(tmp_path, place, said):
    (tmp_path / "sub").mkdir()
    with pytest.raises(OutputError, match=said):
        writer(tmp_path / place)


def test_a_read_only_folder_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(OutputError, match="read-only"):
        writer(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("container", "encoding", "rate", "channels", "said"),
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
def test_what_a_format_cannot_hold_is_said(tmp_path, container, encoding, rate, channels, said):
    form = SoundFormat(container, encoding)
    with pytest.raises(OutputError, match=said):
        writer(tmp_path / "a.bin", form, rate=rate, channels=channels)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 96_000, 192_000])
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
    assert open_sound(path).tags["title"] == "é"
    assert np.array_equal(read_all(path), samples)


@pytest.mark.parametrize("expected", [5000, None])
def test_a_wav_beyond_four_gigabytes_is_rf64(tmp_path, monkeypatch, expected):
    monkeypatch.setattr(inner, "MAX_BYTES", 5000 * 4 - 1)
    samples = noise(1, 5000)
    path = write_sound(tmp_path / "a.wav", samples, FLOAT, expected_frames=expected)
    assert open_sound(path).format.container == "RF64"
    assert np.array_equal(read_all(path), samples)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU"])
def test_what_outgrows_its_container_fails_in_one_sentence(tmp_path, monkeypatch, container):
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


@pytest.mark.parametrize("room", [100, 30_000])
@pytest.mark.parametrize(
    ("container", "encoding"),
    [
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "FLOAT"),
        ("MP4", "AAC"),
        ("MATROSKA", "PCM_16"),
    ],
)
def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path, container, encoding, room):
    arguments = [str(tmp_path / "a.bin"), container, encoding, str(room)]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("could not be written") == 1
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert names(tmp_path) == []


@pytest.mark.parametrize("form", [PCM_16, SoundFormat("OGG", "VORBIS"), AAC], ids=str)
def test_a_full_disk_is_called_full(tmp_path, form):
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
def test_a_disk_that_fills_as_the_file_is_closed_is_said(tmp_path, monkeypatch, encoding):
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


def test_an_interrupt_while_libsndfile_writes_is_not_lost(tmp_path, monkeypatch):

    def interrupted():
        with writer(tmp_path / "a.wav") as file:
            monkeypatch.setattr(file._target._sink, "_file", Interrupting())
            file.write(noise(2, 100_000))

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["_create", "_hidden_name"])
def test_an_interrupt_as_the_file_comes_up_leaves_none(tmp_path, monkeypatch, step):
    """What `with` never got to enter has no end to clean up in."""
    whole = getattr(writing, step)

    def interrupted(path):
        whole(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer(tmp_path / "a.wav").__enter__()
    assert names(tmp_path) == []


def test_a_writer_that_is_dropped_leaves_no_file(tmp_path):
    opened = writer(tmp_path / "a.wav")
    opened.__enter__()
    assert names(tmp_path)
    del opened
    gc.collect()
    assert names(tmp_path) == []


@pytest.mark.parametrize("container", ["WAV", "AIFF"])
def test_a_float_file_does_not_tell_when_it_was_made(tmp_path, container):
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


def test_writing_before_entering_is_a_mistake(tmp_path):
    with pytest.raises(RuntimeError, match="with"):
        writer(tmp_path / "a.wav").write(noise(2, 10))
    assert names(tmp_path) == []


def test_a_picture_means_nothing_to_a_sound_file(tmp_path):
    film = make_film(tmp_path / "a.mp4", muxer="mp4", seconds=0.4)
    for source in (film, write_sound(tmp_path / "b.wav", noise(2, 100))):
        write_sound(tmp_path / "c.wav", noise(2, 100), picture_from=source, overwrite=True)
        assert open_sound(tmp_path / "c.wav").frames == 100
