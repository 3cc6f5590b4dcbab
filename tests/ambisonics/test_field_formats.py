import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import noise
from soundstage.ambisonics.conventions import CONVENTIONS, from_ambix
from soundstage.ambisonics.encoding import encode
from soundstage.ambisonics.field_formats import field_format, field_mark, is_field
from soundstage.ambisonics.harmonics import degrees, to_direction
from soundstage.audio import Audio, Metadata, SoundFormat, SoundWriter, open_sound
from soundstage.errors import InputError, OptionError

RATE = 16_000


def scene(seed: int, order: int = 1, *, diffuse: float = 0.3) -> np.ndarray:
    """Some sources, mostly near the horizon, and a diffuse rest."""
    random = np.random.default_rng(seed)
    field = np.zeros(((order + 1) ** 2, RATE))
    for number in range(random.integers(1, 6)):
        place = to_direction(random.uniform(-180, 180), random.normal(0, 15))
        level = random.uniform(0.02, 0.2)
        field += encode(noise(RATE, seed=seed + number, level=level).numpy(), place, order)
    rest = random.standard_normal(field.shape) * 0.03 * diffuse
    return field + rest / np.sqrt(2 * degrees(order) + 1)[:, None]


def of(samples: np.ndarray):
    return open_sound(Audio(samples.astype(np.float32), RATE))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_convention_of_most_scenes_is_guessed(convention: str, order: int) -> None:
    found = [field_format(of(from_ambix(scene(seed, order), convention))) for seed in range(20)]
    assert all(each.is_guess and each.order == order for each in found)
    hits = [each.convention == convention for each in found]
    assert sum(hits) >= 18
    wrong = [each for each, hit in zip(found, hits, strict=True) if not hit]
    assert all("uncertain" in each.reason for each in wrong)


def test_what_is_requested_needs_no_guess() -> None:
    found = field_format(of(scene(0)), "fuma")
    assert (found.convention, found.is_guess) == ("fuma", False)
    with pytest.raises(OptionError, match="choose one of ambix"):
        field_format(of(scene(0)), "b-format")


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("song.ambix1.wav", "ambix"),
        ("song.AmbiX.wav", "ambix"),
        ("room_ACN_SN3D.wav", "ambix"),
        ("room-n3d.wav", "n3d"),
        ("Forest_FuMa.wav", "fuma"),
    ],
)
def test_a_name_tells_the_convention(tmp_path: Path, name: str, convention: str) -> None:
    other = "ambix" if convention == "fuma" else "fuma"
    soundfile.write(tmp_path / name, from_ambix(scene(1), other).T, RATE)
    sound = open_sound(tmp_path / name)
    assert is_field(sound)
    assert field_format(sound)[1:] == (convention, "its name says so", False)


@pytest.mark.parametrize(
    ("name", "is_one"), [("quad.wav", False), ("FOA take.wav", True), ("b-format 3.wav", True)]
)
def test_four_channels_are_a_field_if_they_say_so(tmp_path: Path, name: str, is_one: bool) -> None:
    soundfile.write(tmp_path / name, scene(2).T, RATE)
    sound = open_sound(tmp_path / name)
    assert is_field(sound) == is_one
    assert field_format(sound).is_guess


def test_a_tag_outweighs_the_name(tmp_path: Path) -> None:
    path = tmp_path / "song.ambix1.wav"
    metadata = Metadata.from_tags({"comment": f"A walk. {field_mark(1, 'fuma').text}"})
    form = SoundFormat("WAV", "PCM_16")
    with SoundWriter(path, rate=RATE, channels=4, format=form, metadata=metadata) as writer:
        writer.write(np.zeros((4, 100), np.int32))
    assert field_format(open_sound(path))[:3] == (1, "fuma", "its tag says so")


def test_the_b_format_of_wave_is_fuma(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    guid = bytes.fromhex("010000002107d3118644c8c1ca000000")
    data = np.zeros((100, 4), "<i2").tobytes()
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 4, RATE, RATE * 8, 8, 16, 22, 16, 0) + guid
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt
    chunks += b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    sound = open_sound(path)
    assert is_field(sound)
    assert field_format(sound)[:3] == (1, "fuma", "its container says so")


def test_the_layout_of_a_core_audio_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "take.caf"
    soundfile.write(path, np.zeros((100, 4)), RATE, "PCM_16")
    whole = path.read_bytes()
    at = whole.index(b"data")
    layout = b"chan" + struct.pack(">qIII", 12, 191 << 16 | 4, 0, 0)
    path.write_bytes(whole[:at] + layout + whole[at:])
    assert field_format(open_sound(path))[:3] == (1, "n3d", "its container says so")


def test_other_numbers_of_channels_and_silence() -> None:
    with pytest.raises(InputError, match="4, 9 or 16 channels, not 5"):
        field_format(of(np.ones((5, 100))))
    assert not is_field(of(np.ones((6, 100))))
    assert is_field(of(np.ones((9, 100))))
    assert field_format(of(np.zeros((4, 100)))).convention == "ambix"
