import itertools

import pytest

from making import RATE, music, noise, read_all, write_sound
from soundstage.audio import SoundFormat
from soundstage.errors import OptionError

MP3 = SoundFormat("MP3", "MPEG_LAYER_III")
VORBIS, OPUS = SoundFormat("OGG", "VORBIS"), SoundFormat("OGG", "OPUS")
AAC, MKA = SoundFormat("MP4", "AAC"), SoundFormat("MATROSKA", "OPUS")


def kilobits(path, seconds):
    return path.stat().st_size * 8 / 1000 / seconds


@pytest.mark.parametrize(
    ("form", "bit_rate", "tolerance"),
    [
        (MP3, 128, 0.1),
        (MP3, 320, 0.1),
        (OPUS, 96, 0.35),
        (VORBIS, 128, 0.45),
        (AAC, 96, 0.25),
        (MKA, 64, 0.35),
    ],
)
def test_files_have_about_the_requested_bit_rate(tmp_path, form, bit_rate, tolerance):
    samples = noise(2, RATE)
    path = write_sound(tmp_path / "a", samples, form, bit_rate=1000 * bit_rate)
    assert kilobits(path, 1) == pytest.approx(bit_rate, rel=tolerance)
    assert read_all(path).shape == samples.shape


@pytest.mark.slow
@pytest.mark.parametrize("form", [MP3, VORBIS, OPUS, AAC, MKA])
def test_a_higher_bit_rate_makes_a_larger_file(tmp_path, form):
    sizes = [
        write_sound(tmp_path / str(rate), music(2, RATE), form, bit_rate=1000 * rate).stat().st_size
        for rate in (64, 128, 256)
    ]
    assert all(one < other for one, other in itertools.pairwise(sizes))


@pytest.mark.parametrize(
    ("form", "bit_rate", "reason"),
    [
        (MP3, 16, "from 40 to 320 kbit/s, not 16"),
        (MP3, 500, "from 40 to 320 kbit/s, not 500"),
        (OPUS, 1000, "from 12 to 512 kbit/s, not 1000"),
        (AAC, 1000, "from 32 to 512 kbit/s, not 1000"),
        (VORBIS, 10, r"from \d+ to \d+ kbit/s, not 10"),
        (SoundFormat("FLAC", "PCM_16"), 128, "lossless and has no `bit_rate`"),
    ],
)
def test_a_bit_rate_out_of_range_is_refused(tmp_path, form, bit_rate, reason):
    with pytest.raises(OptionError, match=reason):
        write_sound(tmp_path / "a", music(2, 100), form, bit_rate=1000 * bit_rate)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100])
def test_both_ends_of_the_range_of_mp3_are_written(tmp_path, rate):
    highest = {8000: 64, 44_100: 320}.get(rate, 160)
    for kilo in (40 if rate == 44_100 else 16, highest):
        path = write_sound(
            tmp_path / str(kilo), music(2, rate, rate=rate), MP3, rate=rate, bit_rate=1000 * kilo
        )
        assert kilobits(path, 1) == pytest.approx(kilo, rel=0.25)
