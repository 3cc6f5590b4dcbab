"""Ambisonic files: they say what they hold, and FFmpeg reads their channels in order."""

import struct

import av
import numpy as np
import pytest

from soundstage.ambisonics.conventions import CONVENTIONS, describe, from_ambix
from soundstage.ambisonics.encoding import encode
from soundstage.ambisonics.field_formats import field_format, field_mark, is_field
from soundstage.audio import SoundFormat, SoundWriter, open_sound, read_metadata
from soundstage.audio.metadata import Metadata
from soundstage.errors import OutputError

RATE = 48_000
LENGTH = RATE // 2
FORMATS = {
    "wav": SoundFormat("WAV", "FLOAT"),
    "rf64": SoundFormat("RF64", "FLOAT"),
    "caf": SoundFormat("CAF", "FLOAT"),
    "flac": SoundFormat("FLAC", "PCM_24"),
    "opus": SoundFormat("OGG", "OPUS"),
}
_B_FORMAT = bytes.fromhex("2107d3118644c8c1ca000000")


def tones(order):
    """A field of a tone from the left behind; no two channels of degree 1 are alike."""
    time = np.arange(LENGTH) / RATE
    return encode(0.3 * np.sin(2 * np.pi * 440 * time), np.array([-0.6, 0.7, 0.4]), order)


def write(path, field, convention, *, comment=None, frames=LENGTH):
    channels = from_ambix(field, convention)
    order = round(np.sqrt(len(channels))) - 1
    form = FORMATS[path.suffix[1:]]
    mark = field_mark(order, convention)
    metadata = Metadata(tags={"comment": (comment,)} if comment else {})
    arguments = {"rate": RATE, "channels": len(channels), "format": form, "metadata": metadata}
    arguments["expected_frames"] = frames
    with SoundWriter(path, field=mark, **arguments) as writer:
        if form.integer_bits:
            channels = np.rint(channels * (1 << form.integer_bits - 1)).astype(np.int32)
        writer.write(channels)
    return from_ambix(field, convention)


def read_by_ffmpeg(path):
    """Channels as FFmpeg decodes them, in its order."""
    blocks = []
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        packed = av.AudioResampler(format="flt")  # PyAV crashes on more than 8 planes
        for frame in container.decode(stream):
            for each in packed.resample(frame):
                count = each.samples * len(each.layout.channels)
                samples = np.frombuffer(each.planes[0], np.float32, count)
                blocks.append(samples.reshape(each.samples, -1).T.copy())
    return np.concatenate(blocks, axis=1)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("suffix", ["wav", "rf64", "caf", "flac"])
@pytest.mark.parametrize("order", [1, 3])
def test_ffmpeg_reads_the_channels_in_order_and_the_file_says_what_they_are(
    tmp_path, suffix, convention, order
):
    if order == 3 and suffix in ("caf", "flac"):
        pytest.skip("these hold 8 channels")
    path = tmp_path / f"field.{suffix}"
    written = write(path, tones(order), convention)
    assert np.abs(read_by_ffmpeg(path)[:, :LENGTH] - written).max() < 1e-6
    with open_sound(path) as sound:
        assert is_field(sound)
        found = field_format(sound)
        assert np.abs(next(sound.blocks(LENGTH)) - written).max() < 1e-6
    assert (found.order, found.convention, found.is_guess) == (order, convention, False)
    assert describe(order, convention) in read_metadata(path).tag("encoder")


@pytest.mark.parametrize("order", [1, 2, 3])
def test_opus_maps_the_channels_of_a_field(tmp_path, order):
    """Mapping family 2 of RFC 8486, without coupled streams: directions stay."""
    path = tmp_path / "field.opus"
    written = write(path, tones(order), "ambix")
    head = path.read_bytes()[:200]
    at = head.index(b"OpusHead")
    assert head[at + 9] == (order + 1) ** 2
    assert head[at + 18] == 2
    assert head[at + 20] == 0  # coupled streams
    decoded = read_by_ffmpeg(path)
    level = np.abs(written).max()
    quiet = slice(RATE // 10, LENGTH - RATE // 10)
    assert np.abs(decoded[:, quiet] - written[:, quiet]).max() < 0.2 * level
    for made, own in zip(decoded, written, strict=True):
        assert made[quiet] @ own[quiet] >= 0.9 * (own[quiet] @ own[quiet])
    with open_sound(path) as sound:
        assert sound.channels == (order + 1) ** 2
        assert field_format(sound).reason == "its tag says so"


def test_containers_say_so_without_our_tag(tmp_path):
    """B-format's GUID is FuMa, and CAF's layouts are ACN."""
    write(tmp_path / "a.wav", tones(1), "fuma")
    assert _B_FORMAT in (tmp_path / "a.wav").read_bytes()[:4096]
    write(tmp_path / "b.wav", tones(1), "ambix")
    assert _B_FORMAT not in (tmp_path / "b.wav").read_bytes()[:4096]
    for convention, kind in (("ambix", 190), ("n3d", 191)):
        write(tmp_path / f"{convention}.caf", tones(1), convention)
        content = (tmp_path / f"{convention}.caf").read_bytes()
        at = content.index(b"chan")
        assert struct.unpack(">qI", content[at + 4 : at + 16]) == (12, kind << 16 | 4)


@pytest.mark.parametrize("comment", [None, 1000 * "x", 100_000 * "x"])
@pytest.mark.parametrize("frames", [LENGTH, None])
@pytest.mark.parametrize("suffix", ["wav", "rf64"])
def test_b_format_is_marked_behind_any_metadata(tmp_path, suffix, frames, comment):
    path = tmp_path / f"field.{suffix}"
    write(path, tones(1), "fuma", comment=comment, frames=frames)
    content = path.read_bytes()
    renamed = tmp_path / "field.bin"
    renamed.write_bytes(content.replace(b"Furse-Malham", b"nothing said"))
    with open_sound(renamed) as sound:
        found = field_format(sound)
    assert (found.convention, found.reason) == ("fuma", "its container says so")


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("suffix", ["wav", "rf64"])
def test_four_channels_of_a_field_are_no_loudspeakers(tmp_path, suffix, convention):
    path = tmp_path / f"field.{suffix}"
    write(path, tones(1), convention, frames=None)  # of unknown length: as RF64 first
    with av.open(str(path)) as container:
        assert container.streams.audio[0].layout.name == "4 channels"


@pytest.mark.parametrize(
    ("suffix", "order", "convention", "words"),
    [
        ("flac", 2, "ambix", "1 to 8 channels"),
        ("caf", 3, "ambix", "1 to 8 channels"),
        ("opus", 1, "fuma", "AmbiX alone"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_before_a_file_is_there(
    tmp_path, suffix, order, convention, words
):
    path = tmp_path / f"field.{suffix}"
    with pytest.raises(OutputError, match=words):
        write(path, tones(order), convention)
    assert not path.exists()
