"""`soundstage separate`."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

RATE = 22_050


def write(path, seed=0, channels=1, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(seed).normal(0, 0.1, (9_000, channels)).clip(-0.9, 0.9)
    soundfile.write(path, sound, RATE, subtype=subtype)
    return path


@pytest.fixture
def song(tmp_path):
    return write(tmp_path / "song.wav")


def summed(folder):
    return sum(soundfile.read(each, dtype="int32")[0].astype(np.int64) for each in folder.iterdir())


@pytest.fixture
def separate(command):
    return lambda *arguments: command("separate", *arguments, "--method", "hpss")


def test_sources_stand_beside_each_other_and_add_up(separate, song, tmp_path):
    code, out, err = separate(song, "-o", tmp_path / "stems")
    assert (code, err) == (0, "")
    folder = tmp_path / "stems" / "song"
    assert {each.name for each in folder.iterdir()} == {"harmonic.wav", "percussive.wav"}
    assert np.array_equal(summed(folder), soundfile.read(song, dtype="int32")[0])
    assert "2 sources" in out
    assert "the sum is the input" in out


def test_the_default_folder_is_beside_the_input(separate, song):
    assert separate(song)[0] == 0
    assert len(list((song.parent / "song-stems").iterdir())) == 2


def test_folders_keep_their_structure_and_results_are_no_inputs(separate, records, tmp_path):
    write(tmp_path / "in" / "a.wav")
    write(tmp_path / "in" / "deep" / "b.flac", seed=1)
    first = records(separate(tmp_path / "in", "--json")[1])
    assert len(first["done"]) == 2
    assert (tmp_path / "in" / "deep" / "b-stems" / "harmonic.flac").exists()
    again = records(separate(tmp_path / "in", "--json", "--skip-existing")[1])
    assert len(again["skipped"]) == 6
    assert not again["done"]


def test_json_has_the_sources_and_their_kinds(separate, records, song):
    (done,) = records(separate(song, "--json")[1])["done"]
    assert [each["kind"] for each in done["files"]] == ["residual", "drums"]
    assert sum(each["energy"] for each in done["files"]) == pytest.approx(1)
    assert done["sum_error_db"] is None  # no error at all
    assert done["gain_db"] == 0


@pytest.mark.slow
def test_worker_processes_make_the_same_files(separate, tmp_path):
    songs = [write(tmp_path / f"{name}.wav", seed) for seed, name in enumerate("ab")]
    for folder, jobs in (("one", 1), ("two", 2)):
        assert separate(*songs, "-o", tmp_path / folder, "--jobs", jobs)[0] == 0
    for path in sorted((tmp_path / "one").rglob("*.wav")):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes()


def test_format_and_bit_depth(separate, song, tmp_path):
    assert separate(song, "-o", tmp_path / "s", "--format", "flac", "--bit-depth", 24)[0] == 0
    info = soundfile.info(tmp_path / "s" / "song" / "percussive.flac")
    assert (info.format, info.subtype) == ("FLAC", "PCM_24")


def test_a_dry_run_writes_nothing(separate, song):
    code, out, _ = separate(song, "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["folder"] == str(song.parent / "song-stems")
    assert [each.name for each in song.parent.iterdir()] == ["song.wav"]


def test_an_existing_result_needs_an_option(separate, refused, song):
    assert separate(song)[0] == 0
    sentence = refused("separate", song, "--method", "hpss")
    assert "--skip-existing or --overwrite" in sentence
    assert separate(song, "--overwrite")[0] == 0
    assert "exclude each other" in refused(
        "separate", song, "--method", "hpss", "--overwrite", "--skip-existing"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--method", "magic"), "choose one of stems, formation, hpss"),
        (("--method", "hpss", "--weights", "x.safetensors"), "leave --weights out"),
        (("--method", "hpss", "--format", "xyz"), "cannot be written"),
        (("--method", "hpss", "--format", "flac", "--bit-depth", "float"), "bit depth"),
        (("--method", "hpss", "-o", "stems.wav"), "name a folder"),
        (("--method", "hpss", "--device", "abacus"), "--device must be"),
    ],
)
def test_refusals_are_one_sentence(refused, song, options, words):
    assert words in refused("separate", song, *options)


def test_a_missing_file_is_one_sentence(refused, tmp_path):
    assert "no-such.wav" in refused("separate", tmp_path / "no-such.wav", "--method", "hpss")


def test_one_bad_file_leaves_the_others(separate, song, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    code, out, err = separate(song, bad, "-o", tmp_path / "stems")
    assert code == 2
    assert (tmp_path / "stems" / "song" / "harmonic.wav").exists()
    assert "bad.wav" in err
    assert "1 done" in out


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_leaves_no_file_and_ends_by_its_signal(tmp_path, jobs):
    sound = np.random.default_rng(0).normal(0, 0.1, 44_100 * 600).astype(np.float32)
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", sound, 44_100, subtype="PCM_16")
    command = [sys.executable, "-m", "soundstage", "separate", "a.wav", "b.wav", "-o", "out"]
    command += ["--method", "hpss", "--jobs", str(jobs)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/*/.*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert err == "soundstage: interrupted; no unfinished file was left behind.\n"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a.wav", "b.wav"]
