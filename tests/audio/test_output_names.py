import gc
import os
import time

import pytest

from soundstage.audio import output_names
from soundstage.audio.file_paths import FoundFile
from soundstage.audio.output_names import plan_outputs
from soundstage.errors import OptionError

NAME = "{stem}-new{ext}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def outputs(folder, inputs, output=None, **options):
    """The names of the outputs, below the folder."""
    plan = plan_outputs(
        inputs, output, **{"name": None, "default_name": NAME, "own_names": "(.+)-new"} | options
    )
    return [str(path.relative_to(folder)) for paths in plan.targets for path in paths]


def test_outputs_are_beside_their_sources_by_default(folder):
    touch(folder, "a.wav", "sub/b.flac")
    assert outputs(folder, [folder]) == ["a-new.wav", "sub/b-new.flac"]


def test_subfolders_are_kept_in_the_output_folder(folder):
    touch(folder, "in/a.wav", "in/sub/deep/b.wav", "c.wav")
    for output in (folder / "out", f"{folder / 'out'}{os.sep}", folder / "out.d"):
        made = outputs(folder, [folder / "in", folder / "c.wav"], output)
        top = os.path.basename(os.path.normpath(output))
        assert made == [f"{top}/a-new.wav", f"{top}/sub/deep/b-new.wav", f"{top}/c-new.wav"]


def test_a_single_input_has_a_file_or_a_folder(folder):
    (source,) = touch(folder, "a.wav")
    (folder / "there.d").mkdir()
    assert outputs(folder, [source], folder / "x.flac") == ["x.flac"]
    assert outputs(folder, [source], folder / "x") == ["x/a-new.wav"]
    assert outputs(folder, [source], folder / "there.d") == ["there.d/a-new.wav"]
    with pytest.raises(OptionError, match="cannot be written"):
        outputs(folder, [source], folder / "x.xyz")
    with pytest.raises(OptionError, match="leave out `suffix`"):
        outputs(folder, [source], folder / "x.flac", suffix="wav")
    with pytest.raises(OptionError, match="`name`"):
        outputs(folder, [source], folder / "x.flac", name="{stem}{ext}")


def test_takes_of_one_file_are_numbered(folder):
    (source,) = touch(folder, "a.wav")
    takes = [{"take": 1}, {"take": 2}]
    assert outputs(folder, [source], folder / "x.flac", fields=takes) == ["x-1.flac", "x-2.flac"]
    with pytest.raises(OptionError, match="seed} or"):
        outputs(folder, [source], fields=takes)


def test_one_file_is_no_place_for_several(folder):
    sources = touch(folder, "in/a.wav", "in/b.wav")
    for inputs in (sources, [folder / "in"]):
        with pytest.raises(OptionError, match="name a folder"):
            outputs(folder, inputs, folder / "x.wav")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["in/a.wav", "in/a.flac"], ["a.wav-new.ogg", "a.flac-new.ogg"]),
        (["d1/a.wav", "d2/a.wav"], ["d1/a-new.ogg", "d2/a-new.ogg"]),
        (["x/d/a.wav", "y/d/a.wav"], ["x/d/a-new.ogg", "y/d/a-new.ogg"]),
        (
            ["d1/a.wav", "d1/a.flac", "d2/a.wav"],
            ["d1/a.wav-new.ogg", "d1/a.flac-new.ogg", "d2/a.wav-new.ogg"],
        ),
        (["in/A.wav", "in/a.wav"], ["A-1-new.ogg", "a-2-new.ogg"]),
        (["in/e\u0301.wav", "in/\xe9.wav"], ["e\u0301-1-new.ogg", "\xe9-2-new.ogg"]),
    ],
)
def test_equal_names_become_distinct(folder, names, expected):
    sources = touch(folder, *names, "in/other.wav")
    out = folder / "out"
    made = outputs(folder, sources, out, suffix="ogg")
    assert made == [f"out/{name}" for name in [*expected, "other-new.ogg"]]
    assert {*outputs(folder, sources[::-1], out, suffix="ogg")} == {*made}  # in any order


def test_names_without_the_stem_collide(folder):
    sources = touch(folder, "a.wav", "b.wav")
    with pytest.raises(OptionError, match="stem}"):
        outputs(folder, sources, folder / "out", name="x{ext}")


def test_a_distinct_name_is_not_one_that_is_taken(folder):
    sources = touch(folder, "in/a.wav", "in/a.flac", "in/a.wav.flac")
    made = outputs(folder, sources, folder / "out", suffix="ogg")
    assert len({*made}) == 3


def test_what_an_earlier_run_made_is_no_source(folder):
    touch(folder, "a.wav", "a.flac")
    first = outputs(folder, [folder], suffix="ogg")
    assert first == ["a.flac-new.ogg", "a.wav-new.ogg"]
    touch(folder, *first)
    assert outputs(folder, [folder], suffix="ogg") == first
    plan = plan_outputs([folder], None, name=None, default_name=NAME, suffix="ogg")
    assert {path.name for path in plan.results} == {*first}


def test_a_name_like_that_of_a_result_is_a_source_where_nothing_else_is(folder):
    touch(folder, "b-new.wav")
    assert outputs(folder, [folder]) == ["b-new-new.wav"]


def test_planning_is_linear_in_the_number_of_files(monkeypatch, tmp_path):
    def plan_seconds(count):
        place = str(tmp_path)
        found = [
            FoundFile(place, f"{n // 2}.{'wav' if n % 2 else 'aif'}", place, place)
            for n in range(count)
        ]
        monkeypatch.setattr(output_names, "find_inputs", lambda inputs: found)
        seconds = []
        for _ in range(3):
            gc.collect()
            gc.disable()  # its cost grows with all objects of the test run
            started = time.process_time()
            plan = plan_outputs([tmp_path], "out", name=None, default_name=NAME, suffix="ogg")
            seconds.append(time.process_time() - started)
            gc.enable()
            assert len({paths[0] for paths in plan.targets}) == count
        return min(seconds)

    assert plan_seconds(16_000) < 16 * max(plan_seconds(2_000), 0.02)
