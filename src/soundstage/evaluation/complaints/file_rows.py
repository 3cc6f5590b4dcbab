"""The rows of the fitness table about files and transfers, measured on real files.

Rows 19 and 20 depend on the method. Rows 14, 15, 16 and 25 do not: they are properties of the
program, measured once with a fast method.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from soundstage.audio import Audio, open_sound
from soundstage.evaluation.complaints.rows import NOT_THERE, Outcome, Row
from soundstage.evaluation.complaints.sounds import Mono
from soundstage.evaluation.complaints.subjects import Subject
from soundstage.metrics.defects import decibels
from soundstage.stereo import RATE, Alignment
from soundstage.upmixing.codec_check import CodecCheck, check_codecs
from soundstage.upmixing.downmix import inspect_channels, mid_blocks
from soundstage.upmixing.file_options import FileOptions, parse_codec
from soundstage.upmixing.upmix_files import measure_gain

CODECS = ("mp3:128", "aac:128", "opus:96")
LAG = 4.3  # samples, 0.1 ms at 44.1 kHz: the azimuth error of the complaint
NOISE_DB = -20.0  # of each channel of a transfer, below the sound


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="soundstage-fitness-") as folder:
        yield Path(folder)


def _broadcast(subject: Subject) -> Outcome:
    """Against dual mono, coded alike: LAME, for one, turns everything down by 0.45 dB."""
    with _folder() as folder:
        mix = subject.material.song[0]
        result = folder / "result.wav"
        plain = _checked(folder / "mono.wav", np.stack([mix, mix]), mix)
        if subject.is_filter:
            checks = _checked(result, subject.on_song(), mix)
        else:
            source = _written(folder / "song.wav", mix)
            report = subject.file(source, result, bit_depth="24", codec_checks=CODECS)
            checks = list(report.codec_checks)
    changes = {
        after.codec: after.loudness_difference - before.loudness_difference
        for after, before in zip(checks, plain, strict=True)
    }
    worst = max(changes.values(), key=abs)
    return Outcome(f"{worst:+.2f} LU", abs(worst) <= 0.1, changes)


def _checked(path: Path, stereo: np.ndarray, mono: Mono) -> list[CodecCheck]:
    """The mono sum of stereo after each codec, against the mono."""
    gain = 1 / max(float(np.abs(stereo).max()), 1.0)
    Audio(gain * stereo, RATE).write(path, bit_depth="float")
    codecs = [parse_codec(text) for text in CODECS]
    peak = float(np.abs(gain * stereo).max())
    return check_codecs(path, codecs, lambda extra: lambda: iter([extra * gain * mono]), peak)


def _coded(subject: Subject) -> Outcome:
    if subject.is_filter:
        return NOT_THERE
    with _folder() as folder:
        source = _written(folder / "song.wav", subject.material.song[0])
        report = subject.file(source, folder / "result.mp3")
        error = report.fold_down_error_db
        printed = any("mono sum" in line for line in report.lines())
    passed = printed and error is not None and np.isfinite(error)
    return Outcome(f"{error:.0f} dB, printed", bool(passed), {"error_db": float(error or 0)})


def _written(path: Path, samples: Mono) -> Path:
    Audio(samples[None], RATE).write(path, bit_depth="24")
    return path


@dataclass(frozen=True)
class Transfer:
    """A mono disc digitized with two channels, each with its noise, the right one with a lag."""

    mono: Mono

    @cached_property
    def channels(self) -> np.ndarray:
        """Left and right."""
        size = self.mono.size
        hertz = np.fft.rfftfreq(2 * size, 1)
        late = np.fft.irfft(np.fft.rfft(self.mono, 2 * size) * np.exp(-2j * np.pi * hertz * LAG))
        noise = np.random.default_rng(7).standard_normal((2, size))
        noise *= 10 ** (NOISE_DB / 20) * np.sqrt(np.square(self.mono).mean())
        return np.stack([self.mono, late[:size]]) + noise


def _weighted_sum(subject: Subject) -> Outcome:
    transfer = Transfer(subject.material.song[0])
    found, summed = _aligned(transfer.channels, mix="best")
    left = transfer.channels[0]
    gain = _noise(left, transfer.mono) - _noise(summed, transfer.mono)
    text = f"{gain:+.1f} dB; {'found' if found.is_near_mono else 'not found'}"
    return Outcome(text, bool(gain >= 2.8 and found.is_near_mono), {"snr_gain_db": gain})


def _azimuth(subject: Subject) -> Outcome:
    transfer = Transfer(subject.material.song[0])
    found, summed = _aligned(transfer.channels, mix="mean")
    treble = (
        _treble_loss(summed, transfer.mono),
        _treble_loss(transfer.channels.mean(axis=0), transfer.mono),
    )
    error = abs(abs(found.lag) - LAG)
    text = f"{abs(found.lag):.2f} samples; {treble[0]:+.1f} dB at 5 kHz ({treble[1]:+.1f} without)"
    values = {"lag": abs(found.lag), "treble_db": treble[0], "treble_without_db": treble[1]}
    return Outcome(text, error <= 0.1 and abs(treble[0]) <= 0.5, values)


def _aligned(channels: np.ndarray, *, mix: str) -> tuple[Alignment, Mono]:
    with open_sound((channels, RATE)) as sound:
        inspected = inspect_channels(sound, downmix=False, align=True, mix=mix, content=False)
        assert inspected.alignment
        return inspected.alignment, np.concatenate(list(mid_blocks(sound, inspected)))


def _noise(sound: Mono, mono: Mono) -> float:
    """Level of what is not the mono, after the best gain and lag of some samples, in dB."""
    lags = range(-8, 9)
    errors = []
    for lag in lags:
        shifted = np.roll(mono, lag)
        gain = (sound * shifted).sum() / np.square(shifted).sum()
        errors.append(np.square(sound / gain - shifted).sum())
    return decibels(min(errors), np.square(mono).sum())


def _treble_loss(sound: Mono, mono: Mono) -> float:
    """Level of the part of a sum at 4.5 to 5.5 kHz that is the mono, in dB."""
    hertz = np.fft.rfftfreq(mono.size, 1 / RATE)
    inside = (hertz > 4500) & (hertz < 5500)
    spectrum, reference = (np.fft.rfft(x)[inside] for x in (sound, mono))
    coherent = np.abs(_smoothed(spectrum * reference.conj())).sum()
    return 2 * decibels(coherent, _smoothed(np.square(np.abs(reference))).sum())


def _smoothed(values: np.ndarray) -> np.ndarray:
    return np.convolve(values, np.ones(100), "valid")


def _film(subject: Subject) -> Outcome:
    with _folder() as folder:
        film = folder / "film.mkv"
        packets = _write_film(film, subject.material.song[0])
        target = folder / "stereo.mkv"
        subject.file(film, target, keep_original=True)
        kept = _packets(target)
    equal = any(each == packets for each in kept)
    text = f"{len(kept)} tracks, the original {'bit for bit' if equal else 'changed'}"
    return Outcome(text, equal and len(kept) == 2, {"tracks": len(kept), "equal": float(equal)})


def _write_film(path: Path, mono: Mono) -> list[bytes]:
    """A film of one gray second with a mono track in FLAC; returns the packets of the track."""
    import av

    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("flac", rate=RATE, layout="mono")
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8))
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        samples = (mono[None, :RATE] * 32767).astype(np.int16)
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        block.sample_rate, block.pts = RATE, 0
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return _packets(path)[0]


def _packets(path: Path) -> list[list[bytes]]:
    """The packets of every sound track."""
    import av

    with av.open(str(path)) as container:
        tracks = container.streams.audio
        found: list[list[bytes]] = [[] for _ in tracks]
        order = {track.index: place for place, track in enumerate(tracks)}
        for packet in container.demux(*tracks):
            if packet.size:
                found[order[packet.stream.index]].append(bytes(packet))
    return found


def _balance(subject: Subject) -> Outcome:
    """Two stems, of which one alone would be turned down."""
    with _folder() as folder:
        mix = subject.material.song[0]
        stems = {"loud": 3.99 * mix, "soft": 0.5 * mix}
        sources = {name: _written(folder / f"{name}.wav", x) for name, x in stems.items()}
        targets = {name: folder / f"{name}-stereo.wav" for name in stems}
        assert subject.upmixer
        method = subject.upmixer.method
        gain = min(
            measure_gain(sources[name], {0: targets[name]}, lambda: method, FileOptions())
            for name in stems
        )
        levels = {}
        for name, source in sources.items():
            subject.file(source, targets[name], gain_db=gain)
            sums = Audio.read(targets[name]).samples.mean(axis=0, dtype=np.float64)
            levels[name] = decibels(np.square(sums).sum(), np.square(stems[name]).sum())
    error = abs(levels["loud"] - levels["soft"])
    return Outcome(f"{error:.4f} dB at {gain:.1f} dB", error <= 0.01, {"balance_db": error})


METHOD_ROWS = (
    Row(19, "the downmix lost level or voices",
        "row 18 after MP3 and AAC at 128 and Opus at 96 kbit/s, against dual mono coded alike",
        "± 0.1 LU", _broadcast),
    Row(20, "stereo coding harms mono",
        "error of the mono sum of an MP3, decoded and printed", "printed", _coded),
)  # fmt: skip

PROGRAM_ROWS = (
    Row(14, "a mono disc digitized in stereo: sum first, weigh the better channel",
        "signal-to-noise ratio of the weighted sum over that of a channel",
        "+3 dB, recognized", _weighted_sum),
    Row(15, "azimuth error dulls the sum",
        f"estimate of a lag of {LAG} samples; treble of the aligned sum",
        "± 0.1, ± 0.5 dB", _azimuth),
    Row(16, "keep the original mono track too",
        "film with `keep_original`: tracks, and packets of the original", "bit for bit", _film),
    Row(25, "stems turned down each by its own gain",
        "change of the balance of two stems with one gain", "≤ 0.01 dB", _balance),
)  # fmt: skip
