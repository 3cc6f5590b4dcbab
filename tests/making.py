"""Sound files and films that tests make for themselves."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from soundstage.audio import (
    Metadata,
    Quantizer,
    SoundFormat,
    SoundWriter,
    open_sound,
    output_format,
)

RATE = 48_000

FORMATS = [  # suffix, container, encoding, step
    ("wav", "WAV", "PCM_U8", 1 / 128),
    ("wav", "WAV", "PCM_16", 2**-15),
    ("wav", "WAV", "PCM_24", 2**-23),
    ("wav", "WAV", "PCM_32", 2**-31),
    ("wav", "WAV", "FLOAT", 0),
    ("wav", "WAV", "DOUBLE", 0),
    ("rf64", "RF64", "PCM_24", 2**-23),
    ("w64", "W64", "FLOAT", 0),
    ("flac", "FLAC", "PCM_S8", 1 / 128),
    ("flac", "FLAC", "PCM_16", 2**-15),
    ("flac", "FLAC", "PCM_24", 2**-23),
    ("aiff", "AIFF", "PCM_16", 2**-15),
    ("aiff", "AIFF", "DOUBLE", 0),
    ("au", "AU", "PCM_24", 2**-23),
    ("caf", "CAF", "PCM_32", 2**-31),
    ("caf", "CAF", "ALAC_16", 2**-15),
    ("m4a", "MP4", "ALAC_16", 2**-15),
    ("m4a", "MP4", "ALAC_24", 2**-23),
    ("mka", "MATROSKA", "PCM_16", 2**-15),
    ("mka", "MATROSKA", "PCM_24", 2**-23),
    ("mka", "MATROSKA", "PCM_32", 2**-31),
    ("mka", "MATROSKA", "FLOAT", 0),
]
LOSSY = [
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("m4a", "MP4", "AAC"),
    ("mka", "MATROSKA", "OPUS"),
]


def noise(channels: int, frames: int, *, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """White noise below full scale, (channels, frames)."""
    drawn = np.random.default_rng(seed).standard_normal((channels, frames))
    return (level * drawn).clip(-0.9, 0.9).astype(np.float32)


def music(channels: int, frames: int, *, rate: int = RATE) -> np.ndarray:
    """A chord with beats in it, which lossy codecs keep well; fades in, (channels, frames)."""
    time = np.arange(frames) / rate
    tones = [
        np.sin(2 * np.pi * hz * time + k) for k, hz in enumerate((220.0, 331.0, 523.0, 1303.0))
    ]
    beat = (1 + np.sin(2 * np.pi * 3 * time)) * np.minimum(1, time * 20)
    return np.stack([(0.05 * sum(tones[k % 2 :])) * beat for k in range(channels)]).astype("f4")


def read_all(path: Path, frames: int = 8192) -> np.ndarray:
    """All samples of a file, (channels, frames)."""
    return np.concatenate(list(open_sound(path).blocks(frames)), axis=1)


def write_sound(path: Path, samples: np.ndarray, form: SoundFormat | None = None, **more) -> Path:
    """Write samples, rounded for integer formats."""
    form = form or output_format(SoundFormat("WAV", "PCM_16"), path.suffix, None)
    more = {"rate": RATE, "expected_frames": samples.shape[1], **more}
    if "tags" in more:
        more["metadata"] = Metadata.from_tags(more.pop("tags"))
    with SoundWriter(path, channels=samples.shape[0], format=form, **more) as writer:
        if form.integer_bits:
            samples = Quantizer(form.integer_bits).quantize(samples, dither=False)
        writer.write(samples)
    return path


def make_film(
    path: Path,
    *,
    muxer: str,
    video: str = "mpeg4",
    sound: str | None = "aac",
    delay: float = 0.0,
    seconds: float = 2.0,
    sound_seconds: float = 60.0,
) -> Path:
    """A film of 25 gray pictures a second with a French mono sound track."""
    samples = music(1, round(seconds * RATE))
    layouts = {"aac": "fltp", "libopus": "flt", "pcm_s16le": "s16", "flac": "s16"}
    with av.open(str(path), "w", format=muxer) as film:
        film.metadata["title"] = "Métropolis"
        picture = film.add_stream(video, rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        track = None
        if sound:
            track = film.add_stream(sound, rate=RATE, layout="mono", format=layouts[sound])
            track.metadata["language"] = "fra"
        done = 0
        for k in range(round(25 * seconds)):
            planes = np.full((72, 64), 3 * k % 255, np.uint8)
            planes[k % 48] = 255
            image = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            image.pts, image.time_base = k, Fraction(1, 25)
            film.mux(picture.encode(image))
            if track and k < 25 * sound_seconds:
                end = round((k + 1) / 25 * RATE)
                part = samples[:, done:end]
                if layouts[sound] == "s16":
                    part = np.rint(part * 32767).astype(np.int16)
                piece = av.AudioFrame.from_ndarray(part, format=layouts[sound], layout="mono")
                piece.sample_rate, piece.time_base = RATE, Fraction(1, RATE)
                piece.pts = done + round(delay * RATE)
                film.mux(track.encode(piece))
                done = end
        film.mux(picture.encode(None))
        if track:
            film.mux(track.encode(None))
    return path


def packets(path: Path, kind: str) -> list[tuple[bytes, float, float]]:
    """Content, time and duration of all packets of the streams of one kind."""
    with av.open(str(path)) as film:
        streams = [stream for stream in film.streams if stream.type == kind]
        return [
            (bytes(p), float(p.pts * p.time_base), float((p.duration or 0) * p.time_base))
            for p in (film.demux(streams) if streams else ())
            if p.size
        ]


def start_of_sound(path: Path) -> float:
    """When the first sample of a film's sound is heard, in seconds."""
    with av.open(str(path)) as film:
        return next(film.decode(audio=0)).time


def rewrite(source, target, **more):
    """Write the sound of a film again, in two equal channels; returns its closed writer."""
    sound = open_sound(source)
    form = output_format(sound.format, target.suffix, None)
    quantizer = Quantizer(form.integer_bits) if form.integer_bits else None
    with SoundWriter(
        target,
        rate=sound.rate,
        channels=2,
        format=form,
        metadata=sound.metadata,
        expected_frames=sound.frames,
        picture_from=source,
        **more,
    ) as writer:
        for block in sound.blocks(5000):
            pair = np.repeat(block, 2, axis=0)
            writer.write(quantizer.quantize(pair, dither=False) if quantizer else pair)
    return writer
