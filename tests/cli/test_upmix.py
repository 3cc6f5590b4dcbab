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

RATE = 44_100
SENTENCE_LIMIT = 400  # characters; more than that is not one sentence


def tone(seconds=0.5, rate=RATE):
    time_axis = np.arange(round(seconds * rate)) / rate
    return 0.3 * np.sin(2 * np.pi * 220 * time_axis) * np.exp(-3 * time_axis)


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, tone(), RATE, subtype="PCM_16")
    return path


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_a_mono_file_becomes_stereo_that_folds_back_bit_for_bit(command, mono, tmp_path):
    code, out, _ = command("upmix", mono)
    assert code == 0
    target = tmp_path / "mono-stereo.wav"
    assert str(target) in out
    stereo, rate = soundfile.read(target, dtype="int16")
    original, _ = soundfile.read(mono, dtype="int16")
    assert rate == RATE
    assert np.array_equal(stereo.astype(int).sum(axis=1), 2 * original.astype(int))
    assert not np.array_equal(stereo[:, 0], stereo[:, 1])
    assert leftovers(tmp_path) == []


def test_json_reports_what_was_done(command, mono, tmp_path):
    code, out, _ = command("upmix", mono, "--method", "comb", "--seed", 3, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["failed"] == []
    (done,) = report["done"]
    assert (done["method"], done["seed"], done["frames"]) == ("comb", 3, len(tone()))
    assert done["exact_fold_down"] is True
    assert done["real_time_factor"] > 0


def test_json_of_silence_is_json(command, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(1000), RATE)
    code, out, _ = command("upmix", tmp_path / "silent.wav", "--json")
    assert code == 0
    (done,) = json.loads(out, parse_constant=pytest.fail)["done"]
    assert done["true_peak_db"] is None


def test_a_dry_run_says_what_would_be_done_and_does_nothing(command, mono, tmp_path):
    code, out, _ = command("upmix", mono, "--dry-run", "--takes", 2, "--json")
    planned = json.loads(out)["planned"]
    assert code == 0
    assert [(job["seed"], Path(job["target"]).name) for job in planned] == [
        (0, "mono-stereo-1.wav"),
        (1, "mono-stereo-2.wav"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mono.wav"]


def test_takes_differ_and_each_folds_back(command, mono, tmp_path):
    assert command("upmix", mono, "--takes", 2, "--quiet")[:2] == (0, "")
    one, two = (
        soundfile.read(tmp_path / f"mono-stereo-{take}.wav", dtype="int16")[0].astype(int)
        for take in (1, 2)
    )
    assert not np.array_equal(one, two)
    assert np.array_equal(one.sum(axis=1), two.sum(axis=1))


def test_takes_are_compared_in_words_and_in_a_picture(command, mono, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, _ = command("upmix", mono, "--takes", 3)
    assert code == 0
    assert out.count("real time") == 3
    assert "Most alike are takes" in out
    assert (tmp_path / "mono-takes.png").read_bytes().startswith(b"\x89PNG")
    assert leftovers(tmp_path) == []


def test_json_of_takes_has_their_descriptors_and_differences(command, mono, tmp_path):
    code, out, _ = command("upmix", mono, "--takes", 2, "--no-sheet", "--json")
    assert code == 0
    told = json.loads(out, parse_constant=pytest.fail)
    assert [done["seed"] for done in told["done"]] == [0, 1]
    (compared,) = told["takes"]
    assert compared["sheet"] is None
    assert compared["takes"][1]["descriptors"]["width"] > 0
    assert compared["differences"][0][1] == compared["differences"][1][0] > 0
    assert not (tmp_path / "mono-takes.png").exists()


@pytest.mark.parametrize("asked", [[], ["--sheet"]])
def test_without_matplotlib_takes_are_made_and_a_sheet_that_was_asked_for_is_refused(
    command, mono, tmp_path, monkeypatch, asked
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = command("upmix", mono, "--takes", 2, *asked)
    assert err.count("\n") == 1
    assert "soundstage[eval]" in err
    assert code == (2 if asked else 0)
    assert (tmp_path / "mono-stereo-1.wav").exists() == (not asked)


@pytest.mark.parametrize("name", ["mono-stereo-2.wav", "mono-takes.png"])
def test_whatever_of_the_takes_exists_is_kept_and_nothing_is_made(command, mono, tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    code, out, err = command("upmix", mono, "--takes", 2, "--sheet")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "mono.wav"])
    assert (tmp_path / name).read_bytes() == b"precious"


def test_a_folder_is_done_and_failures_are_listed_at_the_end(command, mono, tmp_path):
    (tmp_path / "broken.wav").write_text("these are words")
    soundfile.write(tmp_path / "other.flac", tone(), RATE)
    results = tmp_path / "results"
    results.mkdir()
    code, out, err = command("upmix", tmp_path, "-o", results, "--name", "{stem}_{method}{ext}")
    assert code == 2
    assert sorted(path.name for path in results.iterdir()) == [
        "mono_masked.wav",
        "other_masked.flac",
    ]
    assert "1 of 3 failed" in err
    assert "broken.wav" in err
    assert out.count("real time") == 2


def test_the_format_and_depth_can_be_chosen(command, mono, tmp_path):
    code, _, _ = command("upmix", mono, "--format", "flac", "--bit-depth", "24")
    assert code == 0
    assert soundfile.info(tmp_path / "mono-stereo.flac").subtype == "PCM_24"


def test_the_mixing_decoder_says_that_the_fold_down_is_not_exact(command, mono, tmp_path):
    code, out, _ = command("upmix", mono, "--decoder", "mixing")
    assert code == 0
    assert "fold-down is not exact" in out


def make_bad(kind, folder):
    """A source that cannot be used, and options to go with it."""
    path = folder / "bad.wav"
    sound = tone()
    if kind == "missing":
        return path, []
    if kind == "empty":
        path.touch()
    elif kind == "directory without sound":
        path.mkdir()
    elif kind == "text":
        path.write_text("these are words, and quite a few of them " * 100)
    elif kind == "no samples":
        soundfile.write(path, sound[:0], RATE)
    elif kind in ("nan", "inf"):
        sound[1000] = float(kind)
        soundfile.write(path, sound, RATE, subtype="FLOAT")
    elif kind in ("3 channels", "8 channels"):
        channels = int(kind[0])
        soundfile.write(path, np.stack([sound * (c + 1) / 9 for c in range(channels)], 1), RATE)
    elif kind == "true stereo":
        soundfile.write(path, np.stack([sound, 0.5 * sound[::-1]], 1), RATE)
    elif kind == "384 kHz":
        soundfile.write(path, tone(rate=384_000), 384_000)
    elif kind.startswith("truncated"):
        path = folder / f"bad.{kind.split()[1]}"
        noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)
        soundfile.write(path, noise, RATE)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
    else:
        soundfile.write(path, sound, RATE)
        return path, kind.split()
    return path, []


BAD = [
    "missing",
    "empty",
    "directory without sound",
    "text",
    "no samples",
    "nan",
    "inf",
    "3 channels",
    "8 channels",
    "true stereo",
    "384 kHz",
    "truncated wav",
    "truncated flac",
    "truncated mp3",
    "--method unheard",
    "--seed 99999999999999999999999",
    "--width 2.5",
    "--width nan",
    "--bass-mono 5",
    "--center-focus -1",
    "--decoder guess",
    "--method comb --decoder mixing",
    "--bit-depth 17",
    "--weights nowhere.safetensors",
    "--name {singer}{ext}",
    "--sheet",
    "--style unheard-of",
    "--method comb --style wide",
]


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_sentence_and_exit_2_and_costs_no_file(command, tmp_path, kind):
    source, options = make_bad(kind, tmp_path)
    target = tmp_path / "precious.wav"
    target.write_bytes(b"precious")
    before = sorted(path.name for path in tmp_path.iterdir())
    output = [] if "--name" in kind else ["-o", target]
    code, out, err = command("upmix", source, *output, "--overwrite", *options)
    assert code == 2
    assert out == ""
    assert err.startswith("soundstage: ")
    assert err.count("\n") == 1
    assert len(err) < SENTENCE_LIMIT
    assert "Traceback" not in err
    assert target.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_existing_target_is_kept_unless_asked(command, mono, tmp_path):
    target = tmp_path / "target.wav"
    target.write_bytes(b"precious")
    code, _, err = command("upmix", mono, "-o", target)
    assert code == 2
    assert "overwrit" in err
    assert target.read_bytes() == b"precious"
    assert command("upmix", mono, "-o", target, "--overwrite")[0] == 0
    assert soundfile.info(target).channels == 2


@pytest.mark.parametrize("link", [False, True])
def test_the_source_is_never_its_own_target(command, mono, tmp_path, link):
    before = mono.read_bytes()
    target = mono
    if link:
        target = tmp_path / "link.wav"
        target.symlink_to(mono)
    code, _, err = command("upmix", mono, "-o", target, "--overwrite")
    assert code == 2
    assert err.count("\n") == 1
    assert mono.read_bytes() == before


@pytest.mark.parametrize("place", ["no/such/folder/x.wav", "x.xyz"])
def test_a_target_that_cannot_be_is_refused(command, mono, tmp_path, place):
    code, _, err = command("upmix", mono, "-o", tmp_path / place)
    assert code == 2
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mono.wav"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_refused(command, mono, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    code, _, err = command("upmix", mono, "-o", folder / "x.wav")
    assert code == 2
    assert err.count("\n") == 1


def test_true_stereo_is_folded_down_when_asked(command, tmp_path):
    sound = tone()
    stereo = np.stack([sound, 0.5 * sound[::-1]], axis=1)
    soundfile.write(tmp_path / "two.wav", stereo, RATE, subtype="FLOAT")
    code, out, _ = command("upmix", tmp_path / "two.wav", "--downmix")
    assert code == 0
    assert "folded down" in out
    made, _ = soundfile.read(tmp_path / "two-stereo.wav")
    assert np.abs(made.mean(axis=1) - stereo.mean(axis=1)).max() < 1e-6


def test_dual_mono_is_recognized_and_said(command, tmp_path):
    soundfile.write(tmp_path / "dual.wav", np.stack([tone()] * 2, axis=1), RATE)
    code, out, _ = command("upmix", tmp_path / "dual.wav")
    assert code == 0
    assert "two equal channels" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_file_and_exits_2(tmp_path, number):
    source = tmp_path / "long.wav"
    generator = np.random.default_rng(0)
    soundfile.write(source, 0.1 * generator.standard_normal(600 * 8_000), 8_000)
    target = tmp_path / "target.wav"
    target.write_bytes(b"precious")
    executable = Path(sys.executable).with_name("soundstage")
    process = subprocess.Popen(
        [executable, "upmix", source, "-o", target, "--overwrite"],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not leftovers(tmp_path):  # until it is writing
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "soundstage: interrupted; no unfinished file was left behind.\n"
    assert target.read_bytes() == b"precious"
    assert leftovers(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of half a megabyte, where one can be mounted."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user cannot mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("depth", ["16", "float"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(command, tiny_disk, tmp_path, depth):
    source = tmp_path / "long.wav"
    soundfile.write(source, tone(20.0), RATE)
    code, _, err = command("upmix", source, "-o", tiny_disk / "x.wav", "--bit-depth", depth)
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("soundstage: ")
    assert list(tiny_disk.iterdir()) == []
