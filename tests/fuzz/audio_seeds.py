"""Short sound files of every container and codec that can be made here."""

from io import BytesIO

import av
import numpy as np
import soundfile

RATE = 16_000
FRAMES = 3200  # 0.2 s

_SNDFILE = [
    ("WAV", "PCM_16", "wav"),
    ("WAV", "PCM_24", "wav"),
    ("WAV", "PCM_U8", "wav"),
    ("WAV", "FLOAT", "wav"),
    ("WAV", "ULAW", "wav"),
    ("WAV", "IMA_ADPCM", "wav"),
    ("WAVEX", "PCM_16", "wav"),
    ("RF64", "PCM_16", "wav"),
    ("W64", "PCM_16", "w64"),
    ("AIFF", "PCM_16", "aiff"),
    ("AIFF", "FLOAT", "aiff"),
    ("AU", "PCM_16", "au"),
    ("CAF", "PCM_16", "caf"),
    ("CAF", "ALAC_16", "caf"),
    ("VOC", "PCM_16", "voc"),
    ("FLAC", "PCM_16", "flac"),
    ("OGG", "VORBIS", "ogg"),
    ("OGG", "OPUS", "opus"),
    ("MP3", "MPEG_LAYER_III", "mp3"),
]
_FFMPEG = [  # container, codec, suffix, options of the container
    ("mp3", "libmp3lame", "mp3", {}),
    ("mp3", "libmp3lame", "mp3", {"write_xing": "0", "id3v2_version": "3"}),
    ("mp2", "mp2", "mp2", {}),
    ("adts", "aac", "aac", {}),
    ("ipod", "aac", "m4a", {}),
    ("mp4", "aac", "mp4", {}),
    ("mov", "pcm_s16le", "mov", {}),
    ("matroska", "aac", "mka", {}),
    ("matroska", "libmp3lame", "mka", {}),
    ("matroska", "pcm_s16le", "mkv", {}),
    ("webm", "libopus", "webm", {}),
    ("asf", "wmav2", "wma", {}),
    ("wv", "wavpack", "wv", {}),
    ("tta", "tta", "tta", {}),
    ("mpegts", "aac", "ts", {}),
    ("flv", "aac", "flv", {}),
    ("avi", "pcm_s16le", "avi", {}),
    ("ac3", "ac3", "ac3", {}),
    ("ogg", "libopus", "oga", {}),
    ("mov", "alac", "m4a", {}),
    ("flac", "flac", "flac", {}),
    ("wav", "pcm_s32le", "wav", {"write_bext": "1"}),
]
_TAGS = {"title": "Žižek", "artist": "A" * 40, "comment": "x", "description": "y", "date": "1961"}


def audio_seeds() -> list[tuple[str, bytes]]:
    """The name and the content of each."""
    seeds = [(f"a.{suffix}", _by_sndfile(kind, coding)) for kind, coding, suffix in _SNDFILE]
    for kind, codec, suffix, options in _FFMPEG:
        if codec in av.codecs_available:
            seeds.append((f"a.{suffix}", _by_ffmpeg(kind, codec, options)))
    return seeds


def sound(rate: int = RATE) -> np.ndarray:
    """A mono sound that changes."""
    time = np.arange(FRAMES * rate // RATE) / rate
    return 0.3 * np.sin(2 * np.pi * (300 + 900 * time) * time) * (0.6 + 0.4 * np.sin(30 * time))


def _by_sndfile(kind: str, coding: str) -> bytes:
    buffer = BytesIO()
    with soundfile.SoundFile(buffer, "w", RATE, 1, coding, format=kind) as file:
        for name in ("title", "artist", "comment"):
            if kind in ("WAV", "FLAC", "OGG", "AIFF", "CAF"):
                setattr(file, name, _TAGS[name])
        file.write(sound())
    return buffer.getvalue()


def _by_ffmpeg(kind: str, codec: str, options: dict[str, str]) -> bytes:
    rate = {"libopus": 48_000, "ac3": 48_000, "wmav2": 44_100}.get(codec, 32_000)
    buffer = BytesIO()
    with av.open(buffer, "w", format=kind, options=options) as container:
        container.metadata.update(_TAGS)
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if codec == "wmav2":
            stream.bit_rate = 64_000
        samples = np.stack([sound(rate)])
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(np.round(samples * 32767).astype(np.int16)), "s16", "mono"
        )
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate)
        fifo = av.AudioFifo()
        for part in resampler.resample(frame):
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while block := fifo.read(size, partial=True):
            block.pts = None
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    return buffer.getvalue()
