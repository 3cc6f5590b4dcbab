"""What a sound file must be read to, and how exactly its upmix must sum to it.

`judge` compares one file of the corpus of oddities. Lossless sound is compared with the samples
that went into it. All other sound is compared with a decoder of its own: the program ffmpeg where
it is installed, else PyAV. It must have the same length and the same samples, but for what the
`Rule` of the file says, to the frame.
"""

import math
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import soundfile

from corpus_of_oddities import READ, REFUSE, TWO_VERSIONS, Oddity
from making import read_all
from soundstage.audio import SoundFormat, SoundReader, open_sound
from soundstage.errors import InputError
from soundstage.upmixing import Upmixer

_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
_FULL = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
_FFMPEG = shutil.which("ffmpeg")
_NEAR = 1e-6  # two builds of a decoder in single precision
_DITHERED = 1.5 + 1e-3  # steps: triangular dither of up to 1, then rounding
_DITHER_POWER = 1 / 4  # steps²: 1/6 of the dither and 1/12 of the rounding
_CHANCE = 0.5  # dB by which the power of 9000 drawn errors may pass its mean
_ROUNDING_DB = {"FLOAT": 20 * math.log10(2.0**-23), "DOUBLE": 20 * math.log10(2.0**-52)}

COLUMNS = ("files", "read", "refused", "as made", "as FFmpeg", "by rule", "as plain", "alone")
COLUMNS += ("sum exact", "sum rounded")


def by_program(path: Path, channels: int) -> np.ndarray | None:
    """What the program ffmpeg decodes, (channels, frames); None without it, or if it cannot."""
    if _FFMPEG is None:
        return None
    command = [_FFMPEG, "-v", "error", "-nostdin", "-i", f"file:{os.fspath(path)}"]
    command += ["-map", "0:a:0", "-f", "f32le", "-"]
    samples = np.frombuffer(subprocess.run(command, capture_output=True).stdout, "<f4")
    return samples.reshape(-1, channels).T if samples.size else None


def by_pyav(path: Path) -> np.ndarray | None:
    """What PyAV decodes when nothing is done for the file; None if it cannot."""
    parts = []
    try:
        with av.open("file:" + os.fspath(path), metadata_errors="replace") as container:
            for packet in container.demux(container.streams.audio[0]):
                try:
                    parts += [_samples(frame) for frame in packet.decode()]
                except av.error.FFmpegError:
                    continue
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


def judge_samples(file: Oddity, sound: SoundReader, read: np.ndarray) -> str:
    """The column of `COLUMNS` that says how the samples are right; an assertion fails otherwise."""
    rule = file.rule
    if file.truth is not None:
        frames = rule.frames if rule else file.truth.shape[1]
        assert read.shape == (file.truth.shape[0], frames)
        assert np.array_equal(read[:, : file.truth.shape[1]], file.truth)
        return "by rule" if rule else "as made"
    if file.like is not None:
        assert np.array_equal(read, read_all(file.like))
        return "as plain"
    if rule and rule.alone:
        assert read.shape[1] == rule.frames
        if rule.frames_of_ffmpeg:
            reference = by_pyav(file.path)
            assert reference is not None
            assert reference.shape[1] == rule.frames_of_ffmpeg
        samples = soundfile.read(file.path, always_2d=True)[0].T
        assert np.array_equal(read, samples.astype(read.dtype))
        return "alone"
    reference = by_program(file.path, sound.channels)
    if reference is None:
        reference = by_pyav(file.path)
    assert reference is not None, "no other decoder reads it"
    if rule and rule.why == TWO_VERSIONS:
        same = by_pyav(file.path)
        assert same is not None
        assert same.shape == reference.shape == read.shape
        assert np.abs(read - same).max() <= _NEAR
        assert np.abs(read - reference).max() <= rule.near
        return "by rule"
    if rule:
        assert read.shape[1] == rule.frames
        if rule.lead and reference.shape[1] > rule.frames:  # of FFmpeg up to 7, which keep it
            reference = reference[:, rule.lead :]
            assert reference.shape[1] == rule.frames
        assert reference.shape[1] >= rule.frames
        reference = reference[:, : rule.frames]
    assert read.shape == reference.shape
    assert np.abs(read - reference).max() <= _NEAR
    return "by rule" if rule else "as FFmpeg"


def judge_sum(file: Oddity, read: np.ndarray, upmixer: Upmixer, target: Path) -> str:
    """The column that says how exact the mono sum of the upmix is, by the report and by itself."""
    sound = open_sound(file.path)
    report = upmixer.file(file.path, target, downmix=True, overwrite=True, width=0.5)
    error = report.fold_down_error_db
    assert report.proven
    assert error is not None
    assert report.rate == sound.rate
    mid = read.mean(axis=0, dtype=np.float64) * 10 ** (report.gain_db / 20)
    written = soundfile.read(target, always_2d=True)[0].T
    assert written.shape == (2, mid.size)
    wrong = np.abs(written.mean(axis=0) - mid).max()
    if bits := SoundFormat(report.container, report.encoding).integer_bits:
        given = sound.format.integer_bits
        if sound.channels == 1 and given and given <= bits and report.gain_db == 0:
            assert error == -math.inf
            assert wrong == 0
            return "sum exact"
        step = 2.0 ** (1 - bits)
        level = 10 * math.log10(np.mean(mid**2))
        assert wrong <= _DITHERED * step
        assert error <= 10 * math.log10(_DITHER_POWER * step**2) - level + _CHANCE
        return "sum rounded"
    assert error <= _ROUNDING_DB[report.encoding]
    return "sum rounded"


def judge(files: Iterable[Oddity], upmixer: Upmixer, target: Path) -> Counter[str]:
    """Judge files, and count them by column.

    Raises:
        AssertionError: one is read wrong, or not refused in a sentence; it is named.
    """
    table: Counter[str] = Counter()
    for file in files:
        table["files"] += 1
        try:
            table.update(_judged(file, upmixer, target))
        except AssertionError as error:
            name = ascii(f"{file.path.parent.name}/{file.path.name}")
            raise AssertionError(f"{name}: {error}") from error
    return table


def _judged(file: Oddity, upmixer: Upmixer, target: Path) -> list[str]:
    try:
        sound = open_sound(file.path)
        read = read_all(file.path)
    except InputError as error:
        sentence = str(error)
        assert file.must != READ, sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return ["refused"]
    assert file.must != REFUSE, "it was read"
    found = ["read", judge_samples(file, sound, read)]
    if file.upmixed and sound.channels <= 2:
        found.append(judge_sum(file, read, upmixer, target))
    return found
