"""Reading from a place in the middle of a file."""

from pathlib import Path

import numpy as np
import pytest

from making import music, read_all, write_sound
from soundstage.audio import open_sound
from soundstage.audio.codecs.sndfile_reader import SequentialFile
from soundstage.errors import InputError

FRAMES = 60_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "w64", "ogg", "mp3", "m4a"])
@pytest.mark.parametrize("start", [0, 1, 20_001, FRAMES - 5])
def test_what_is_read_from_a_place_is_what_stands_there(
    tmp_path: Path, suffix: str, start: int
) -> None:
    path = write_sound(tmp_path / f"a.{suffix}", music(2, FRAMES))
    whole = read_all(path)
    read = np.concatenate(list(open_sound(path).blocks(7000, start)), axis=1)
    assert np.array_equal(read, whole[:, start:])


@pytest.mark.parametrize(("suffix", "most"), [("wav", 100), ("flac", 100), ("ogg", FRAMES)])
def test_a_place_is_sought_where_that_is_exact(
    tmp_path: Path, suffix: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_sound(tmp_path / f"a.{suffix}", music(1, FRAMES))
    read, plain = [], SequentialFile.read

    def counted(self: SequentialFile, frames: int, **more: object) -> np.ndarray:
        rows = plain(self, frames, **more)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(SequentialFile, "read", counted)
    block = next(open_sound(path).blocks(100, FRAMES // 2))
    assert block.shape == (1, 100)
    assert FRAMES // 4 * (suffix == "ogg") < sum(read) <= most


def test_a_sought_place_in_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac", music(2, FRAMES))
    sound, content = open_sound(path), path.read_bytes()
    path.write_bytes(content[: len(content) // 4])
    with pytest.raises(InputError, match="cut short or damaged"):
        list(sound.blocks(1000, FRAMES - 2000))
