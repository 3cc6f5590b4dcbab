"""Tags under one set of names, and the ID3 block that carries them in an MP3 file.

The names are libsndfile's ten. FLAC, Ogg and CAF hold all of them, WAV and MP3 all but the license,
AIFF title, artist, comment and, in ASCII, copyright, W64 and AU none. Tags that a container cannot
hold are left out.
"""

from collections.abc import Mapping

TAGS = (
    *("title", "artist", "album", "date", "genre", "tracknumber"),
    *("comment", "copyright", "license", "software"),
)

_FFMPEG = {"track": "tracknumber", "encoder": "software", "year": "date"}
_ID3 = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "date": b"TDRC",
    "genre": b"TCON",
    "tracknumber": b"TRCK",
    "copyright": b"TCOP",
    "software": b"TSSE",
}
_UTF_8 = b"\x03"


def from_ffmpeg(metadata: Mapping[str, str]) -> dict[str, str]:
    """Tags from FFmpeg's metadata of a container."""
    named = {_FFMPEG.get(key.lower(), key.lower()): text for key, text in metadata.items()}
    return {name: named[name] for name in TAGS if named.get(name)}


def to_ffmpeg(tags: Mapping[str, str]) -> dict[str, str]:
    """FFmpeg's metadata from tags, without the software, which FFmpeg writes itself."""
    names = {ours: theirs for theirs, ours in _FFMPEG.items() if theirs != "year"}
    return {names.get(name, name): text for name, text in tags.items() if name != "software"}


def id3_block(tags: Mapping[str, str]) -> bytes:
    """The tags as ID3v2.4 in UTF-8; empty without tags.

    libsndfile would write UTF-8 and declare it as Latin-1.
    """
    frames = b"".join(
        _id3_frame(code, _UTF_8 + tags[name].encode())
        for name, code in _ID3.items()
        if tags.get(name)
    )
    if tags.get("comment"):
        frames += _id3_frame(b"COMM", _UTF_8 + b"und\0" + tags["comment"].encode())
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames if frames else b""


def _id3_frame(code: bytes, body: bytes) -> bytes:
    return code + _synchsafe(len(body)) + b"\0\0" + body


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
