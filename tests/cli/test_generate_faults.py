"""`soundstage generate` with bad prompts, options, sounds, targets and signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spheres import grid, sphere_head, write_sofa

RATE = 16_000
PROMPT = "a dog barking to the left"


@pytest.fixture(scope="module")
def hrtf(tmp_path_factory):
    """A small HRTF set, which loads quickly."""
    return write_sofa(tmp_path_factory.mktemp("hrtf") / "sphere.sofa", sphere_head(grid(45)))


def noise(seconds=0.5, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


@pytest.fixture
def library(tmp_path):
    """Three sounds of the user's own."""
    folder = tmp_path / "library"
    folder.mkdir()
    for seed, name in enumerate(["dog barking", "rain", "car passing"]):
        soundfile.write(folder / f"{name}.wav", noise(seed=seed), RATE)
    return folder


@pytest.fixture
def options(library, hrtf):
    """Options of a small and quick run."""
    return ["--library", library, "--hrtf", hrtf, "--rate", "16000"]


@pytest.fixture
def refused(command):
    """Runs a command that has to fail in one sentence, and returns it.

    What was understood of the prompt may be printed before.
    """

    def run(*arguments):
        code, out, err = command(*arguments)
        assert code == 2, out + err
        assert not out or out.startswith("Understood:")
        assert err.startswith("soundstage: ")
        assert err.count("\n") == 1
        assert len(err) < 500
        assert "`" not in err
        return err

    return run


def files(folder):
    """Everything in a folder, hidden files too, but the library."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "library")


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("", "prompt"),
        ("   ", "prompt"),
        ("to the left", "left"),
        ("a dog barking at 400 parsecs", "parsecs"),
        ("a dog barking at 13 o'clock", "13"),
        ("a dog barking not to the left", "not"),
        ("a dog barking " * 2000, ""),
        ("EVENT: dog & LOCATION: DOA ninety degrees-ish", ""),
        ("\x1b]0;title\x07", ""),
        ("a dog barking for 5 years", ""),
    ],
)
def test_a_prompt_that_is_not_understood_is_one_sentence_with_its_words(
    refused, options, tmp_path, monkeypatch, prompt, named
):
    monkeypatch.chdir(tmp_path)
    assert named in refused("generate", prompt, *options)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "bad",
    [
        "--seconds 0",
        "--seconds nan",
        "--seconds 1e9",
        "--rate 4000",
        "--rate 1000000",
        "--room 6x4",
        "--room cathedral-of-nowhere",
        "--room 0x0x0",
        "--source unknown",
        "--source library=",
        "--source mono=folder",
        "--source diffusers",
        "--source dualspec --library sounds",
        "--steps 0 --source mono",
        "--guidance nan --source mono",
        "--vocoder unknown --source mono",
        "--vocoder hifigan=nowhere --source mono",
        "--weights missing.safetensors --source mono",
        "--weights text.safetensors --source dualspec",
        "--hrtf missing.sofa",
        "--hrtf text.sofa",
        "--format xyz",
        "--format mp3 --bit-depth 24",
        "--bit-depth 17",
        "--device tpu --source mono",
        "--loop --seconds 3000",
        "--scene scene.txt",
        "--plot picture.txt",
        "--output x.xyz",
    ],
)
def test_a_bad_option_is_one_sentence_and_nothing_is_written(
    refused, options, tmp_path, monkeypatch, bad
):
    monkeypatch.chdir(tmp_path)
    for name in ("text.safetensors", "text.sofa"):
        Path(name).write_text("these are words")
    before = files(tmp_path)
    without = [] if "--source" in bad else options
    refused("generate", PROMPT, *without, *bad.split())
    assert files(tmp_path) == before


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "text only", "no sound for it"])
def test_a_library_that_cannot_serve_is_one_sentence(
    refused, options, library, tmp_path, monkeypatch, kind
):
    monkeypatch.chdir(tmp_path)
    for path in library.iterdir():
        path.unlink()
    if kind == "missing":
        library.rmdir()
    elif kind == "file":
        library.rmdir()
        library.write_text("words")
    elif kind == "text only":
        (library / "dog.wav").write_text("these are words")
    elif kind == "no sound for it":
        soundfile.write(library / "violin.wav", noise(), RATE)
    refused("generate", PROMPT, "--source", "library", *options)
    assert files(tmp_path) == []


@pytest.mark.parametrize("damage", ["text", "nan", "silent", "cut"])
def test_a_damaged_sound_of_the_library_does_not_stop_the_others(
    command, options, library, tmp_path, damage
):
    bad = library / "cat.wav"
    if damage == "text":
        bad.write_text("these are words")
    elif damage == "nan":
        soundfile.write(bad, np.full(8000, np.nan), RATE, subtype="FLOAT")
    elif damage == "silent":
        soundfile.write(bad, np.zeros(8000), RATE)
    else:
        soundfile.write(bad, noise(2.0), RATE)
        bad.write_bytes(bad.read_bytes()[:20_000])
    code, _, err = command("generate", PROMPT, *options, "-o", tmp_path / "x.wav")
    assert code == 0, err
    assert np.isfinite(soundfile.read(tmp_path / "x.wav")[0]).all()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"events": []}',
        '{"events": [{"text": "dog", "azimuth": NaN}]}',
        '{"events": [{"text": "dog", "azimuth": "left"}]}',
        '{"events": [{"text": "dog", "bearing": 3}]}',
        '{"events": [{"text": "dog", "count": 100000000}]}',
        "[" * 100_000,
        '{"events": ' + "9" * 5000 + "}",
    ],
)
def test_a_description_that_is_not_valid_is_one_sentence(refused, options, tmp_path, content):
    path = tmp_path / "description.json"
    path.write_text(content)
    refused("generate", path, *options, "-o", tmp_path / "x.wav")
    assert files(tmp_path) == ["description.json"]


def test_existing_files_are_kept_without_overwrite_and_nothing_else_is_written(
    refused, options, tmp_path
):
    """Each of the four outputs, before any work is done."""
    targets = {"-o": "x.wav", "--scene": "scene.json", "--plot": "x.png"}
    for option, name in targets.items():
        precious = tmp_path / name
        precious.write_bytes(b"precious")
        others = [w for o, n in targets.items() if o != option for w in (o, tmp_path / n)]
        refused("generate", PROMPT, *options, option, precious, *others)
        assert precious.read_bytes() == b"precious"
        assert files(tmp_path) == [name]
        precious.unlink()


def test_a_failed_run_leaves_existing_files_as_they_were(refused, options, tmp_path, library):
    target = tmp_path / "x.wav"
    target.write_bytes(b"precious")
    (library / "dog barking.wav").unlink()
    words = ["--overwrite", "--source", "library", "-o", target]
    refused("generate", PROMPT, *options, *words)
    assert target.read_bytes() == b"precious"
    assert files(tmp_path) == ["x.wav"]


@pytest.mark.parametrize("place", ["file/x.wav", "x.xyz"])
def test_an_impossible_target_is_one_sentence(refused, options, tmp_path, place):
    (tmp_path / "file").write_text("words")
    refused("generate", PROMPT, *options, "-o", tmp_path / place)
    assert files(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_sentence(refused, options, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    refused("generate", PROMPT, *options, "-o", folder / "x.wav")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(refused, options, tiny_disk):
    long = [*options, "--seconds", "20"]
    refused("generate", "rain all around", *long, "-o", tiny_disk / "x.wav")
    assert list(tiny_disk.iterdir()) == []


def test_names_from_a_prompt_stay_in_the_folder(command, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command(
        "generate",
        "a dog barking/../../../etc to the left",
        *options,
        "--stems",
        tmp_path / "stems",
    )
    outside = [name for name in files(tmp_path) if ".." in name]
    assert not outside
    if code == 0:
        assert all(Path(name).suffix == ".wav" for name in files(tmp_path))
    else:
        assert err.startswith("soundstage: ")


def test_a_scene_file_of_a_generated_scene_names_only_files_beside_it(command, options, tmp_path):
    scene = tmp_path / "out" / "scene.json"
    code, _, err = command("generate", PROMPT, *options, "-o", tmp_path / "x.wav", "--scene", scene)
    assert code == 0, err
    sources = json.loads(scene.read_text())["sources"]
    assert all((scene.parent / source["file"]).is_file() for source in sources)
    assert not any(Path(source["file"]).is_absolute() for source in sources)


ODD_NAMES = [
    "dog barking \x1b]0;title\x07",
    "dog barking \u72ac",
    "dog barking \udcff",
    "dog barking\n",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_of_sounds_are_used_and_printed_escaped(
    command, options, library, tmp_path, name
):
    (library / "dog barking.wav").rename(library / f"{name}.wav")
    scene = ["--scene", tmp_path / "scene.json"]
    words = [*options, "--source", "library", *scene]
    code, out, err = command("generate", PROMPT, *words, "-o", tmp_path / "x.wav")
    assert code == 0, err
    assert "\x1b" not in out + err
    assert "\x07" not in out + err
    assert soundfile.info(tmp_path / "x.wav").channels == 2
    assert json.loads((tmp_path / "scene.json").read_text())["sources"]


def test_a_loop_of_links_in_a_library_ends(command, options, library, tmp_path):
    (library / "again").symlink_to(library, target_is_directory=True)
    code, _, err = command("generate", PROMPT, *options, "-o", tmp_path / "x.wav")
    assert code == 0, err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_the_letters_gets_its_lines(options, library, tmp_path, encoding):
    (library / "dog barking.wav").rename(library / "dog barking \u72ac.wav")
    words = ["generate", PROMPT, *options, "-o", tmp_path / "x.wav"]
    run = subprocess.run(
        [sys.executable, "-m", "soundstage", *map(str, words)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert run.returncode == 0, run.stderr
    assert b"Traceback" not in run.stderr
    assert (tmp_path / "x.wav").is_file()


@pytest.mark.parametrize(
    "prompt", ["\udcff barking to the left", "a\x00dog to the left", "\u202edog left"]
)
def test_a_prompt_with_odd_characters_is_no_traceback(
    command, options, tmp_path, monkeypatch, prompt
):
    monkeypatch.chdir(tmp_path)
    code, out, err = command("generate", prompt, *options, "--scene", "scene.json")
    assert code in (0, 2)
    assert "\u202e" not in out + err
    assert "\x00" not in out + err
    assert all("\udcff" not in name for name in files(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 128 + signal.SIGTERM)],
)
def test_an_interrupted_run_leaves_no_file(options, tmp_path, number, code):
    results = tmp_path / "results"
    results.mkdir()
    target = results / "x.wav"
    target.write_bytes(b"precious")
    long = ["--seconds", "900", "-o", target, "--overwrite"]
    with subprocess.Popen(
        [sys.executable, "-m", "soundstage", "generate", "rain all around", *options, *long],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while len(files(results)) < 2:  # until it writes
                assert time.monotonic() < deadline
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == code
    assert "no unfinished file was left behind" in err
    assert files(results) == ["x.wav"]
    assert target.read_bytes() == b"precious"
