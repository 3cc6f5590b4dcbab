"""Detection of files that are cut short or damaged, before and after they are decoded.

Decoders read a truncated file without an error. Found before decoding:

- WAV, RF64, W64, AIFF, AU, CAF: the size of the sound against the size of the file. Streaming
  writers leave that size open; such files count as complete. Sound that follows the declared size
  is refused.
- MPEG audio: an incomplete last frame, or fewer frames than the Xing, Info or VBRI header declares.
  A file without such a header that is cut exactly between two frames is not detected.
- Ogg: every page must be there, with its checksum. A missing mark on the last page is only noted,
  since some recorders leave it out.
- AAC in ADTS, AC-3: all frames must be whole, with nothing but tags between them.
- MP4, MOV, Matroska, WebM, AVI, ASF, FLV, MPEG-TS, VOC: see `containers`. A Matroska stream with an
  open end that is cut exactly between two clusters is not detected.

Found by decoding: errors and wrong checksums, and fewer samples than the file counts.
"""

from dataclasses import dataclass
from typing import BinaryIO

from soundstage.audio.codecs import containers
from soundstage.audio.codecs.ac3 import is_ac3, scan_ac3
from soundstage.audio.codecs.adts import FRAME_SAMPLES, is_adts, scan_adts
from soundstage.audio.codecs.frame_scan import FrameCount
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.mpeg import MpegStream, is_mpeg, scan_mpeg
from soundstage.audio.codecs.ogg import scan_pages
from soundstage.audio.codecs.riff import fact_samples, file_length, sound_chunk
from soundstage.audio.codecs.tag_blocks import after_tags
from soundstage.errors import InputError

_MPEG_SUFFIXES = (".mp1", ".mp2", ".mp3", ".mpa", ".mpga")
_CONTAINERS = (b"fLaC", b"\x1aE\xdf\xa3", b"RIFF", b"0&\xb2u", b"FLV\1", b"Creative")


@dataclass(frozen=True)
class Inspection:
    """What is known of a complete file before it is decoded.

    Attributes:
        demuxer: FFmpeg's name of its kind, where the content is certain; else None.
        skip: bytes before the sound that FFmpeg must not see.
        for_libsndfile: all of its sound is in one chunk of finished length.
        not_for_libsndfile: it looks like MPEG audio, where libsndfile writes to the terminal.
        vorbis: it is one stream of Vorbis.
        low_opus: it is one stream of Opus, made of sound below 48 kHz.
        open_end: its header leaves its length open.
        content: bytes of sound in one chunk; None for other files, and if unknown.
        samples: per channel, exactly; None if unknown.
        least: samples per channel that it holds at least; 0 if unknown.
        notes: sentences for the user.
    """

    demuxer: str | None = None
    skip: int = 0
    for_libsndfile: bool = False
    not_for_libsndfile: bool = False
    vorbis: bool = False
    low_opus: bool = False
    open_end: bool = False
    content: int | None = None
    samples: int | None = None
    least: int = 0
    notes: tuple[str, ...] = ()


def inspect(file: InputFile) -> Inspection:
    """Refuse a truncated file, as far as can be known without decoding it.

    Raises:
        InputError: it ends before its sound does.
    """
    with file.open() as opened:
        length = file_length(opened)
        chunk = sound_chunk(opened)
        if chunk is not None:
            if chunk.size is not None and chunk.size > chunk.available:
                raise _cut(
                    file,
                    f"it holds {max(chunk.available, 0):,} of the {chunk.size:,} bytes of sound "
                    "that its header declares",
                )
            if chunk.rest:
                raise InputError(
                    f"{file} goes on after the {chunk.size or 0:,} bytes of sound that its header "
                    "declares, with what may be sound too: repair its header, or cut the rest off."
                )
            # libsndfile does not know BW64, and takes what follows the chunk of W64 for sound
            plain = not chunk.unfinished and chunk.container not in ("BW64", "W64")
            return Inspection(
                for_libsndfile=plain,
                open_end=chunk.size is None,
                content=chunk.size,
                samples=fact_samples(opened),
            )
        begin, head = _first_bytes(opened, length)
        if head[8:12] in (b"WAVE", b"AIFF", b"AIFC") or head[:4] == b"caff":
            raise InputError(f"{file} has no chunk of sound: choose another file.")
        if head[:4] == b"OggS":
            return _ogg(file, opened, begin, length)
        missing = _missing_end(opened, head, begin, length)
        if missing == containers.JOINED:
            raise InputError(f"{file} is {missing} only: split them, and read each by itself.")
        if missing:
            raise _cut(file, missing)
    if is_adts(head):
        count = _whole(file, scan_adts(file))
        return Inspection("aac", least=count.frames * FRAME_SAMPLES)
    if is_ac3(head):
        _whole(file, scan_ac3(file))
    likely = is_mpeg(head) or file.suffix in _MPEG_SUFFIXES
    mpeg = scan_mpeg(file) if likely and not _is_container(head) else None
    return _mpeg(file, mpeg) if mpeg else Inspection(not_for_libsndfile=likely)


def check_length(name: str, declared: int | None, decoded: int, rate: int, slack: int) -> None:
    """Refuse a file that decodes to less than its declared length.

    Args:
        name: of the file, for the message.
        declared: frames by the header, or None.
        decoded: frames.
        rate: in Hz.
        slack: frames by which the header of a complete file may be too long.

    Raises:
        InputError: there is less.
    """
    if declared is not None and decoded + slack < declared:
        raise InputError(
            f"{name} is cut short or damaged: {decoded / rate:.2f} s of {declared / rate:.2f} s "
            "could be decoded; get a complete copy of it."
        )


def _first_bytes(file: BinaryIO, length: int) -> tuple[int, bytes]:
    """Offset and beginning of what follows the tags and the padding at the start."""
    file.seek(0)
    head = file.read(16)
    if head[:3] != b"ID3" and any(head[:8]):
        return 0, head
    begin = after_tags(file, 0, length)
    file.seek(begin)
    return begin, file.read(16)


def _is_container(head: bytes) -> bool:
    return head.startswith(_CONTAINERS) or head[4:8] in containers.MP4_BOXES


def _cut(file: InputFile, missing: str) -> InputError:
    return InputError(f"{file} is cut short: {missing}; get a complete copy of it.")


def _missing_end(file: BinaryIO, head: bytes, begin: int, length: int) -> str | None:
    if head[:4] == b"fLaC":
        return containers.flac_end(file, begin)
    if head[4:8] in containers.MP4_BOXES:
        return containers.mp4_end(file, length)
    if head[:4] == b"\x1aE\xdf\xa3":
        return containers.matroska_end(file, length)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return containers.avi_end(file, length)
    if head[:4] == b"0&\xb2u":
        return containers.asf_end(file, length)
    if head[:4] == b"FLV\1":
        return containers.flv_end(file, length)
    if head == b"Creative Voice F":
        return containers.voc_end(file, length)
    if head[:4] == b"TTA1":
        return containers.tta_end(file, length)
    return containers.ts_end(file, length)


def _ogg(file: InputFile, opened: BinaryIO, begin: int, length: int) -> Inspection:
    pages = scan_pages(opened, begin, length)
    if pages.problem:
        raise InputError(
            f"{file} is cut short or damaged: {pages.problem}; get a complete copy of it."
        )
    notes = []
    if pages.joined:
        notes.append("the source is several Ogg files joined, and all of them were read")
    if pages.unmarked:
        notes.append("the source has no mark at its end, so it may have been longer")
    samples = None if pages.joined else pages.samples
    return Inspection(
        "ogg",
        not_for_libsndfile=not (pages.vorbis or pages.low_opus),
        vorbis=pages.vorbis,
        low_opus=pages.low_opus,
        samples=samples,
        least=pages.samples or 0,
        notes=tuple(notes),
    )


def _whole(file: InputFile, count: FrameCount | None) -> FrameCount:
    """Refuse frames that are not all whole."""
    if count is None:
        raise InputError(f"{file} is not a readable sound file: convert it to WAV.")
    if count.cut:
        raise _cut(file, "its last frame is incomplete")
    if count.damaged_at is not None:
        raise InputError(
            f"{file} is damaged at byte {count.damaged_at:,}, where a frame should begin: get a "
            "complete copy of it."
        )
    return count


def _mpeg(file: InputFile, mpeg: MpegStream) -> Inspection:
    if mpeg.cut or mpeg.short:
        declared = max(mpeg.declared or 0, mpeg.counted + 1)
        raise _cut(file, f"it holds {mpeg.counted:,} complete frames of {declared:,} or more")
    samples = mpeg.counted * mpeg.frame_samples - mpeg.trimmed
    longer = mpeg.joined or (mpeg.declared or mpeg.counted) != mpeg.counted
    notes = []
    if mpeg.joined:
        notes.append("the source is several MP3 files joined, and all of them were read")
    if mpeg.damaged_at is not None:
        notes.append(f"the source has bytes that are no sound at byte {mpeg.damaged_at:,}")
    return Inspection(
        "mp3",
        skip=mpeg.start,
        samples=None if longer else samples,
        least=samples - 2 * mpeg.frame_samples * longer,
        notes=tuple(notes),
    )
