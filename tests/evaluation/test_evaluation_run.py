"""An evaluation from end to end, on sound made here."""

import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

import soundstage
from sounds import RATE, noise, song, stereo_scene
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError
from soundstage.evaluation import EvaluationOptions, evaluate
from soundstage.evaluation.results import FLOOR, TRUTH
from soundstage.metrics.image import normalized_width
from soundstage.metrics.level import integrated_loudness

QUICK = EvaluationOptions(
    methods=("decorrelate",),
    baselines=("mono", "coder"),
    embeddings=("bands",),
    examples=1,
    takes=2,
)


def collection(folder: Path, clips: int = 3, seconds: int = 3) -> Path:
    folder.mkdir()
    for index in range(clips):
        scene = stereo_scene(seconds * RATE, seed=10 * index)
        Audio(scene.numpy(), RATE).write(folder / f"clip {index}.wav", bit_depth="float")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """Data, output and results of one quick evaluation."""
    place = tmp_path_factory.mktemp("evaluation")
    data, output = collection(place / "data"), place / "out"
    told: list[tuple[int, int]] = []
    results = evaluate(data, output, QUICK, progress=lambda *numbers: told.append(numbers))
    return data, output, results, told


def test_systems_and_clips_are_in_order_with_the_floor_always_there(run) -> None:
    _, _, results, _ = run
    assert results.systems == [TRUTH, FLOOR, "mono", "coder", "decorrelate"]
    assert results.clips == ["clip 0", "clip 1", "clip 2"]
    assert results.summaries[FLOOR, "d_f"].value > 0


def test_progress_counts_every_result(run) -> None:
    *_, told = run
    assert told[0] == (0, 12)
    assert told[-1] == (12, 12)


def test_scores_are_those_of_the_metrics_themselves(run) -> None:
    data, _, results, _ = run
    for index, clip in enumerate(results.clips):
        stereo = Audio.read(data / f"{clip}.wav").samples
        width = float(normalized_width(torch.tensor(stereo)))
        assert results.scores[TRUTH, "width"][index] == pytest.approx(width, rel=1e-5)
    assert results.scores["mono", "width"].tolist() == [0, 0, 0]
    assert results.summaries[TRUTH, "d_f"].value == 0
    assert results.summaries[TRUTH, "e_min"].value == 0
    assert (results.scores["decorrelate", "fold_down"] < -120).all()


def test_distances_of_the_set_are_ordered_as_they_must_be(run) -> None:
    *_, results, _ = run
    value = {system: results.summaries[system, "d_f"].value for system in results.systems}
    assert value[TRUTH] < value["coder"] < min(value["decorrelate"], value["mono"])
    side = {s: results.summaries[s, "fad_bands_side"].value for s in ("mono", "coder")}
    assert side["coder"] < side["mono"] < math.inf
    for system in ("mono", "coder"):  # its mid is the mono itself
        assert results.summaries[system, "fad_bands_mid"].value == pytest.approx(0, abs=1e-3)


def test_intervals_hold_their_figure(run) -> None:
    *_, results, _ = run
    checked = 0
    for estimate in results.summaries.values():
        if not math.isnan(estimate.low):
            assert estimate.low <= estimate.value <= estimate.high
            checked += 1
    assert checked > 20


def test_a_second_run_measures_nothing_and_finds_the_same(run) -> None:
    data, output, results, _ = run
    before = times(output)
    told: list[tuple[int, int]] = []
    again = evaluate(data, output, QUICK, progress=lambda *numbers: told.append(numbers))
    assert told == [(12, 12)]
    assert times(output) == before
    assert same(again, results)


def same(one, other) -> bool:
    return all(
        np.array_equal(one.scores[place], other.scores[place], equal_nan=True)
        for place in other.scores
    )


def assert_equal_but_for_time(one, other) -> None:
    """To 1e-5: sums run in another order where memory is aligned otherwise."""
    for place, values in other.scores.items():
        if place[1] != "rtf":
            np.testing.assert_allclose(one.scores[place], values, rtol=1e-5, err_msg=str(place))


def times(output: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in output.rglob("measured/**/*.safetensors")}


def test_a_method_added_later_costs_only_its_own_work(run) -> None:
    data, output, results, _ = run
    before = times(output)
    more = evaluate(data, output, replace(QUICK, methods=("decorrelate", "comb")))
    assert more.systems[-2:] == ["decorrelate", "comb"]
    assert {path: time for path, time in times(output).items() if path in before} == before
    assert same(more, results)


def test_two_processes_find_what_one_does(run, tmp_path: Path) -> None:
    data, _, results, _ = run
    found = evaluate(data, tmp_path / "out", QUICK, workers=2)
    assert_equal_but_for_time(found, results)


def test_excerpts_are_equally_long_and_equally_loud(run) -> None:
    *_, results, _ = run
    (clip,) = results.excerpts
    sounds = [Audio.read(path) for path in results.excerpts[clip].values()]
    assert len(sounds) == 4
    assert len({sound.frames for sound in sounds}) == 1
    for sound in sounds:
        loudness = integrated_loudness(torch.tensor(sound.samples), RATE)
        assert loudness == pytest.approx(-23, abs=0.1)


def test_a_clip_that_breaks_on_the_way_is_left_out_with_its_sentence(tmp_path: Path) -> None:
    data = collection(tmp_path / "data")
    broken = data / "clip 1.wav"
    content = broken.read_bytes()
    nan = np.full(200, np.nan, np.float32).tobytes()
    broken.write_bytes(content[:50_000] + nan + content[50_000 + len(nan) :])
    results = evaluate(data, tmp_path / "out", replace(QUICK, examples=2))
    assert results.clips == ["clip 0", "clip 2"]
    assert list(results.excerpts) == ["clip 0", "clip 2"]
    assert any("clip 1.wav" in reason for reason in results.left_out)


def test_excerpts_stay_those_that_were_written_when_a_clip_breaks(tmp_path: Path) -> None:
    data = collection(tmp_path / "data", clips=4)
    path = data / "clip 0.wav"
    content = path.read_bytes()
    nan = np.full(200, np.nan, np.float32).tobytes()
    path.write_bytes(content[:50_000] + nan + content[50_000 + len(nan) :])
    results = evaluate(data, tmp_path / "out", replace(QUICK, examples=2))
    assert list(results.excerpts) == ["clip 3"]  # the other was to be the first
    assert all(file.exists() for files in results.excerpts.values() for file in files.values())


def test_a_collection_in_which_every_clip_breaks_is_an_error(tmp_path: Path) -> None:
    data = collection(tmp_path / "data", clips=1)
    (path,) = data.iterdir()
    content = path.read_bytes()
    nan = np.full(200, np.nan, np.float32).tobytes()
    path.write_bytes(content[:50_000] + nan + content[50_000 + len(nan) :])
    with pytest.raises(InputError, match="no clip could be measured"):
        evaluate(data, tmp_path / "out", QUICK)


def test_stems_are_mixed_at_known_places_and_the_true_mix_keeps_them(tmp_path: Path) -> None:
    data = tmp_path / "stems"
    data.mkdir()
    low, high = song(4 * RATE), noise(4 * RATE, seed=5).diff(prepend=noise(1))
    rows = ["file,song,stem"]
    for name, sound in (("low", low), ("high", high)):
        Audio(sound.numpy(), RATE).write(data / f"{name}.wav", bit_depth="float")
        rows.append(f"{name}.wav,Song,{name}")
    (data / "manifest.csv").write_text("\n".join(rows))
    results = evaluate(data, tmp_path / "out", QUICK)
    assert results.clips == ["Song"]
    split = {s: results.summaries[s, "placement_bands"].value for s in (TRUTH, "decorrelate")}
    assert split[TRUTH] < split["decorrelate"]


def test_mono_recordings_are_measured_without_a_truth(tmp_path: Path) -> None:
    data = tmp_path / "mono"
    data.mkdir()
    for index in range(3):
        Audio(song(3 * RATE, seed=index).numpy(), RATE).write(data / f"{index}.wav")
    options = replace(QUICK, baselines=(), reference_free=True)
    results = evaluate(data, tmp_path / "out", options)
    assert results.systems == ["mono", "decorrelate"]
    keys = {column.key for column in results.columns}
    assert {"d_f_music", "width", "artifact", "fold_down", "loudness"} <= keys
    assert not {"lsd_side", "e_min", "d_f", "fad_bands_side"} & keys
    assert results.summaries["decorrelate", "d_f_music"].value < (
        results.summaries["mono", "d_f_music"].value
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"methods": ("nobody",)}, "no system 'nobody'"),
        ({"embeddings": ("ear",)}, "no embedding 'ear'"),
        ({"split": "hold"}, "no split 'hold'"),
    ],
)
def test_wrong_names_are_told_before_any_work(tmp_path: Path, changes, sentence: str) -> None:
    data = collection(tmp_path / "data", clips=1)
    with pytest.raises((OptionError, InputError), match=sentence):
        evaluate(data, tmp_path / "out", replace(QUICK, **changes))
    assert not (tmp_path / "out" / "measured").exists()


@pytest.mark.parametrize("changes", [{"seconds": -1.0}, {"seconds": 0.5}, {"takes": 0}])
def test_options_out_of_range_are_refused(changes) -> None:
    with pytest.raises(OptionError):
        EvaluationOptions(**changes)


def test_a_run_that_is_killed_goes_on_where_it_was(run, tmp_path: Path) -> None:
    data, _, results, _ = run
    output = tmp_path / "out"
    arguments = ["evaluate", data, "-o", output, "--methods", "decorrelate", "--baselines"]
    arguments += ["mono,coder", "--embeddings", "bands", "--examples", "1", "--takes", "2"]
    program = Path(sys.executable).with_name("soundstage")
    command = [str(part) for part in (program, *arguments, "--no-report", "--quiet")]
    child = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while len(times(output)) < 2 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    workers = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGKILL)
    child.wait()
    psutil.wait_procs(workers, timeout=20)
    before = times(output)
    assert 2 <= len(before) < 12
    subprocess.run(command, check=True)
    after = times(output)
    assert len(after) == 12
    assert {path: after[path] for path in before} == before
    again = evaluate(data, output, QUICK)
    assert_equal_but_for_time(again, results)


def test_the_public_face_has_it() -> None:
    assert soundstage.evaluate is evaluate
