import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundstage.audio import MEDIA_SUFFIXES, WRITABLE_SUFFIXES, SoundFormat, output_format
from soundstage.audio.formats import BIT_DEPTHS, MEDIA_CONTAINERS
from soundstage.errors import OptionError


@pytest.mark.parametrize(
    ("encoding", "bits"),
    [
        ("PCM_U8", 8),
        ("PCM_S8", 8),
        ("PCM_16", 16),
        ("PCM_24", 24),
        ("PCM_32", 32),
        ("ALAC_20", 20),
        ("FLOAT", None),
        ("VORBIS", None),
        ("DPCM_16", None),
    ],
)
def test_integer_bits(encoding, bits):
    assert SoundFormat("ANY", encoding).integer_bits == bits


def test_lossy_encodings_are_recognized():
    lossy = ("VORBIS", "OPUS", "MPEG_LAYER_III", "AAC", "ULAW", "IMA_ADPCM", "GSM610")
    assert all(SoundFormat("ANY", e).is_lossy for e in lossy)
    assert not any(SoundFormat("ANY", e).is_lossy for e in ("PCM_16", "FLOAT", "DOUBLE", "ALAC_24"))


@pytest.mark.parametrize(
    ("container", "encoding", "suffix", "expected"),
    [
        ("WAV", "PCM_24", ".wav", "PCM_24"),
        ("WAVEX", "PCM_24", ".wav", "PCM_24"),
        ("WAV", "PCM_U8", ".aiff", "PCM_S8"),
        ("WAV", "PCM_U8", ".flac", "PCM_S8"),
        ("WAV", "PCM_32", ".flac", "PCM_24"),
        ("WAV", "FLOAT", ".flac", "PCM_24"),
        ("WAV", "DOUBLE", ".flac", "PCM_24"),
        ("WAV", "DOUBLE", ".aiff", "DOUBLE"),
        ("WAV", "DOUBLE", ".mov", "FLOAT"),
        ("MOV", "FLOAT", ".mov", "FLOAT"),
        ("CAF", "ALAC_16", ".caf", "ALAC_16"),
        ("CAF", "ALAC_20", ".caf", "PCM_24"),
        ("CAF", "ALAC_32", ".caf", "PCM_32"),
        ("CAF", "ALAC_20", ".wav", "PCM_24"),
        ("CAF", "ALAC_20", ".m4a", "ALAC_24"),
        ("MP4", "ALAC_16", ".m4a", "ALAC_16"),
        ("MP3", "MPEG_LAYER_III", ".mp3", "MPEG_LAYER_III"),
        ("MP3", "MPEG_LAYER_III", ".wav", "PCM_16"),
        ("MP3", "MPEG_LAYER_III", ".ogg", "VORBIS"),
        ("OGG", "OPUS", ".ogg", "OPUS"),
        ("OGG", "VORBIS", ".opus", "OPUS"),
        ("WAV", "PCM_16", ".m4a", "ALAC_16"),
        ("WAV", "PCM_16", ".mkv", "PCM_16"),
        ("MATROSKA", "OPUS", ".mkv", "OPUS"),
        ("MATROSKA", "VORBIS", ".mkv", "AAC"),
        ("WAV", "ULAW", ".wav", "PCM_16"),
        ("WAV", "PCM_16", "FLAC", "PCM_16"),
    ],
)
def test_encoding_follows_the_source(container, encoding, suffix, expected):
    assert output_format(SoundFormat(container, encoding), suffix, None).encoding == expected


@pytest.mark.parametrize(
    ("suffix", "depth", "expected"),
    [
        (".wav", "8", "PCM_U8"),
        (".aif", "8", "PCM_S8"),
        (".flac", "16", "PCM_16"),
        (".wav", "double", "DOUBLE"),
        (".caf", "24", "PCM_24"),
        (".m4a", "24", "ALAC_24"),
    ],
)
def test_bit_depth_overrides_the_source(suffix, depth, expected):
    assert output_format(SoundFormat("WAV", "FLOAT"), suffix, depth).encoding == expected


@pytest.mark.parametrize(
    ("suffix", "depth", "reason"),
    [
        (".flac", "32", "choose 8, 16, 24"),
        (".mp3", "16", "leave it out"),
        (".wav", "12", "no bit depth '12'"),
        (".xyz", None, r"choose one of .*\.wav"),
        ("", None, "choose one of"),
    ],
)
def test_impossible_formats_are_refused_with_alternatives(suffix, depth, reason):
    with pytest.raises(OptionError, match=reason):
        output_format(SoundFormat("WAV", "PCM_16"), suffix, depth)


SOURCES = [SoundFormat("ANY", subtype) for subtype in soundfile.available_subtypes()]


@given(st.sampled_from(SOURCES), st.sampled_from(sorted(WRITABLE_SUFFIXES)))
def test_every_source_has_a_writable_output_format(source, suffix):
    form = output_format(source, suffix, None)
    if form.container in MEDIA_CONTAINERS:
        assert suffix in MEDIA_SUFFIXES
    else:
        assert soundfile.check_format(form.container, form.encoding)


@given(st.sampled_from(sorted(WRITABLE_SUFFIXES)), st.sampled_from(BIT_DEPTHS))
def test_a_bit_depth_is_kept_or_refused(suffix, depth):
    try:
        form = output_format(SoundFormat("MP3", "MPEG_LAYER_III"), suffix, depth)
    except OptionError:
        return
    assert {"float": "FLOAT", "double": "DOUBLE"}.get(depth, depth) in (
        form.encoding,
        str(form.integer_bits),
    )


@pytest.mark.parametrize(
    ("source", "suffix", "expected"),
    [("PCM_16", ".m4a", "AAC"), ("PCM_24", ".mov", "AAC"), ("OPUS", ".mka", "OPUS")],
)
def test_a_bit_rate_asks_for_a_lossy_encoding(source, suffix, expected):
    form = output_format(SoundFormat("MATROSKA", source), suffix, None, lossy=True)
    assert form.encoding == expected


def test_a_bit_rate_is_refused_where_nothing_is_lossy():
    with pytest.raises(OptionError, match="lossless and have no `bit_rate`"):
        output_format(SoundFormat("WAV", "PCM_16"), ".flac", None, lossy=True)
    with pytest.raises(OptionError, match="not both"):
        output_format(SoundFormat("WAV", "PCM_16"), ".m4a", "24", lossy=True)
