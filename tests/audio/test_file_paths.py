import os
from pathlib import Path

import pytest

from soundstage.audio import check_collisions, expand_inputs, output_path
from soundstage.errors import InputError, OptionError, OutputError

NAME = "{stem}-stereo{ext}"


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


def test_the_output_is_beside_its_source_by_default(tmp_path):
    source = tmp_path / "a.flac"
    assert output_path(source, None, NAME) == tmp_path / "a-stereo.flac"
    assert output_path(source, None, NAME, "wav") == tmp_path / "a-stereo.wav"
    assert output_path(source, None, NAME, ".WAV") == tmp_path / "a-stereo.WAV"


def test_the_name_template_applies_in_a_folder(tmp_path):
    source = tmp_path / "a.flac"
    assert output_path(source, tmp_path, NAME) == tmp_path / "a-stereo.flac"
    new = str(tmp_path / "new") + os.sep
    assert output_path(source, new, NAME) == tmp_path / "new" / "a-stereo.flac"
    assert output_path(source, tmp_path / "results", NAME) == tmp_path / "results/a-stereo.flac"
    fields = {"method": "nearest", "seed": 7, "take": 2}
    named = output_path(source, tmp_path, "{stem}-{method}-{seed}-{take:02}{ext}", fields=fields)
    assert named.name == "a-nearest-7-02.flac"


def test_an_output_file_keeps_its_name(tmp_path):
    assert output_path(tmp_path / "a.flac", tmp_path / "b.wav", NAME) == tmp_path / "b.wav"


@pytest.mark.parametrize("suffix", [".aac", ".avi", ".mp2", ""])
def test_sources_that_cannot_be_written_become_wav(tmp_path, suffix):
    assert output_path(tmp_path / f"a{suffix}", None, NAME).suffix == ".wav"


@pytest.mark.parametrize(
    "template",
    ["{name}{ext}", "{stem", "{stem.x}{ext}", "{0}", "{stem!z}", "a/{stem}{ext}", "..", ""],
)
def test_invalid_templates_are_refused(tmp_path, template):
    with pytest.raises(OptionError):
        output_path(tmp_path / "a.wav", None, template)


@pytest.mark.parametrize(("output", "suffix"), [("b.xyz", None), (None, "xyz")])
def test_suffixes_that_cannot_be_written_are_refused(tmp_path, output, suffix):
    with pytest.raises(OptionError, match="cannot be written"):
        output_path(tmp_path / "a.wav", output and tmp_path / output, NAME, suffix)


def test_the_source_is_never_the_target(tmp_path):
    source = tmp_path / "a.wav"
    source.touch()
    (tmp_path / "soft.wav").symlink_to(source)
    os.link(source, tmp_path / "hard.wav")
    for target in ("a.wav", "soft.wav", "hard.wav", Path("..") / tmp_path.name / "a.wav"):
        with pytest.raises(OutputError, match="source itself"):
            output_path(source, tmp_path / target, NAME)
    with pytest.raises(OutputError, match="source itself"):
        output_path(source, None, "{stem}{ext}")


def test_two_outputs_of_one_name_are_refused(tmp_path):
    one, two = tmp_path / "a.wav", tmp_path / "a.flac"
    target = tmp_path / "out.wav"
    with pytest.raises(OptionError, match="both be written"):
        check_collisions([(one, target), (two, tmp_path / "sub" / ".." / "out.wav")])
    check_collisions([(one, target), (two, tmp_path / "other.wav")])


def test_an_output_may_not_replace_another_source(tmp_path):
    one, two = tmp_path / "a.wav", tmp_path / "a-stereo.wav"
    with pytest.raises(OutputError, match="one of the sources"):
        check_collisions([(one, two), (two, tmp_path / "a-stereo-stereo.wav")])
