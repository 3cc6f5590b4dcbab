import os

import pytest

from soundstage.audio.file_paths import expand_inputs, find_inputs
from soundstage.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.WAV", "a.flac", "sub/c.mp3", "sub/d.txt", ".hidden.wav", ".git/e.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".x.wav.12ab.part").touch()
    (tmp_path / "y.wav.part").touch()
    return tmp_path


def relative(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_gives_its_sound_files_sorted(folder):
    assert relative(expand_inputs([folder]), folder) == ["a.flac", "b.WAV", "sub/c.mp3"]
    assert relative(expand_inputs([folder], recursive=False), folder) == ["a.flac", "b.WAV"]


def test_files_come_in_the_order_given_and_once(folder):
    (folder / "link.wav").symlink_to(folder / "b.WAV")
    given = [folder / "b.WAV", folder / "sub" / ".." / "a.flac", folder, folder / "link.wav"]
    names = [path.name for path in expand_inputs(given)]
    assert names == ["b.WAV", "a.flac", "c.mp3"]


def test_a_file_named_by_itself_may_have_any_suffix(folder):
    assert expand_inputs([str(folder / "sub/d.txt")]) == [folder / "sub/d.txt"]


def test_missing_inputs_are_refused(folder):
    with pytest.raises(InputError, match="does not exist"):
        expand_inputs([folder / "none.wav"])
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="no sound files"):
        expand_inputs([folder / "empty"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root lists every folder")
def test_a_subfolder_that_cannot_be_listed_is_named(folder):
    (folder / "sub").chmod(0)
    assert folder / "sub" in expand_inputs([folder])
    (folder / "sub").chmod(0o700)


def test_files_know_their_place_in_an_input_folder(folder):
    found = find_inputs([folder / "a.flac", folder])
    assert [(file.name, file.folder, file.subfolder) for file in found] == [
        ("a.flac", None, ""),
        ("b.WAV", str(folder), ""),
        ("c.mp3", str(folder), "sub"),
    ]
    assert found[2].path == folder / "sub" / "c.mp3"


def test_names_that_no_system_has_are_one_sentence(folder):
    for name in ("x" * 300 + ".wav", "a\0b.wav"):
        with pytest.raises(InputError):
            expand_inputs([folder / name])


def test_links_that_lead_in_a_circle_do_not_end_a_search(folder):
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "circle.wav").symlink_to(folder / "circle.wav")
    names = relative(expand_inputs([folder]), folder)
    assert names == ["a.flac", "b.WAV", "circle.wav", "sub/c.mp3"]  # opening it says why not
