import numpy as np
import pytest
import torch

from making_stems import RATE, write_collection
from soundstage.corpora.stem_cache import (
    LOWEST_DB,
    STEP_DB,
    is_stem_collection,
    load_stems,
    powers_of,
    rows_fingerprint,
    save_stems,
    stem_levels,
    stem_rows,
)
from soundstage.errors import InputError, WeightsError
from soundstage.stereo.encoding import TRANSFORM
from soundstage.stereo.fine_bands import FINE_BANDS, fine_powers


@pytest.fixture
def folder(tmp_path):
    write_collection(tmp_path / "band", [("a", "kit", "drums", 90), ("a", "sax", "object", 700)])
    write_collection(tmp_path / "held", [("b", "voice", "lead", 300)], split="valid")
    return tmp_path


def test_collections_below_a_folder_are_found(folder):
    assert is_stem_collection(folder)
    rows = stem_rows(folder)
    assert [(row.song, row.kind, row.split) for row in rows] == [
        ("band/a", "drums", "train"),
        ("band/a", "object", "train"),
        ("held/b", "lead", "valid"),
    ]
    assert rows[0].credit == {"license": "CC0", "source": "made by code"}


def test_an_unknown_kind_is_refused_by_name(tmp_path):
    write_collection(tmp_path, [("a", "x", "banjo", 100)])
    with pytest.raises(InputError, match=r"'banjo' is no kind of stem: use one of lead, voice"):
        stem_rows(tmp_path)


def test_stereo_tracks_are_no_stems(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,title\nx.wav,X\n")
    assert not is_stem_collection(tmp_path)
    with pytest.raises(InputError, match=r"no manifest with the columns file, song, stem, kind"):
        stem_rows(tmp_path)


def test_levels_hold_the_power_to_a_quarter_of_a_decibel(folder):
    path = stem_rows(folder)[1].path
    levels = torch.from_numpy(stem_levels(path))
    sine = 0.5 * torch.sin(2 * torch.pi * 700 * torch.arange(RATE) / RATE)
    powers = fine_powers(TRANSFORM.analyze(sine)).T
    loud = powers > 1
    assert levels.shape == (len(powers), FINE_BANDS)
    error = 10 * (powers_of(levels)[loud] / powers[loud]).log10()
    assert error.abs().max() < 0.51 * STEP_DB
    assert powers_of(torch.zeros(3, dtype=torch.uint8)).tolist() == [0, 0, 0]
    assert LOWEST_DB < 0


def test_a_file_of_levels_is_read_as_written(folder, tmp_path):
    rows = stem_rows(folder)
    levels = [stem_levels(row.path) for row in rows]
    fingerprint = rows_fingerprint(rows)
    save_stems(tmp_path / "levels.safetensors", rows, levels, fingerprint)
    cache = load_stems(tmp_path / "levels.safetensors")
    assert cache.fingerprint == fingerprint
    assert cache.songs == [row.song for row in rows]
    assert cache.kinds == ["drums", "object", "lead"]
    assert (cache.ends - cache.starts).tolist() == [len(each) for each in levels]
    first = cache.levels[: int(cache.ends[0])].numpy()
    assert np.array_equal(first, levels[0])


def test_other_weights_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="There are no weights"):
        load_stems(tmp_path / "none.safetensors")
