"""An evaluation from end to end, on sound made here."""

import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from sounds import RATE, noise, song, stereo_scene
from soundstage import evaluate
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError
from soundstage.evaluation import statistics
from soundstage.evaluation.markdown_tables import summary_table
from soundstage.evaluation.results import FLOOR, TRUTH
from soundstage.metrics.image import normalized_width
from soundstage.metrics.loudness import integrated_loudness

QUICK = {
    "methods": ["decorrelate"],
    "baselines": ["mono", "coder"],
    "embeddings": ["bands"],
    "examples": 1,
    "takes": 2,
    "report": False,
}


def collection(folder: Path, clips: int = 3, seconds: int = 2) -> Path:
    folder.mkdir()
    for index in range(clips):
        scene = stereo_scene(seconds * RATE, seed=10 * index)
        Audio(scene.numpy(), RATE).write(folder / f"clip {index}.wav", bit_depth="float")
    return folder


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """Intervals of distances cost most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "SET_RESAMPLES", 20)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """Data, output and results of one quick evaluation."""
    place = tmp_path_factory.mktemp("evaluation")
    data, output = collection(place / "data"), place / "out"
    reported: list[float] = []
    results = evaluate(str(data), output, **QUICK, progress=reported.append)
    return data, output, results, reported


def test_systems_and_clips_are_in_order_with_the_floor(run) -> None:
    _, _, results, _ = run
    assert results.systems == [TRUTH, FLOOR, "mono", "coder", "decorrelate"]
    assert results.clips == ["clip 0", "clip 1", "clip 2"]
    assert results.summaries[FLOOR, "d_f"].value > 0


def test_progress_rises_with_every_clip(run) -> None:
    *_, reported = run
    assert reported == sorted(reported)
    assert reported[0] == 0
    assert len(reported) == 4


def test_scores_are_those_of_the_metrics(run) -> None:
    data, _, results, _ = run
    for index, clip in enumerate(results.clips):
        stereo = Audio.read(data / f"{clip}.wav").samples
        width = float(normalized_width(torch.tensor(stereo)))
        assert results.scores[TRUTH, "width"][index] == pytest.approx(width, rel=1e-5)
    assert results.scores["mono", "width"].tolist() == [0, 0, 0]
    assert results.summaries[TRUTH, "d_f"].value == 0
    assert results.summaries[TRUTH, "e_min"].value == 0
    assert (results.scores["decorrelate", "fold_down"] < -120).all()


def test_distances_of_the_set_have_the_expected_order(run) -> None:
    *_, results, _ = run
    value = {system: results.summaries[system, "d_f"].value for system in results.systems}
    assert value[TRUTH] < value["coder"] < min(value["decorrelate"], value["mono"])
    side = {s: results.summaries[s, "fad_bands_side"].value for s in ("mono", "coder")}
    assert side["coder"] < side["mono"] < math.inf
    for system in ("mono", "coder"):  # their mid is the mono
        assert results.summaries[system, "fad_bands_mid"].value == pytest.approx(0, abs=1e-3)


def test_a_second_run_reuses_all_results(run) -> None:
    data, output, results, _ = run
    before = times(output)
    reported: list[float] = []
    again = evaluate(data, output, **QUICK, progress=reported.append)
    assert len(reported) == 1
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


@pytest.mark.slow
def test_an_added_method_costs_only_its_own_work(run) -> None:
    data, output, results, _ = run
    before = times(output)
    more = evaluate(data, output, **{**QUICK, "methods": ["decorrelate", "comb"]})
    assert more.systems[-2:] == ["decorrelate", "comb"]
    assert {path: time for path, time in times(output).items() if path in before} == before
    assert same(more, results)


@pytest.mark.slow
def test_two_processes_have_the_same_results(run, tmp_path: Path) -> None:
    data, _, results, _ = run
    found = evaluate(data, tmp_path / "out", **QUICK, jobs=2)
    assert_equal_but_for_time(found, results)


def test_excerpts_have_equal_length_and_loudness(run) -> None:
    *_, results, _ = run
    (clip,) = results.excerpts
    sounds = [Audio.read(path) for path in results.excerpts[clip].values()]
    assert len(sounds) == 4
    assert len({sound.frames for sound in sounds}) == 1
    for sound in sounds:
        loudness = integrated_loudness(torch.tensor(sound.samples), RATE)
        assert loudness == pytest.approx(-23, abs=0.1)


def damage(path: Path) -> None:
    """Put samples that are not finite into the middle of a float WAV file."""
    content = path.read_bytes()
    nan = np.full(200, np.nan, np.float32).tobytes()
    path.write_bytes(content[:50_000] + nan + content[50_000 + len(nan) :])


def test_a_damaged_clip_is_skipped_with_a_message(tmp_path: Path) -> None:
    data = collection(tmp_path / "data", clips=2, seconds=1)
    damage(data / "clip 1.wav")
    results = evaluate(data, tmp_path / "out", **{**QUICK, "examples": 2})
    assert results.clips == ["clip 0"]
    assert list(results.excerpts) == ["clip 0"]
    assert all(path.exists() for path in results.excerpts["clip 0"].values())
    assert any("clip 1.wav" in reason for reason in results.skipped)
    damage(data / "clip 0.wav")
    with pytest.raises(InputError, match="no clip could be measured"):
        evaluate(data, tmp_path / "none", **QUICK)


def test_tables_and_report_are_written(tmp_path: Path) -> None:
    data = collection(tmp_path / "data", clips=1, seconds=1)
    results = evaluate(data, tmp_path / "out", **{**QUICK, "report": True})
    names = ["table.csv", "table.parquet", "tables.md", "report.html"]
    assert [path.name for path in results.files] == names
    assert all(path.stat().st_size for path in results.files)
    assert "### Parametric stereo, Table 1" in (tmp_path / "out" / "tables.md").read_text("utf-8")


def test_stems_are_mixed_at_known_positions(tmp_path: Path) -> None:
    data = tmp_path / "stems"
    data.mkdir()
    low, high = song(4 * RATE), noise(4 * RATE, seed=5).diff(prepend=noise(1))
    rows = ["file,song,stem"]
    for name, sound in (("low", low), ("high", high)):
        Audio(sound.numpy(), RATE).write(data / f"{name}.wav", bit_depth="float")
        rows.append(f"{name}.wav,Song,{name}")
    (data / "manifest.csv").write_text("\n".join(rows))
    results = evaluate(data, tmp_path / "out", **QUICK)
    assert results.clips == ["Song"]
    split = {s: results.summaries[s, "placement_bands"].value for s in (TRUTH, "decorrelate")}
    assert split[TRUTH] < split["decorrelate"]
    value = {s: {c.key: results.summaries.get((s, c.key)) for c in results.columns} for s in split}
    assert value[TRUTH]["placement_spread"].value > 3
    contrast = {s: value[s]["placement_contrast"].value for s in split}
    assert contrast["decorrelate"] < contrast[TRUTH]
    assert contrast[TRUTH] > 0.8
    assert value[TRUTH]["torn"].value < value["decorrelate"]["torn"].value
    assert value[TRUTH]["lead_center"] is None  # no stem is a lead
    assert "placement contrast" in summary_table(results)


def test_mono_recordings_are_measured_without_a_truth(tmp_path: Path) -> None:
    data = tmp_path / "mono"
    data.mkdir()
    for index in range(3):
        Audio(song(3 * RATE, seed=index).numpy(), RATE).write(data / f"{index}.wav")
    options = {**QUICK, "baselines": [], "reference_free": True}
    results = evaluate(data, tmp_path / "out", **options)
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
        ({"methods": ["nobody"]}, "Unknown system 'nobody'"),
        ({"embeddings": ["ear"]}, "Unknown embedding 'ear'"),
        ({"split": "hold"}, "no split 'hold'"),
    ],
)
def test_wrong_names_are_refused_before_any_work(tmp_path: Path, changes, sentence: str) -> None:
    data = collection(tmp_path / "data", clips=1)
    with pytest.raises((OptionError, InputError), match=sentence):
        evaluate(data, tmp_path / "out", **{**QUICK, **changes})
    assert not (tmp_path / "out" / "measured").exists()


def test_options_out_of_range_are_refused(tmp_path: Path) -> None:
    for changes in ({"seconds": -1.0}, {"seconds": 0.5}, {"takes": 0}):
        with pytest.raises(OptionError, match="`seconds`"):
            evaluate(tmp_path, tmp_path / "out", **changes)


@pytest.mark.slow
def test_a_killed_run_continues_where_it_stopped(run, tmp_path: Path) -> None:
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
    again = evaluate(data, output, **QUICK)
    assert_equal_but_for_time(again, results)


@pytest.mark.slow
def test_two_evaluations_in_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    data = collection(tmp_path / "data", clips=2)
    program = (
        "import sys, soundstage\n"
        f"soundstage.evaluate({str(data)!r}, {str(tmp_path / 'out')!r}, methods=[sys.argv[1]], "
        "baselines=[], embeddings=[], examples=1, takes=1, report=False)\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, name]) for name in ("comb", "comb")]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert not list((tmp_path / "out").rglob(".*"))
    names = {path.name for path in (tmp_path / "out").rglob("measured/*/*.safetensors")}
    assert {name.partition("-")[0] for name in names} == {
        "comb.safetensors",
        "mono.safetensors",
        "true",
    }
