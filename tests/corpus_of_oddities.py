"""A corpus of odd sound files: containers, codecs, depths, rates, leads, endings, joins and names.

All are made from the same short noise, by libsndfile, by FFmpeg (PyAV), or byte by byte. Where the
encoding is lossless the right samples are known; where it is not, those of FFmpeg are the
reference, with the exceptions that `rule_of` names to the frame. `GROUPS` maps the name of each
group to the functions that make its files in a folder. Run as a program, it prints what becomes of
them all.
"""

import os
import re
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import soundfile

FRAMES = 9001
READ, REFUSE, EITHER = "read", "refuse", "either"
JUNK = np.random.default_rng(18).integers(0, 256, 3000, dtype=np.uint8).tobytes()
ID3V1 = b"TAG" + b"title".ljust(30, b"\0") + bytes(95)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0x80000000) + bytes(8)


EDITED = "the edit list of MP4 ends before its last packet, which FFmpeg plays whole"
COUNTED = "the count of the file ends before its last packet, which FFmpeg plays whole"
LEAD = "the lead that Matroska declares is no sound; FFmpeg drops it from version 8 on"
SOURCE_RATE = "Opus is read at the rate that it was made from, FFmpeg reads 48 kHz"
ALONE = "only libsndfile knows the encoding, or FFmpeg mistakes it for another"
FILLED = "bytes that fill the file up are counted as sound, by FFmpeg too"
TWO_VERSIONS = "versions of FFmpeg round differently"


@dataclass(frozen=True)
class Rule:
    """How the right samples of a file differ from those that FFmpeg decodes.

    Attributes:
        why: one of the sentences above.
        frames: that are read, exactly.
        lead: frames before them that some versions of FFmpeg keep.
        near: largest difference between two versions.
        frames_of_ffmpeg: its length at another rate; 0 if it matters not.
    """

    why: str
    frames: int = FRAMES
    lead: int = 0
    near: float = 0.0
    frames_of_ffmpeg: int = 0

    @property
    def alone(self) -> bool:
        """Whether libsndfile is the reference."""
        return self.why in (ALONE, SOURCE_RATE)


@dataclass(frozen=True)
class Oddity:
    """One file of the corpus.

    Attributes:
        path: of the file.
        truth: samples of lossless sound, (channels, frames); None if FFmpeg's are the reference.
        must: READ, REFUSE, or EITHER where both are right.
        like: a plain file of the same samples; None if there is none.
        rule: how it differs from FFmpeg, or from `truth` in length; None if it does not.
        upmixed: whether it is upmixed too.
    """

    path: Path
    truth: np.ndarray | None = None
    must: str = READ
    like: Path | None = None
    rule: Rule | None = None
    upmixed: bool = True


def noise_of(channels: int, bits: int = 16, frames: int = FRAMES) -> np.ndarray:
    """Quiet noise in whole steps of a depth, (channels, frames), in double precision."""
    drawn = np.random.default_rng(channels).standard_normal((channels, frames))
    full = 2.0 ** (bits - 1)
    return np.rint(0.1 * drawn.clip(-5, 5) * full) / full


def id3v2(size: int) -> bytes:
    """A tag of `size` bytes or more, with a title in Latin-1 that is no UTF-8."""
    body = (b"TIT2" + struct.pack(">I", 6) + b"\0\0\0M\xe9\xe8\xe7\xff").ljust(size, b"\0")
    return b"ID3\x03\0\0" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


_PCM = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_EXACT = {**_PCM, "FLOAT": 16, "DOUBLE": 16, "ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24}
_EXACT |= {"ALAC_32": 32, "DWVW_12": 12, "DWVW_16": 16, "DWVW_24": 24}


def by_libsndfile(folder: Path, part: int = 0, parts: int = 1) -> Iterator[Oddity]:
    """Every container and encoding that libsndfile writes, lossless ones mono or stereo in turn."""
    kinds = [
        (container, encoding)
        for container in soundfile.available_formats()
        if container not in ("RAW", "SD2", "MPC2K")  # need parameters, or a second file
        for encoding in soundfile.available_subtypes(container)
    ]
    for k, (container, encoding) in list(enumerate(kinds))[part::parts]:
        both = [(1, 8000), (2, 48_000)]
        for channels, rate in both[k % 2 :][:1] if encoding in _PCM else both:
            path = folder / f"{container}-{encoding}-{channels}.bin"
            frames = 9000 if container == "SDS" else FRAMES  # whole blocks of 30, 40 and 60
            truth = noise_of(channels, _EXACT.get(encoding, 16), frames)
            try:
                soundfile.write(path, truth.T, rate, format=container, subtype=encoding)
            except (soundfile.LibsndfileError, ValueError):
                path.unlink(missing_ok=True)
                continue
            info = soundfile.info(path)
            exact = encoding in _EXACT and (info.samplerate, info.subtype) == (rate, encoding)
            broken = encoding == "ALAC_20" and channels > 1  # libsndfile writes and reads noise
            must = REFUSE if broken else READ if exact else EITHER
            rule, once = rule_of(path.stem), exact or channels == 1
            yield Oddity(path, truth if exact else None, must, rule=rule, upmixed=once)


_CODECS = {  # container: codecs, and bits of lossless ones
    "mp4": {"aac": 0, "alac": 16, "libopus": 0, "flac": 16, "ac3": 0, "libmp3lame": 0},
    "mov": {"pcm_s16le": 16, "pcm_s24be": 24, "pcm_s32le": 32, "pcm_f64le": 64, "pcm_u8": 8}
    | {"aac": 0, "alac": 16, "adpcm_ima_qt": 0, "pcm_mulaw": 0},
    "matroska": {"pcm_s16le": 16, "pcm_s24le": 24, "pcm_f32le": 32, "flac": 16, "wavpack": 16}
    | {"tta": 16, "aac": 0, "ac3": 0, "eac3": 0, "libmp3lame": 0, "mp2": 0, "libopus": 0},
    "webm": {"libopus": 0},
    "avi": {"pcm_s16le": 16, "libmp3lame": 0, "ac3": 0, "pcm_u8": 8},
    "asf": {"wmav1": 0, "wmav2": 0, "pcm_s16le": 16},
    "flv": {"aac": 0, "libmp3lame": 0},
    "mpegts": {"aac": 0, "mp2": 0, "ac3": 0, "libopus": 0},
    "mpeg": {"mp2": 0, "ac3": 0},
    "nut": {"pcm_s16le": 16, "flac": 16, "aac": 0},
    "adts": {"aac": 0},
    "ac3": {"ac3": 0},
    "eac3": {"eac3": 0},
    "mp3": {"libmp3lame": 0},
    "mp2": {"mp2": 0},
    "ogg": {"libopus": 0, "flac": 16},
    "flac": {"flac": 16},
    "wv": {"wavpack": 16},
    "tta": {"tta": 16},
    "caf": {"pcm_s16le": 16, "pcm_f32be": 32, "alac": 0, "libopus": 0, "pcm_alaw": 0},
    "aiff": {"pcm_s16be": 16, "pcm_f32be": 32},
    "w64": {"pcm_s24le": 24, "adpcm_ms": 0},
    "voc": {"pcm_s16le": 16, "pcm_u8": 8},
    "wav": {"pcm_s64le": 64, "pcm_f64le": 64, "adpcm_ima_wav": 0, "adpcm_ms": 0, "wmav2": 0}
    | {"mp2": 0, "libmp3lame": 0, "ac3": 0, "aac": 0, "flac": 16, "pcm_s16le": 16, "g722": 0},
    "au": {"pcm_s16be": 16, "pcm_mulaw": 0, "pcm_f64be": 64},
}
_POOR = (("matroska", "tta"), ("mpeg", "ac3"), ("wav", "aac"))  # FFmpeg cannot read its own files
_SUFFIXES = {"matroska": "mkv", "asf": "wma", "mpegts": "ts", "mpeg": "mpg", "adts": "aac"}
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 6: "5.1"}


def encode(
    path: Path, muxer: str, codec: str, samples: np.ndarray, rate: int, *, gap: float = 0.0
) -> Path:
    """Write samples with FFmpeg, with a gap in the time stamps half way, in seconds."""
    channels = samples.shape[0]
    kinds = [form.name for form in av.Codec(codec, "w").audio_formats]
    kind = next((name for name in kinds if name.startswith("s16")), kinds[0])
    with av.open("file:" + os.fspath(path), "w", format=muxer) as output:
        output.metadata["title"] = "Tést"
        stream = output.add_stream(codec, rate=rate, layout=_LAYOUTS[channels], format=kind)
        if codec.startswith("wma"):
            stream.bit_rate = 64_000
        parts = np.split(samples, [4500], axis=1) if gap else [samples]
        start = 0
        for part in parts:
            frame = av.AudioFrame.from_ndarray(_laid_out(part, kind), kind, _LAYOUTS[channels])
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start
            start += part.shape[1] + round(gap * rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _laid_out(samples: np.ndarray, kind: str) -> np.ndarray:
    types = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32}
    base = kind.removesuffix("p")
    if base in ("u8", "s16", "s32"):
        bits = {"u8": 8, "s16": 16, "s32": 32}[base]
        steps = np.rint(samples * 2.0 ** (bits - 1)) + (128 if base == "u8" else 0)
        data = steps.astype(types[base])
    else:
        data = samples.astype(types.get(base, np.float64))
    return np.ascontiguousarray(data if kind.endswith("p") else data.T.reshape(1, -1))


def by_ffmpeg(folder: Path, part: int = 0, parts: int = 1) -> Iterator[Oddity]:
    """Containers and codecs that FFmpeg writes."""
    for muxer, codecs in list(_CODECS.items())[part::parts]:
        for codec, bits in codecs.items():
            for channels, rate in ((1, 48_000), (2, 16_000), (6, 48_000)):
                suffix = _SUFFIXES.get(muxer, muxer)
                path = folder / f"{muxer}-{codec}-{channels}.{suffix}"
                # A double holds 53 bits; FFmpeg is given 16 or 24 of them
                truth = noise_of(channels, min(bits or 16, 24))
                try:
                    encode(path, muxer, codec, truth, rate)
                except (av.error.FFmpegError, ValueError):  # not in this container, or rate
                    path.unlink(missing_ok=True)
                    continue
                must = EITHER if (muxer, codec) in _POOR else READ
                known = bits and must == READ
                rule, once = rule_of(path.stem), bool(bits) or channels == 1
                yield Oddity(path, truth if known else None, must, rule=rule, upmixed=once)


_RULES = [  # the first whose pattern is found in the name of a file
    (r"^(mp4|mov)-aac|^mp4-libopus-[16]|junk-m4a", Rule(EDITED)),
    # FFmpeg takes the lead, in samples of 16 kHz, for one in samples of 48 kHz
    (r"^mp4-libopus-2", Rule(EDITED, 27_210)),
    # FFmpeg's encoders of AC-3 and layer II keep back the last frames, as long as their lead
    (r"^matroska-e?ac3", Rule(LEAD, 9216 - 256, 256)),
    (r"^matroska-mp2", Rule(LEAD, 9216 - 481, 481)),
    (r"^matroska-aac", Rule(LEAD, 10_240 - 1024, 1024)),
    (r"^matroska-libmp3lame", Rule(LEAD, FRAMES, 1105)),
    (r"^OGG-VORBIS|^WAV-(MS_ADPCM|GSM610)|junk-(mp3|ogg)", Rule(COUNTED)),
    (r"^ogg-libopus-2", Rule(SOURCE_RATE, frames_of_ffmpeg=3 * FRAMES)),
    (r"^OGG-OPUS-1", Rule(SOURCE_RATE, frames_of_ffmpeg=6 * FRAMES)),
    (r"-(G72\d|NMS_ADPCM)_", Rule(ALONE, 9120)),
    (r"^(WVE|XI)-", Rule(ALONE)),
    (r"^PAF-PCM_24", Rule(FILLED, 9010)),
    (r"^AIFF-PCM_[SU]8-1|^w64-pcm_s24le-1", Rule(FILLED, FRAMES + 1)),
    (r"IMA_ADPCM|adpcm_ima_wav", Rule(TWO_VERSIONS, near=2.0**-9)),
    (r"^mpegts-mp2|(joined|tagged)-ts", Rule(TWO_VERSIONS, near=2.0**-14)),
    (r"(joined|tagged)-webm", Rule(TWO_VERSIONS, near=2.0**-18)),
    (r"(joined|tagged)-ogg", Rule(TWO_VERSIONS, near=2.0**-7)),
]


def rule_of(name: str) -> Rule | None:
    """The rule for a file of this name without its suffix."""
    return next((rule for pattern, rule in _RULES if re.search(pattern, name)), None)


def bases(folder: Path) -> dict[str, Oddity]:
    """A plain file of each kind, to be changed."""
    made = {}
    for suffix, muxer, codec in (
        ("mp3", "mp3", "libmp3lame"),
        ("mp2", "mp2", "mp2"),
        ("m4a", "mp4", "aac"),
        ("mov", "mov", "pcm_s16le"),
        ("mkv", "matroska", "flac"),
        ("webm", "webm", "libopus"),
        ("opus", "ogg", "libopus"),
        ("flac", "flac", "flac"),
        ("wav", "wav", "pcm_s16le"),
        ("aiff", "aiff", "pcm_s16be"),
        ("au", "au", "pcm_s16be"),
        ("caf", "caf", "pcm_s16le"),
        ("aac", "adts", "aac"),
        ("ac3", "ac3", "ac3"),
        ("wv", "wv", "wavpack"),
        ("tta", "tta", "tta"),
        ("wma", "asf", "wmav2"),
        ("avi", "avi", "pcm_s16le"),
        ("flv", "flv", "aac"),
        ("ts", "mpegts", "mp2"),
        ("voc", "voc", "pcm_s16le"),
    ):
        truth = noise_of(1)
        path = encode(folder / f"base.{suffix}", muxer, codec, truth, 48_000)
        lossless = codec.startswith("pcm") or codec in ("flac", "wavpack", "tta")
        made[suffix] = Oddity(path, truth if lossless else None)
    ogg, w64 = folder / "base.ogg", folder / "base.w64"
    soundfile.write(ogg, noise_of(1).T, 48_000, format="OGG", subtype="VORBIS")
    soundfile.write(w64, noise_of(1).T, 48_000, format="W64", subtype="PCM_16")
    return {**made, "ogg": Oddity(ogg), "w64": Oddity(w64, noise_of(1))}


def endings(folder: Path) -> Iterator[Oddity]:
    """Tags, padding and junk after the sound: the same samples, or a refusal."""
    safe = {"mp3", "mp2", "flac", "ogg", "opus", "wav", "aiff", "mkv", "webm", "m4a", "mov"}
    tails = {"id3v1": ID3V1, "ape": APE, "zeros": bytes(700), "junk": JUNK}
    for suffix, base in bases(folder).items():
        data = base.path.read_bytes()
        for name, tail in tails.items():
            path = folder / f"{name}.{suffix}"
            path.write_bytes(data + tail)
            must = READ if suffix in safe and name != "junk" else EITHER
            like = None if name == "junk" else base.path
            rule = rule_of(f"{name}-{suffix}")
            yield Oddity(path, base.truth, must, like, rule, upmixed=name in ("id3v1", "junk"))


def cuts(folder: Path) -> Iterator[Oddity]:
    """Files cut short in the middle, near the end, and near the start."""
    for suffix, base in bases(folder).items():
        data = base.path.read_bytes()
        for part in (0.5, 0.93, 0.2):
            path = folder / f"cut-{part}.{suffix}"
            path.write_bytes(data[: round(part * len(data))])
            # What is left of these may be whole packets or frames, without a header that counts
            yield Oddity(path, must=EITHER if suffix in ("ts", "mp2", "ac3") else REFUSE)


def leads(folder: Path) -> Iterator[Oddity]:
    """Tags of any size, padding and junk before the first frame."""
    made = bases(folder)
    for suffix in ("mp3", "mp2", "aac", "flac", "tta"):
        data = made[suffix].path.read_bytes()
        for size in (10, 5000, 300_000):
            path = folder / f"id3-{size}.{suffix}"
            path.write_bytes(id3v2(size) + data)
            yield Oddity(path, made[suffix].truth, like=made[suffix].path)
    for suffix in ("mp3", "mp2"):
        data = made[suffix].path.read_bytes()
        start = 0 if data[0] == 0xFF else 10 + int.from_bytes(data[6:10], "big")
        for name, lead in {
            "zeros": bytes(70_000),
            "junk": JUNK,
            "ff": b"\xff" * 5000,
            "tags": id3v2(100) * 5,
        }.items():
            path = folder / f"{name}.{suffix}"
            path.write_bytes(lead + data[start:])
            yield Oddity(path, like=made[suffix].path)


def joins(folder: Path) -> Iterator[Oddity]:
    """Files joined to one: all of the sound, or a refusal."""
    for suffix, base in bases(folder).items():
        data = base.path.read_bytes()
        for name, joint in {"joined": b"", "tagged": ID3V1 + id3v2(50)}.items():
            path = folder / f"{name}.{suffix}"
            path.write_bytes(data + joint + data)
            twice = None if base.truth is None else np.tile(base.truth, 2)
            yield Oddity(path, twice, EITHER, rule=rule_of(f"{name}-{suffix}"))


def names(folder: Path) -> Iterator[Oddity]:
    """Names that a careless program takes for something else."""
    made = bases(folder)
    odd = (
        b"file:x:1",
        b"http:x",
        b"-dash",
        b"100%d %s",
        b"two  spaces ",
        b"\xff\xfe latin \xe9",
        "日本 🎵".encode(),
        b"new\nline",
        b"a" * 240,
        b"concat:a|b",
        b"$(x);'\"*?[a]",
    )
    suffixes = ("m4a", "mkv", "mp3", "wav", "flac", "ogg")
    for k, name in enumerate(odd):
        for suffix in suffixes[k % 2 :: 2]:
            path = folder / os.fsdecode(name + b"." + suffix.encode())
            path.write_bytes(made[suffix].path.read_bytes())
            first = suffix == suffixes[k % 2]
            yield Oddity(path, made[suffix].truth, like=made[suffix].path, upmixed=first)


def chunks(folder: Path) -> Iterator[Oddity]:
    """WAV files whose chunks are unusual, and some that no reader may take."""
    truth = noise_of(1, frames=FRAMES - 1)
    sound = np.rint(truth[0] * 2**15).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16)

    def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
        return name + struct.pack("<I", len(body) if size is None else size) + body

    def wav(*parts: bytes, kind: bytes = b"RIFF") -> bytes:
        body = b"WAVE" + b"".join(parts)
        return kind + struct.pack("<I", len(body)) + body

    fmt, half = chunk(b"fmt ", form), len(sound) // 4 * 2
    valid_20 = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 48_000, 96_000, 2, 16, 22, 16, 4)
    guid = b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(sound), len(truth[0]), 0))
    for name, data, must in (
        ("plain", wav(fmt, chunk(b"data", sound)), READ),
        ("junk-first", wav(chunk(b"JUNK", bytes(28)), fmt, chunk(b"data", sound)), READ),
        ("odd-chunk", wav(fmt, chunk(b"note", b"abc") + b"\0", chunk(b"data", sound)), READ),
        ("tags-after", wav(fmt, chunk(b"data", sound), chunk(b"LIST", b"INFO")), READ),
        ("no-riff-size", b"RIFF\0\0\0\0" + wav(fmt, chunk(b"data", sound))[8:], READ),
        ("open-zero", wav(fmt, chunk(b"data", sound, 0)), READ),
        ("open-ones", wav(fmt, chunk(b"data", sound, 0xFFFFFFFF)), READ),
        ("open-pipe", wav(fmt, chunk(b"data", sound, 0x7FFFF000)), READ),
        ("extensible", wav(chunk(b"fmt ", valid_20 + guid), chunk(b"data", sound)), READ),
        ("rf64", wav(ds64, fmt, chunk(b"data", sound, 0xFFFFFFFF), kind=b"RF64"), READ),
        ("bw64", wav(ds64, fmt, chunk(b"data", sound, 0xFFFFFFFF), kind=b"BW64"), READ),
        ("two", wav(fmt, chunk(b"data", sound[:half]), chunk(b"data", sound[half:])), REFUSE),
        ("longer", wav(fmt, chunk(b"data", sound, half)), REFUSE),
        ("shorter", wav(fmt, chunk(b"data", sound, len(sound) + 2)), REFUSE),
        ("no-sound", wav(fmt, chunk(b"LIST", b"INFO")), REFUSE),
        ("no-format", wav(chunk(b"data", sound)), REFUSE),
        ("empty", wav(fmt, chunk(b"data", b"")), REFUSE),
        ("no-channels", wav(chunk(b"fmt ", form[:2] + bytes(14)), chunk(b"data", sound)), REFUSE),
    ):
        path = folder / f"{name}.wav"
        path.write_bytes(data)
        yield Oddity(path, truth if must == READ else None, must)


def times(folder: Path) -> Iterator[Oddity]:
    """Gaps in the time stamps, which become silence; Matroska places sound to the millisecond."""
    truth = noise_of(1)
    # FLAC has frames of 4608 samples, so the gap comes after the first
    for muxer, codec, first, step in (
        ("matroska", "pcm_s16le", 4500, 48),
        ("matroska", "flac", 4608, 48),
        ("nut", "pcm_s16le", 4500, 1),
    ):
        for gap in (0.2, 3.0, 700.0):
            path = folder / f"{muxer}-{codec}-{gap}.{_SUFFIXES.get(muxer, muxer)}"
            encode(path, muxer, codec, truth, 48_000, gap=gap)
            if gap > 600:
                yield Oddity(path, must=REFUSE)
                continue
            resumed = step * round((first + gap * 48_000) / step)
            silence = np.zeros((1, resumed - first))
            yield Oddity(path, np.hstack([truth[:, :first], silence, truth[:, first:]]))


Maker = Callable[[Path], Iterator[Oddity]]
GROUPS: dict[str, list[Maker]] = {
    "by_libsndfile": [partial(by_libsndfile, part=k, parts=5) for k in range(5)],
    "by_ffmpeg": [partial(by_ffmpeg, part=k, parts=5) for k in range(5)],
    **{make.__name__: [make] for make in (endings, cuts, leads, joins, names, chunks, times)},
}


def main() -> None:
    """Print what becomes of every group."""
    from verdicts_on_oddities import COLUMNS, Upmixer, judge

    upmixer = Upmixer.from_pretrained("comb")
    rows = sys.stdout
    rows.write(f"{'group':14}" + "".join(f"{name:>12}" for name in COLUMNS) + "\n")
    whole: Counter[str] = Counter()
    for group, makers in GROUPS.items():
        table: Counter[str] = Counter()
        for make in makers:
            with TemporaryDirectory() as name:
                folder = Path(name) / group
                folder.mkdir()
                table += judge(make(folder), upmixer, Path(name) / "out.wav")
        rows.write(f"{group:14}" + "".join(f"{table[name]:12}" for name in COLUMNS) + "\n")
        rows.flush()
        whole += table
    rows.write(f"{'all':14}" + "".join(f"{whole[name]:12}" for name in COLUMNS) + "\n")


if __name__ == "__main__":
    main()
