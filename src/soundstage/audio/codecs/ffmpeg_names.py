"""The names of containers and encodings that FFmpeg reads, in the words of `SoundFormat`."""

import re
from typing import Any

from soundstage.audio.codecs.input_file import InputFile

_CONTAINERS = {
    "matroska": "MATROSKA",
    "asf": "ASF",
    "mpegts": "MPEG_TS",
    "mpeg": "MPEG_PS",
    "wv": "WAVPACK",
}
_ENCODINGS = {
    "mp1": "MPEG_LAYER_I",
    "mp2": "MPEG_LAYER_II",
    "mp3": "MPEG_LAYER_III",
    "libopus": "OPUS",
    "pcm_mulaw": "ULAW",
    "pcm_alaw": "ALAW",
    "gsm_ms": "GSM610",
    "adpcm_ms": "MS_ADPCM",
    "adpcm_ima_wav": "IMA_ADPCM",
}
_FLOATS = {"flt": "FLOAT", "dbl": "DOUBLE"}
_BITS = {"u8": 8, "s16": 16, "s32": 32, "s64": 64}


def container_name(container: Any, file: InputFile) -> str:
    """The name of an open container."""
    name = container.format.name.split(",")[0]
    if name == "matroska":
        return "WEBM" if file.suffix == ".webm" else "MATROSKA"
    if name == "mov":
        brand = container.metadata.get("major_brand", "").strip()
        return "MOV" if brand in ("qt", "") else "MP4"
    if name == "wav" and file.head(4) in (b"RF64", b"BW64"):
        return "RF64"
    return _CONTAINERS.get(name, name.upper())


def encoding_name(stream: Any, frame: Any, file: InputFile) -> str:
    """The name of the encoding of a stream with this first frame.

    Lossless compression is named like the samples in it; their bits are at least those of the
    source where it does not tell.
    """
    codec = stream.codec_context.codec
    name = re.sub(r"^(mp[123])float$", r"\1", codec.name)
    extra = bytes(stream.codec_context.extradata or b"")
    kind = frame.format.name.removesuffix("p")
    if name == "alac" and len(extra) >= 18:
        return f"ALAC_{extra[17]}"
    if not codec.lossless or name in _ENCODINGS:
        return _ENCODINGS.get(name, name.upper())
    if kind in _FLOATS:
        return _FLOATS[kind]
    if kind == "u8":
        return "PCM_U8"
    bits = _declared_bits(name, extra, file) or _BITS[kind]
    whole = next(size for size in (8, 16, 24, 32, 64) if size >= bits)
    return "PCM_S8" if whole == 8 else f"PCM_{whole}"


def _declared_bits(name: str, extra: bytes, file: InputFile) -> int | None:
    """Bits of a sample by the header, for the codecs that have them in an easy place."""
    if name == "flac" and len(extra) >= 34:
        return ((extra[12] & 1) << 4 | extra[13] >> 4) + 1
    if linear := re.match(r"pcm_[su](8|16|24|32|64)", name):
        return int(linear[1])
    head = file.head(32)
    if name == "wavpack" and head[:4] == b"wvpk":
        return 8 * ((head[24] & 3) + 1)
    if name == "tta" and head[:4] == b"TTA1":
        return int.from_bytes(head[8:10], "little") or None
    return None
