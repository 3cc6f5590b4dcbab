"""Odd files are read to the right samples or refused in a sentence; their mono sum is proven."""

import math
import os
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from corpus_of_oddities import FRAMES, GROUPS, READ, REFUSE, Oddity
from making import read_all
from soundstage.audio import SoundReader, open_sound
from soundstage.errors import InputError
from soundstage.upmixing.api import Upmixer

_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
_FULL = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
_NOT_IN_FFMPEG = ("NMS_ADPCM", "G72", "DWVW", "DPCM", "ALAC_")
_LEFT_OUT = 1024  # samples that the encoders of AC-3, layer II and WMA lose at the ends
_NEAR = 1e-6  # two decoders of the same lossy sound
_STEP = 48  # frames by which Matroska, which counts in milliseconds, may misplace a gap


def by_ffmpeg(path: Path) -> np.ndarray | None:
    """What FFmpeg decodes of a file when nothing is done for it; None if it does not."""
    parts = []
    try:
        with av.open("file:" + os.fspath(path), metadata_errors="replace") as container:
            for packet in container.demux(container.streams.audio[0]):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    continue
                parts += [_samples(frame) for frame in frames]
    except (av.error.FFmpegError, IndexError):
        return None
    return np.concatenate(parts, axis=1) if parts else None


def _samples(frame: av.AudioFrame) -> np.ndarray:
    kind, channels = frame.format.name.removesuffix("p"), len(frame.layout.channels)
    planes = [np.frombuffer(p, _TYPES[kind]) for p in frame.planes]
    if frame.format.is_planar:
        data = np.stack([plane[: frame.samples] for plane in planes])
    else:
        data = planes[0][: frame.samples * channels].reshape(-1, channels).T
    return (data.astype("f8") - 128 * (kind == "u8")) / _FULL.get(kind, 1.0)


def check_samples(file: Oddity, sound: SoundReader, read: np.ndarray) -> str:
    """How the samples were found to be right; an assertion fails if they are not."""
    if file.truth is not None:
        if sound.format.container == "MATROSKA" and file.path.parent.name == "times":
            assert abs(read.shape[1] - file.truth.shape[1]) <= _STEP
            assert np.array_equal(read[read != 0], file.truth[file.truth != 0])
        else:
            assert read.shape == file.truth.shape
            assert np.array_equal(read, file.truth)
        return "exact"
    if file.like is not None:
        assert np.array_equal(read, read_all(file.like))
        return "as without"
    parts = {"cuts": 0, "joins": 2}.get(file.path.parent.name, 1)
    assert read.shape[1] >= parts * (FRAMES - _LEFT_OUT)
    reference = by_ffmpeg(file.path)
    if sound.format.encoding.startswith(_NOT_IN_FFMPEG) or reference is None:
        return "libsndfile alone"
    if reference.shape[1] > 2 * read.shape[1]:  # Opus at the rate that it was made from
        assert reference.shape[1] * sound.rate == read.shape[1] * 48_000
        return "lower rate"
    both = min(read.shape[1], reference.shape[1])
    assert np.abs(read[:, :both] - reference[:, :both]).max() <= _NEAR
    if read.shape == reference.shape:
        return "as FFmpeg"
    assert read.shape[1] == sound.frames  # the file counts fewer, or FFmpeg drops the end
    return "as counted"


def check_upmix(file: Oddity, sound: SoundReader, upmixer: Upmixer, target: Path) -> str:
    """How well the mono sum of the result is proven."""
    report = upmixer.file(file.path, target, downmix=True, overwrite=True, width=0.5)
    error = report.fold_down_error_db
    assert report.proven
    assert error is not None
    bits = sound.format.integer_bits
    if sound.channels == 1 and bits and bits <= 32 and report.gain_db == 0:
        assert error == -math.inf
        return "sum exact"
    assert error < (-100 if report.encoding in ("FLOAT", "DOUBLE") else -20)
    return "sum in float" if report.encoding in ("FLOAT", "DOUBLE") else "sum rounded"


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_odd_files_are_read_right_or_refused_and_their_sum_is_proven(tmp_path, group):
    folder = tmp_path / group
    folder.mkdir()
    upmixer = Upmixer.from_pretrained("comb")
    table: Counter[str] = Counter()
    for file in GROUPS[group](folder):
        table["files"] += 1
        where = ascii(file.path.name)
        try:
            sound = open_sound(file.path)
            read = read_all(file.path)
        except InputError as error:
            refused = str(error)
        else:
            refused = ""
        assert file.must != (READ if refused else REFUSE), f"{where}: {refused}"
        if refused:
            assert refused.endswith(".")
            table["refused"] += 1
            continue
        try:
            table[check_samples(file, sound, read)] += 1
            if sound.channels <= 2:
                table[check_upmix(file, sound, upmixer, tmp_path / "out.wav")] += 1
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error
    line = f"{group}: " + ", ".join(f"{count} {name}" for name, count in table.items())
    print(line)  # noqa: T201 (the table, with pytest -s)
    assert table["files"] > len(table)
