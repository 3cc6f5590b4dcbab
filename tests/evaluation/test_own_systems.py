"""Systems of a user in an evaluation: a folder of results, a class or function, a plug-in."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sounds import RATE, decibels, stereo_scene
from soundstage import evaluate, register_method
from soundstage.audio.resampling import resample
from soundstage.corpora import Clip
from soundstage.errors import MethodError, OptionError
from soundstage.evaluation.eval_items import load_eval_item
from soundstage.evaluation.own_systems import find_systems
from soundstage.evaluation.result_folders import find_results, read_result
from soundstage.evaluation.results import TRUTH
from soundstage.upmixing import METHODS

QUICK = {"methods": [], "baselines": [], "embeddings": [], "examples": 0, "takes": 2}
CODE = """
import numpy as np

class Wide:
    returns = "side"
    def __call__(self, mono, rate, seed=0):
        return (0.3 + 0.1 * (seed % 2)) * np.roll(mono, 30)

def haas(mono, rate):
    return mono, np.roll(mono, 441)

def broken(mono, rate):
    raise ValueError("no such layer")
"""


def scene(index: int, seconds: float = 2) -> np.ndarray:
    return stereo_scene(round(seconds * RATE), seed=index).numpy()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "live").mkdir()
    for index, name in enumerate(("one", "live/two")):
        soundfile.write(folder / f"{name}.wav", scene(index).T, RATE, "FLOAT")
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path / "mine.py"


def clips(data: Path) -> list[Clip]:
    return [Clip(name, data / f"{name}.wav") for name in ("one", "live/two")]


def results(folder: Path, **names: np.ndarray) -> Path:
    folder.mkdir()
    for name, samples in names.items():
        soundfile.write(folder / f"{name}.flac", samples.T, RATE, "PCM_24")
    return folder


def test_the_truth_as_a_folder_of_results_has_its_scores(data: Path, tmp_path: Path) -> None:
    """Also found by the last part of a name, and with the suffix that `upmix` adds."""
    folder = results(tmp_path / "theirs", one=scene(0), **{"two-stereo": scene(1)})
    found = evaluate(data, tmp_path / "out", **QUICK, report=False, systems=[f"theirs={folder}"])
    assert found.systems[-1] == "theirs"
    for key in ("width", "correlation", "iid_fluctuation"):
        np.testing.assert_allclose(found.scores["theirs", key], found.scores[TRUTH, key], rtol=1e-3)
    assert (found.scores["theirs", "e_min"] < 1e-2).all()
    assert np.isnan(found.scores["theirs", "rtf"]).all()


def test_a_changed_result_is_measured_again_and_no_other(data: Path, tmp_path: Path) -> None:
    folder = results(tmp_path / "theirs", one=scene(0), two=scene(1))
    options = {**QUICK, "report": False, "systems": {"theirs": folder}}
    before = evaluate(data, tmp_path / "out", **options)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("out/measured/*/*")}
    soundfile.write(folder / "one.flac", 0.3 * scene(5).T, RATE, "PCM_24")
    after = evaluate(data, tmp_path / "out", **options)
    changed = [path for path, time in times.items() if path.stat().st_mtime_ns != time]
    assert [path.name for path in changed] == ["theirs.safetensors"]
    assert before.scores["theirs", "loudness"][1] != after.scores["theirs", "loudness"][1]
    assert before.scores["theirs", "loudness"][0] == after.scores["theirs", "loudness"][0]


@pytest.mark.parametrize("seconds", [0, 1])
def test_an_excerpt_of_a_result_is_that_of_its_clip(tmp_path: Path, seconds: float) -> None:
    """At another rate and of another length, to the resampler's accuracy."""
    sound = scene(3, 3)
    soundfile.write(tmp_path / "a.wav", sound.T, RATE, "FLOAT")
    clip = Clip("a", tmp_path / "a.wav")
    item = load_eval_item(clip, seconds)
    longer = np.pad(sound, ((0, 0), (0, 2000)))
    soundfile.write(tmp_path / "longer.wav", longer.T, RATE, "FLOAT")
    same = read_result(tmp_path / "longer.wav", clip, seconds, item.mono.shape[0])
    assert torch.equal(same, item.truth)
    shorter = read_shorter(tmp_path, sound, clip, seconds, item.mono.shape[0])
    kept = item.truth.shape[1] - (0 if seconds else 2000)
    assert torch.equal(shorter[:, :kept], item.truth[:, :kept])
    soft = np.cumsum(sound, axis=1) - np.cumsum(sound, axis=1).mean(axis=1, keepdims=True)
    soft = 0.1 * soft / np.abs(soft).max()
    soundfile.write(tmp_path / "a.wav", soft.T, RATE, "FLOAT")
    other = resample(soft.astype(np.float32), RATE, 48_000)
    soundfile.write(tmp_path / "high.wav", other.T, 48_000, "FLOAT")
    item = load_eval_item(clip, seconds)
    high = read_result(tmp_path / "high.wav", clip, seconds, item.mono.shape[0])
    inner = slice(200, -200)  # where the file ends, the resampled one rings
    assert decibels((high - item.truth)[:, inner], item.truth[:, inner]) < -60


def read_shorter(folder, sound, clip, seconds, frames):
    soundfile.write(folder / "shorter.wav", sound[:, :-2000].T, RATE, "FLOAT")
    return read_result(folder / "shorter.wav", clip, seconds, frames)


def test_unusable_results_are_named_before_anything_runs(data: Path, tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(OptionError) as caught:
            find_results("theirs", folder, clips(data))
        return str(caught.value)

    assert "no such folder" in refused(tmp_path / "none")
    folder = results(tmp_path / "theirs", another=scene(0))
    assert "no result for the clip one and for 1 more" in refused(folder)
    soundfile.write(folder / "one.wav", scene(0).T, RATE)
    assert "no result for the clip live/two: name each result of theirs" in refused(folder)
    soundfile.write(folder / "two.wav", scene(1)[0], RATE)
    assert "two.wav: has 1 channels, not 2" in refused(folder)
    soundfile.write(folder / "two.wav", scene(1, 1.5).T, RATE)
    assert "has 1.50 s, but its clip 2.00 s" in refused(folder)
    soundfile.write(folder / "two.wav", scene(1).T, RATE)
    assert set(find_results("theirs", folder, clips(data))) == {"one", "live/two"}
    soundfile.write(folder / "one.flac", scene(0).T, RATE)
    assert "one.flac and one.wav are both results" in refused(folder)


def test_a_class_a_function_and_a_registered_method_are_rows(
    data: Path, tmp_path: Path, code: Path
) -> None:
    register_method("mine", lambda mono, rate: (mono, mono))
    try:
        found = evaluate(
            data, tmp_path / "out", **QUICK, report=False,
            systems=[f"{code}:Wide", f"delay={code}:haas", "mine"],
        )  # fmt: skip
    finally:
        METHODS.registered.clear()
    assert found.systems[-3:] == ["Wide", "delay", "mine"]
    assert (found.scores["Wide", "fold_down"] < -120).all()
    assert (found.scores["delay", "fold_down"] > -20).all()
    assert (found.scores["mine", "width"] == 0).all()
    assert (found.scores["delay", "rtf"] > 0).all()


def test_systems_from_python_are_a_mapping(data: Path, tmp_path: Path) -> None:
    gains = []

    def scaled(mono, rate, seed):
        gains.append(seed)
        return mono, 0.5 * mono

    options = {**QUICK, "report": False, "systems": {"scaled": scaled}}
    found = evaluate(data, tmp_path / "out", **options)
    np.testing.assert_allclose(found.scores["scaled", "width"], 2 / 3, rtol=1e-3)
    count = len(gains)
    evaluate(data, tmp_path / "out", **options)
    assert len(gains) == 2 * count  # it uses what stands outside it, so that nothing is kept


def test_the_results_of_a_file_are_kept_until_it_changes(
    data: Path, tmp_path: Path, code: Path
) -> None:
    def code_of() -> str:
        return find_systems((), own=[f"{code}:Wide"], reference_free=False)[-1].fingerprint()

    before = code_of()
    assert code_of() == before
    code.write_text(CODE + "# another line\n")
    assert code_of() != before


def test_a_failing_method_ends_the_run_with_its_clip(data: Path, tmp_path: Path, code) -> None:
    with pytest.raises(MethodError, match=r"live/two: The method broken failed: ValueError: no su"):
        evaluate(data, tmp_path / "out", **QUICK, report=False, systems=[f"{code}:broken"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody", "Unknown system 'nobody'; choose from mono, .*or give NAME=FOLDER"),
        ("a=none", "a=none: there is no such folder, class or method"),
        ("=none", "cannot be named ''"),
        ("a|b=.", r"cannot be named 'a\|b'"),
        ("mono=.", "another system 'mono'"),
        ("none.py:Wide", "there is no such file"),
        ("no_such_package_at_all:Wide", "cannot be imported"),
    ],
)
def test_a_wrong_system_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises((OptionError, MethodError), match=sentence):
        find_systems((), own=[text], reference_free=False)


@pytest.mark.slow
def test_own_systems_run_in_worker_processes(data: Path, tmp_path: Path, code: Path) -> None:
    folder = results(tmp_path / "theirs", one=scene(0), two=scene(1))
    options = {**QUICK, "report": False, "systems": [f"{code}:Wide", f"theirs={folder}"]}
    one = evaluate(data, tmp_path / "one", **options)
    two = evaluate(data, tmp_path / "two", **options, jobs=2)
    for key in one.scores:
        if key[1] != "rtf":
            np.testing.assert_allclose(two.scores[key], one.scores[key], rtol=1e-5)


def test_a_method_that_workers_cannot_import_is_refused(data: Path, tmp_path: Path) -> None:
    systems = {"local": lambda mono, rate: (mono, mono)}
    with pytest.raises(MethodError, match="set `jobs` to 1"):
        evaluate(data, tmp_path / "out", **QUICK, report=False, systems=systems, jobs=2)
