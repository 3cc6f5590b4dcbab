"""What each encoding can hold: its sample rates and its number of channels."""

from pathlib import Path

from soundstage.audio.formats import MEDIA_CONTAINERS, SoundFormat
from soundstage.errors import OutputError

_RATES = {  # Hz; encodings that are not here take any
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "AAC": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
}
_CHANNELS = {"MPEG_LAYER_III": 2, "FLAC": 8, "OPUS": 8, "VORBIS": 8, "CAF": 8}
_MOST_CHANNELS = 256


def check_limits(path: Path, form: SoundFormat, rate: int, channels: int) -> None:
    """Refuse a sample rate or number of channels that the format cannot hold.

    Raises:
        OutputError: says what to do instead.
    """
    rates = _RATES.get(form.encoding)
    if rates and rate not in rates:
        nearest = min((r for r in rates if r >= rate), default=rates[-1])
        raise OutputError(
            f"{path}: {form.encoding} cannot hold a sample rate of {rate:,} Hz; resample to "
            f"{nearest:,} Hz first, or choose another format such as .flac."
        )
    most = min(_CHANNELS.get(name, _MOST_CHANNELS) for name in (form.container, form.encoding))
    if form.container in MEDIA_CONTAINERS:
        most = 2
    if not 1 <= channels <= most:
        raise OutputError(
            f"{path}: {form.container} with {form.encoding} holds 1 to {most} channels, not "
            f"{channels}; choose another format such as .wav."
        )
