"""`soundstage generate`."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

import stand_in_sources
from soundstage.scene import SceneDescription, SceneEvent
from spheres import grid, sphere_head, write_sofa

SENTENCE = "a dog barking on the left, rain all around"


@pytest.fixture(scope="module")
def hrtf(tmp_path_factory):
    return write_sofa(tmp_path_factory.mktemp("hrtf") / "head.sofa", sphere_head(grid(45)))


@pytest.fixture
def generate(command, hrtf, tmp_path, monkeypatch):
    """`soundstage generate` with stand-ins, at a low rate, in an empty working folder."""
    stand_in_sources.use(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: command("generate", *arguments, "--hrtf", hrtf, "--rate", 16_000)


def test_a_sentence_becomes_a_file_and_is_explained(generate, tmp_path):
    code, out, err = generate(SENTENCE, "--seconds", "1")
    assert (code, err) == (0, "")
    target = tmp_path / "dog-barking-rain.wav"
    info = soundfile.info(target)
    assert (info.channels, info.samplerate, info.subtype) == (2, 16_000, "PCM_24")
    assert info.frames == 16_000
    assert out.startswith("Understood:\n")
    for part in (
        "on the left: azimuth 90°",
        "dog barking: 90° (on the left), 1.5 m away",
        "library: dog barking, dog barking 0 by Ada (CC0)",
        "rain: all around, from 6 directions",
        "dog-barking-rain.wav: 1.0 s, PCM_24",
    ):
        assert part in out
    assert [path.name for path in tmp_path.iterdir()] == ["dog-barking-rain.wav"]


def test_takes_have_scenes_stems_and_pictures(generate, tmp_path):
    pytest.importorskip("matplotlib")
    options = ["--takes", "2", "--scene", "s.json", "--stems", "stems", "--plot", "p.png"]
    code, out, err = generate("a dog barking on the left", "-o", "out/a.flac", *options)
    assert (code, err) == (0, "")
    assert "2 files: 2 done." in out
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert written == {
        *("out/a-1.flac", "out/a-2.flac", "s-1.json", "s-2.json", "p-1.png", "p-2.png"),
        *(f"stems/take-{take}/1-dog-barking.wav" for take in (1, 2)),
    }
    first, second = (soundfile.read(tmp_path / "out" / f"a-{take}.flac")[0] for take in (1, 2))
    assert not np.array_equal(first, second)


def test_the_same_command_gives_the_same_bytes_as_binaural_on_its_scene(
    generate, command, tmp_path
):
    assert generate(SENTENCE, "-o", "a.wav", "--scene", "a.json", "--seconds", "1")[0] == 0
    assert generate(SENTENCE, "-o", "b.wav", "--seconds", "1", "--quiet") == (0, "", "")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    code, _, err = command("binaural", "a.json", "-o", "again.wav")
    assert (code, err) == (0, "")
    one, again = (soundfile.read(tmp_path / name)[0] for name in ("a.wav", "again.wav"))
    assert np.array_equal(one, again)


def test_dry_runs_print_the_parse_and_write_nothing(generate, tmp_path):
    code, out, err = generate(SENTENCE, "--dry-run", "--takes", "2")
    assert (code, err) == (0, "")
    assert out.splitlines()[-2:] == ["dog-barking-rain-1.wav", "dog-barking-rain-2.wav"]
    code, out, _ = generate(SENTENCE, "--dry-run", "--json")
    record = json.loads(out)
    assert (code, record["status"]) == (0, "planned")
    assert [event["text"] for event in record["description"]["events"]] == ["dog barking", "rain"]
    assert list(tmp_path.iterdir()) == []


def test_json_has_places_times_and_credits(generate, records):
    code, out, err = generate("a dog barking on the left", "-o", "a.wav", "--json")
    assert (code, err) == (0, "")
    (record,) = records(out)["done"]
    assert record["events"] == [
        {"text": "dog barking", "place": "90° (on the left), 1.5 m away", "start": 0, "end": 0.6}
    ]
    assert record["credits"] == ["dog barking, dog barking 0 by Ada (CC0)"]
    assert (record["target"], record["seed"]) == ("a.wav", 0)


def test_a_description_in_a_file_is_generated(generate, tmp_path):
    description = SceneDescription((SceneEvent("click", azimuth=-90.0),), text="a click")
    (tmp_path / "d.json").write_text(description.to_json())
    code, out, err = generate("d.json", "-o", "a.wav")
    assert (code, err) == (0, "")
    assert "click: -90° (on the right)" in out


def test_existing_files_are_kept_unless_asked(generate, tmp_path):
    for name in ("a.wav", "s.json"):
        (tmp_path / name).write_text("mine")
    options = ["a click ahead", "-o", "a.wav"]
    for more in ([], ["--scene", "s.json"]):
        code, _, err = generate(*options, *more)
        assert code == 2
        assert "exists" in err
        options[2] = "b.wav"
    assert (tmp_path / "a.wav").read_text() == "mine"
    assert generate("a click ahead", "-o", "a.wav", "--overwrite")[0] == 0
    assert soundfile.info(tmp_path / "a.wav").frames > 0


REFUSED = [
    (["a dog barking at the port bow"], "port bow"),
    (["a unicorn singing on the left"], "no sound for"),
    (["a click ahead", "--source", "tape"], "no source 'tape'"),
    (["a click ahead", "--room", "castle"], "no room 'castle'"),
    (["a click ahead", "--seconds", "0"], "--seconds is 0.1"),
    (["a click ahead", "-o", "a.xyz"], ".xyz"),
    (["a click ahead", "-o", "a.ogg", "--bit-depth", "24"], "bit depth"),
    (["a click ahead", "--scene", "a.txt"], ".json"),
    (["a click ahead", "--plot", "a.svg"], ".png"),
    (["a click ahead", "--library", "x", "--source", "mono"], "--library is a folder"),
    (["gone.json"], "gone.json"),
]


@pytest.mark.parametrize(("arguments", "reason"), REFUSED, ids=lambda value: str(value)[:30])
def test_errors_are_one_sentence(refused, tmp_path, monkeypatch, arguments, reason):
    stand_in_sources.use(monkeypatch)
    monkeypatch.chdir(tmp_path)
    try:
        assert reason in refused("generate", *arguments, "--quiet")
    finally:
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_leaves_no_file(tmp_path):
    arguments = [
        "generate",
        "rain all around",
        "--seconds",
        "1000",
        "--scene",
        "a.json",
        "-o",
        "a.wav",
    ]
    program = "from soundstage.cli.main import run_and_exit; run_and_exit()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert "no unfinished file" in process.communicate(timeout=120)[1]
    assert process.returncode == -signal.SIGINT
    assert list(tmp_path.iterdir()) == []
