"""Opening files with FFmpeg (PyAV): as files only, and as known kinds of sound and film only.

FFmpeg takes a name with a colon for the address of a protocol, and reads playlists that name other
files and servers. Here a path is always a `file:` address, which FFmpeg takes as it is, and only
demuxers that read nothing but the file itself are allowed, of kinds that their content reveals.
"""

import os
from pathlib import Path
from typing import Any

import av

from soundstage.audio.codecs.input_file import InputFile
from soundstage.errors import InputError, reason

av.logging.set_level(av.logging.PANIC)

_DEMUXERS = (
    *("aac", "ac3", "aea", "aiff", "amr", "ape", "asf", "ast", "au", "avi", "avr", "bonk", "caf"),
    *("daud", "dsf", "dts", "dtshd", "dv", "eac3", "flac", "flv", "gxf", "iff", "ircam", "lc3"),
    *("loas", "matroska", "mlp", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "mxf"),
    *(
        "nistsphere",
        "nsv",
        "nut",
        "nuv",
        "ogg",
        "oma",
        "osq",
        "paf",
        "pvf",
        "qcp",
        "qoa",
        "rm",
        "rso",
        "shn",
    ),
    *("rso", "shn", "smjpeg", "sox", "tak", "truehd", "tta", "ty", "voc", "w64", "wav", "wavarc"),
    *("wtv", "wv", "wve", "xwma"),
)
_PROBED = 512 << 10  # bytes that are read to find the tracks of a file whose kind is known
_OPTIONS = {
    "format_whitelist": ",".join(_DEMUXERS),
    "protocol_whitelist": "file",
}


def open_media(file: InputFile, demuxer: str | None = None, skip: int = 0) -> Any:
    """Open a file for reading.

    Args:
        file: to open.
        demuxer: FFmpeg's name of its kind, where it is known; by default its content decides.
        skip: bytes at the start that are not read.

    Raises:
        InputError: FFmpeg cannot read it.
    """
    source = file.open() if file.path is None else media_url(file.path)
    try:
        options = dict(_OPTIONS)
        if demuxer:
            options["probesize"] = str(_PROBED)
        if skip:
            options["skip_initial_bytes"] = str(skip)
        return av.open(source, format=demuxer, options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{file} is not a readable sound file, or is damaged ({cause(error)}): convert it to "
            "WAV, or get a complete copy."
        ) from error


def media_url(path: Path) -> str:
    """The address of a path for FFmpeg, whatever characters its name has."""
    return "file:" + os.fspath(path)


def main_sound(container: Any) -> Any:
    """The default sound track of a player, or None."""
    return container.streams.best("audio") if container.streams.audio else None


def cause(error: BaseException) -> str:
    """FFmpeg's reason for an error, in short."""
    text = getattr(error, "strerror", None)
    return text.strip().rstrip(".") if isinstance(text, str) and text else reason(error)
