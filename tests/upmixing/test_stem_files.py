import numpy as np
import pytest
import soundfile

from soundstage.errors import InputError
from soundstage.upmixing.stem_files import MAX_STEMS, find_stems, holds_several, kind_of


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(10), 44_100)
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vocals", "lead"),
        ("Lead Vox 1", "lead"),
        ("LEAD_GUITAR", "object"),
        ("lead-synth", "object"),
        ("Backing Vocals", "voice"),
        ("choir", "voice"),
        ("kick", "drums"),
        ("bass drum", "drums"),
        ("E-Bass DI", "bass"),
        ("bassoon", "object"),
        ("808", "bass"),
        ("Room Mics", "ambience"),
        ("piano", "object"),
        ("other-2", "object"),
        ("02", "object"),
    ],
)
def test_the_name_of_a_file_tells_the_kind_of_source(name, kind):
    assert kind_of(name) == kind
    assert not holds_several(name)


@pytest.mark.parametrize(
    "name", ["accompaniment", "No Vocals", "other", "Song (Instrumental)", "mixture"]
)
def test_a_stem_of_several_sources_is_no_source(name):
    assert holds_several(name)


def test_numbers_of_tracks_are_no_part_of_a_name(tmp_path):
    write(tmp_path, "03 - Bass.wav", "01-lead.flac", "12.wav", "other.wav", "sub/kick.wav")
    found = [(stem.name, stem.kind, stem.path.name) for stem in find_stems(tmp_path)]
    assert found == [
        ("lead", "lead", "01-lead.flac"),
        ("Bass", "bass", "03 - Bass.wav"),
        ("12", "object", "12.wav"),
    ]


def test_a_title_before_all_names_is_no_part_of_them(tmp_path):
    """A title with a word for a source would make all of them of its kind."""
    write(tmp_path, "Sub Rosa--piano.wav", "Sub Rosa--vocals-lead.wav", "Sub Rosa--other.wav")
    found = [(stem.name, stem.kind) for stem in find_stems(tmp_path)]
    assert found == [("piano", "object"), ("vocals-lead", "lead")]
    write(tmp_path / "b", "drums-kick.wav", "drums-ride.wav", "drums-3.wav")
    assert {stem.kind for stem in find_stems(tmp_path / "b")} == {"drums"}
    assert [stem.name for stem in find_stems(tmp_path / "b")][:2] == ["drums-3", "drums-kick"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], "no sound files"),
        (["a.txt"], "no sound files"),
        (["other.wav", "accompaniment.wav"], "no stem of a single source"),
        (["lead.wav", "01 Lead.flac"], "two files for the stem 'lead', 01 Lead.flac and lead.wav"),
        ([f"{n:03}x.wav" for n in range(MAX_STEMS + 1)], f"at most {MAX_STEMS}"),
    ],
)
def test_a_folder_without_usable_stems_is_refused(tmp_path, names, sentence):
    write(tmp_path, *(name for name in names if not name.endswith(".txt")))
    if "a.txt" in names:
        (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match=sentence):
        find_stems(tmp_path)


def test_a_file_or_nothing_in_place_of_the_folder_is_refused(tmp_path):
    write(tmp_path, "lead.wav")
    with pytest.raises(InputError, match="is no folder"):
        find_stems(tmp_path / "lead.wav")
    with pytest.raises(InputError, match="does not exist"):
        find_stems(tmp_path / "missing")
