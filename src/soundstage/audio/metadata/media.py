"""What FFmpeg (PyAV) knows of a film or an unusual container: tags, pictures, chapters, tracks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import av

from soundstage.audio.codecs.ffmpeg import main_sound, open_media
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.metadata.model import Chapter, Lost, Metadata, Picture, TagCollector
from soundstage.audio.metadata.names import FFMPEG, FROM_FFMPEG, canonical
from soundstage.errors import quoted

_OF_THE_FILE = {  # what a muxer or FFmpeg itself says of the file, not its makers
    *("major_brand", "minor_version", "compatible_brands", "creation_time", "duration"),
    *("handler_name", "vendor_id", "bps", "number_of_frames", "number_of_bytes"),
    *("_statistics_writing_app", "_statistics_writing_date_utc", "_statistics_tags"),
    *(
        "wm/encodingtime",
        "wmfsdkversion",
        "wmfsdkneeded",
        "isvbr",
    ),
    *("encoder_delay", "deviceconformancetemplate"),
}
_SOFTWARE = "software"  # stands for "encoder", which FFmpeg keeps for itself
TRACK_TITLE = "tracktitle"
"""Our name for the title of the main sound of a film."""
_MAX_PICTURE = 1 << 26  # bytes


def read_media(file: InputFile, known: Metadata | None = None) -> Metadata:
    """The metadata that FFmpeg reads.

    Args:
        file: a film, or a sound file of a container that we do not read ourselves.
        known: what was read of it before, which goes first.

    Raises:
        InputError: FFmpeg cannot open the file.
    """
    known = known or Metadata()
    found, pictures, streams, unread = TagCollector(), [], [], []
    found.add_missing(known.tags)
    with open_media(file) as container:
        found.add_missing(from_ffmpeg(container.metadata))
        sound, chapters = main_sound(container), _chapters(container)
        is_ogg = container.format.name == "ogg"
        codes = dict.fromkeys(code for each in container.streams if (code := time_code(each)))
        for stream in container.streams:
            if stream is sound:
                if not (is_ogg and known.tags):  # else they are read already
                    found.add_missing(_of_the_track(stream.metadata))
            elif is_picture(stream):
                picture = _picture(container, stream)
                if picture is None:
                    unread.append(Lost("a picture", "it is damaged"))
                else:
                    pictures.append(picture)
            elif stream.type == "data" and time_code(stream):
                pass  # written anew from the picture
            elif not _is_chapter_track(stream, chapters):
                streams.append(describe(stream))
                if is_ogg and stream.type == "video":  # which has no other place for the film's
                    found.add_missing(from_ffmpeg(stream.metadata))
                streams += _own_tags(stream, found.tags() if is_ogg else {})
    return replace(
        known,
        tags=found.tags(),
        pictures=known.pictures or tuple(pictures),
        chapters=known.chapters or chapters,
        streams=(*streams, *(f"time code {code}" for code in codes)),
        unread=(*known.unread, *unread),
    )


def from_ffmpeg(metadata: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Tags from FFmpeg's metadata of a container."""
    found = TagCollector()
    names = {key.casefold() for key in metadata}
    for key, text in metadata.items():
        folded = key.casefold()
        name = FROM_FFMPEG.get(folded) or FROM_FFMPEG.get(folded.removesuffix("-eng"))
        name = name or canonical(key)
        if folded == "encoder" and _SOFTWARE in names:
            continue
        if folded.removesuffix("-eng") in _OF_THE_FILE or folded.startswith(
            ("_statistics", "duration-", "bps-")
        ):
            continue
        if name in ("tracknumber", "discnumber"):
            found.add_numbered(name, text)
        else:
            found.add(name, text)
    return found.tags()


def to_ffmpeg(tags: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """FFmpeg's metadata, which has one text a name: several values are joined."""
    texts = {}
    for name, values in tags.items():
        text = "; ".join(values)
        if name in ("tracknumber", "discnumber"):
            total = tags.get(name.removesuffix("number") + "total", ())[:1]
            text = "/".join([values[0], *total])
        elif name.endswith("total") and name.removesuffix("total") + "number" in tags:
            continue
        texts[_SOFTWARE if name == "encoder" else FFMPEG.get(name, name)] = text
    return texts


def is_picture(stream: Any) -> bool:
    """Whether a stream is a cover rather than moving pictures."""
    return stream.type == "video" and bool(stream.disposition & av.stream.Disposition.attached_pic)


def describe(stream: Any) -> str:
    """A stream for people, such as "subtitle track (subrip, deu)"."""
    if stream.type == "attachment":
        return f"attachment {quoted(stream.metadata.get('filename', ''))}"
    codec = getattr(stream.codec_context, "name", None) if stream.codec_context else None
    facts = [fact for fact in (codec, stream.metadata.get("language")) if fact and fact != "und"]
    kind = {"video": "picture", "audio": "sound"}.get(stream.type, stream.type)
    return f"{kind} track" + (f" ({', '.join(facts)})" if facts else "")


def time_code(stream: Any) -> str | None:
    """The time code that a stream begins with; Matroska writes its name in capitals."""
    codes = (text for name, text in stream.metadata.items() if name.casefold() == "timecode")
    return next(codes, None)


def _own_tags(stream: Any, known: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Tags of a track beside the main sound, for people, but for those that the file has too."""
    if stream.type in ("attachment", "data"):
        return []
    tags = _of_the_track(stream.metadata)
    tags["title"] = tags.pop(TRACK_TITLE, ())
    return [
        f"{name} {quoted(value)} of the {describe(stream)}"
        for name, values in tags.items()
        for value in values
        if name not in ("language", "encoder", "timecode", "TIMECODE")
        and value not in known.get(name, ())
    ]


def _of_the_track(metadata: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Tags from FFmpeg's metadata of the main sound: its title is not that of the file."""
    facts = dict(metadata)
    if facts.get("language") == "und":
        del facts["language"]
    for name in ("title", "name"):
        if name in facts:
            facts[TRACK_TITLE] = facts.pop(name)
    return from_ffmpeg(facts)


def _chapters(container: Any) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(
            float(chapter["start"] * chapter["time_base"]),
            float(chapter["end"] * chapter["time_base"]),
            chapter["metadata"].get("title", ""),
        )
        for chapter in container.chapters()
    )


def _is_chapter_track(stream: Any, chapters: tuple[Chapter, ...]) -> bool:
    """Whether a stream is the QuickTime form of the chapters, which is written anew."""
    text = stream.type == "data" and stream.codec_context is None
    return bool(chapters) and text and time_code(stream) is None


def _picture(container: Any, stream: Any) -> Picture | None:
    for packet in container.demux(stream):
        if packet.size:
            data = bytes(packet)
            codec = stream.codec_context.name
            mime = {"mjpeg": "image/jpeg", "png": "image/png"}.get(codec, f"image/{codec}")
            caption = stream.metadata.get("title", "")
            return Picture(data, mime, description=caption) if len(data) < _MAX_PICTURE else None
    return None
