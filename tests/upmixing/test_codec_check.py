"""What the mono sum of a result becomes in a codec."""

import json

import av
import numpy as np
import pytest
import soundfile

from making import music, read_all
from soundstage.errors import OptionError
from soundstage.upmixing import Upmixer
from tiny import UPMIXERS

COMB = Upmixer(UPMIXERS["comb"], name="comb")


@pytest.fixture(scope="module")
def mono(tmp_path_factory):
    path = tmp_path_factory.mktemp("codec") / "mono.wav"
    soundfile.write(path, 0.3 * music(1, 120_000)[0], 44_100, subtype="PCM_16")
    return path


def encoded(stereo, codec, container, bit_rate, path):
    """Another encoding of the same, by FFmpeg."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=44_100, layout="stereo")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(stereo.astype(np.float32)), format="fltp", layout="stereo"
        )
        frame.sample_rate = 44_100
        for resampled in av.AudioResampler(format=stream.format).resample(frame):
            file.mux(stream.encode(resampled))
        file.mux(stream.encode(None))
    return path


def test_the_error_is_that_of_an_independent_encoding(tmp_path, mono):
    target = tmp_path / "stereo.flac"
    report = COMB.file(mono, target, codec_checks=["mp3:128"])
    (check,) = report.codec_checks
    assert (check.codec, check.bit_rate) == ("mp3", 128_000)
    other = encoded(read_all(target), "libmp3lame", "mp3", 128_000, tmp_path / "a.mp3")
    wanted, made = read_all(mono)[0], read_all(other).mean(axis=0)
    error = made[: wanted.size] - wanted[: made.size]
    level = 10 * np.log10(np.sum(error**2) / np.sum(wanted**2))
    assert check.fold_down_error_db == pytest.approx(level, abs=1.5)
    assert abs(check.loudness_difference) < 1


def test_every_codec_is_tried_and_reported_in_text_and_json(tmp_path, mono):
    codecs = ["mp3:96", "aac:128", "opus:96", "vorbis:128"]
    report = COMB.file(mono, tmp_path / "a.wav", codec_checks=codecs)
    data = json.loads(json.dumps(report.as_dict()))["codec_checks"]
    assert [f"{each['codec']}:{each['bit_rate'] // 1000}" for each in data] == codecs
    for each, check in zip(data, report.codec_checks, strict=True):
        assert each["fold_down_error_db"] == check.fold_down_error_db
        assert -60 < check.fold_down_error_db < -5
        assert abs(check.loudness_difference) < 1
    lines = [line for line in report.lines() if "mono sum after" in line]
    assert lines[2].startswith("  mono sum after opus at 96 kbit/s: error -")
    assert lines[2].endswith(" LU")


def test_fewer_bits_make_a_larger_error(tmp_path, mono):
    report = COMB.file(mono, tmp_path / "a.wav", codec_checks=["mp3:320", "mp3:64"])
    better, worse = report.codec_checks
    assert better.fold_down_error_db < worse.fold_down_error_db - 3


def test_full_scale_and_beyond_is_turned_down_before_encoding(tmp_path):
    source = tmp_path / "loud.wav"
    sound = 3 * np.sign(music(1, 60_000)[0]).astype(np.float32)
    soundfile.write(source, sound, 44_100, subtype="FLOAT")
    report = COMB.file(source, tmp_path / "a.wav", codec_checks=["opus:160", "vorbis:128"])
    assert np.abs(read_all(tmp_path / "a.wav")).max() > 3
    assert all(check.fold_down_error_db < -3 for check in report.codec_checks)
    assert all(abs(check.loudness_difference) < 1 for check in report.codec_checks)


def test_silence_and_shortness_have_no_loudness(tmp_path):
    source = tmp_path / "a.wav"
    soundfile.write(source, np.zeros(9_000), 44_100)
    report = COMB.file(source, tmp_path / "b.wav", codec_checks=["vorbis:128"])
    assert report.as_dict()["codec_checks"][0]["loudness_difference"] is None
    assert "LU" not in report.sentence()


def test_a_bit_rate_that_a_codec_does_not_have_leaves_no_file(tmp_path, mono):
    with pytest.raises(OptionError, match="kbit/s"):
        COMB.file(mono, tmp_path / "a.wav", codec_checks=["mp3:500"])
    assert list(tmp_path.iterdir()) == []
