"""`soundstage upmix`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 44_100


def tone(seconds=0.5, rate=RATE):
    time_axis = np.arange(round(seconds * rate)) / rate
    return 0.3 * np.sin(2 * np.pi * 220 * time_axis) * np.exp(-3 * time_axis)


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, tone(), RATE, subtype="PCM_16")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_mono_becomes_stereo_that_folds_down_bit_for_bit(command, mono, tmp_path):
    code, out, _ = command("upmix", mono)
    assert code == 0
    target = tmp_path / "mono-stereo.wav"
    assert str(target) in out
    stereo, rate = soundfile.read(target, dtype="int16")
    original, _ = soundfile.read(mono, dtype="int16")
    assert rate == RATE
    assert np.array_equal(stereo.astype(int).sum(axis=1), 2 * original.astype(int))
    assert not np.array_equal(stereo[:, 0], stereo[:, 1])
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_json_reports_the_result(command, records, mono, tmp_path):
    code, out, _ = command("upmix", mono, "--method", "comb", "--seed", 3, "--json")
    assert code == 0
    (done,) = records(out)["done"]
    assert (done["method"], done["seed"], done["frames"]) == ("comb", 3, len(tone()))
    assert done["exact_fold_down"] is True
    assert done["real_time_factor"] > 0


def test_json_of_silence_has_no_infinity(command, records, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(1000), RATE)
    code, out, _ = command("upmix", tmp_path / "silent.wav", "--json")
    assert code == 0
    (done,) = records(out)["done"]
    assert done["true_peak_db"] is None


def test_a_dry_run_prints_the_plan_and_writes_nothing(command, mono, tmp_path):
    code, out, _ = command("upmix", mono, "--dry-run", "--takes", 2, "--json")
    planned = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {each["status"] for each in planned} == {"planned"}
    assert [(job["seed"], Path(job["target"]).name) for job in planned[:2]] == [
        (0, "mono-stereo-1.wav"),
        (1, "mono-stereo-2.wav"),
    ]
    assert names(tmp_path) == ["mono.wav"]


def test_takes_differ_and_each_folds_down(command, mono, tmp_path):
    assert command("upmix", mono, "--takes", 2, "--quiet")[:2] == (0, "")
    one, two = (
        soundfile.read(tmp_path / f"mono-stereo-{take}.wav", dtype="int16")[0].astype(int)
        for take in (1, 2)
    )
    assert not np.array_equal(one, two)
    assert np.array_equal(one.sum(axis=1), two.sum(axis=1))


def test_takes_are_compared_in_text_and_in_a_contact_sheet(command, mono, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, _ = command("upmix", mono, "--takes", 3)
    assert code == 0
    assert out.count("real time") == 3
    assert "Most similar: takes" in out
    assert (tmp_path / "mono-takes.png").read_bytes().startswith(b"\x89PNG")
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_json_of_takes_has_their_descriptors_and_differences(command, records, mono, tmp_path):
    code, out, _ = command("upmix", mono, "--takes", 2, "--no-sheet", "--json")
    assert code == 0
    report = records(out)
    assert [done["seed"] for done in report["done"]] == [0, 1]
    (compared,) = report["compared"]
    assert compared["sheet"] is None
    assert compared["takes"][1]["descriptors"]["width"] > 0
    assert compared["differences"][0][1] == compared["differences"][1][0] > 0
    assert not (tmp_path / "mono-takes.png").exists()


@pytest.mark.parametrize("option", [[], ["--sheet"]])
def test_without_matplotlib_only_an_explicit_sheet_is_refused(
    command, mono, tmp_path, monkeypatch, option
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = command("upmix", mono, "--takes", 2, *option)
    assert err.count("\n") == 1
    assert "pip install matplotlib" in err
    assert code == (2 if option else 0)
    assert (tmp_path / "mono-stereo-1.wav").exists() == (not option)


@pytest.mark.parametrize("name", ["mono-stereo-2.wav", "mono-takes.png"])
def test_an_existing_take_or_sheet_is_kept_and_nothing_is_written(refused, mono, tmp_path, name):
    (tmp_path / name).write_bytes(b"precious")
    refused("upmix", mono, "--takes", 2, "--sheet")
    assert names(tmp_path) == sorted([name, "mono.wav"])
    assert (tmp_path / name).read_bytes() == b"precious"


def test_failures_are_listed_at_the_end_and_the_other_files_are_done(command, mono, tmp_path):
    (tmp_path / "broken.wav").write_text("these are words")
    soundfile.write(tmp_path / "other.flac", tone(), RATE)
    results = tmp_path / "results"
    results.mkdir()
    code, out, err = command("upmix", tmp_path, "-o", results, "--name", "{stem}_{method}{ext}")
    assert code == 2
    assert names(results) == [
        "mono_placed.wav",
        "other_placed.flac",
    ]
    assert "1 of 3 failed" in err
    assert "broken.wav" in err
    assert out.count("real time") == 2


def test_format_and_bit_depth_can_be_chosen(command, mono, tmp_path):
    code, _, _ = command("upmix", mono, "--format", "flac", "--bit-depth", "24")
    assert code == 0
    assert soundfile.info(tmp_path / "mono-stereo.flac").subtype == "PCM_24"


def test_the_mixing_decoder_reports_an_inexact_fold_down(command, mono, tmp_path):
    code, out, _ = command("upmix", mono, "-m", "masked", "--decoder", "mixing")
    assert code == 0
    assert "fold-down is not exact" in out


@pytest.mark.slow
def test_two_jobs_write_the_bytes_of_one(command, mono, tmp_path):
    soundfile.write(tmp_path / "other.flac", tone(0.7), RATE)
    for jobs in (1, 2):
        results = tmp_path / str(jobs)
        results.mkdir()
        sources = (mono, tmp_path / "other.flac")
        code, out, _ = command("upmix", *sources, "-o", results, "--takes", 2, "--jobs", jobs)
        assert code == 0
        assert "2 files: 2 done." in out
    assert len(names(tmp_path / "1")) == 6
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


def write_bad_source(kind, folder):
    """A source that cannot be used."""
    path = folder / "bad.wav"
    sound = tone()
    if kind == "text":
        path.write_text("these are words, and quite a few of them " * 100)
    elif kind == "empty folder":
        path.mkdir()
    elif kind == "no samples":
        soundfile.write(path, sound[:0], RATE)
    elif kind == "nan":
        sound[1000] = np.nan
        soundfile.write(path, sound, RATE, subtype="FLOAT")
    elif kind == "3 channels":
        soundfile.write(path, np.stack([sound, sound / 2, sound / 3], 1), RATE)
    elif kind == "stereo":
        soundfile.write(path, np.stack([sound, 0.5 * sound[::-1]], 1), RATE)
    elif kind == "384 kHz":
        soundfile.write(path, tone(rate=384_000), 384_000)
    elif kind == "truncated":
        path = folder / "bad.flac"
        noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)
        soundfile.write(path, noise, RATE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "text",
        "empty folder",
        "no samples",
        "nan",
        "3 channels",
        "stereo",
        "384 kHz",
        "truncated",
    ],
)
def test_a_bad_source_is_refused_and_the_target_is_kept(refused, tmp_path, kind):
    source = write_bad_source(kind, tmp_path)
    target = tmp_path / "precious.wav"
    target.write_bytes(b"precious")
    before = names(tmp_path)
    refused("upmix", source, "-o", target, "--overwrite")
    assert target.read_bytes() == b"precious"
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--method unheard", "'unheard'"),
        ("--seed 99999999999999999999999", "4294967295"),
        ("--width 2.5", "--width"),
        ("--width nan", "--width"),
        ("--bass-mono 5", "--bass-mono"),
        ("--center-focus -1", "--center-focus"),
        ("--decoder guess", "'guess'"),
        ("--method comb --decoder mixing", "comb"),
        ("--bit-depth 17", "17"),
        ("--weights nowhere.safetensors", "nowhere.safetensors"),
        ("--name {singer}{ext}", "{singer}"),
        ("--sheet", "--takes"),
        ("--style loud", "'loud'"),
        ("--method comb --style wide", "comb"),
        ("--device tpu", "--device"),
    ],
)
def test_a_bad_option_is_refused_and_nothing_is_written(refused, mono, tmp_path, options, sentence):
    assert sentence in refused("upmix", mono, *options.split())
    assert names(tmp_path) == ["mono.wav"]


def test_an_existing_target_is_kept_without_overwrite(command, refused, mono, tmp_path):
    target = tmp_path / "target.wav"
    target.write_bytes(b"precious")
    assert "overwrit" in refused("upmix", mono, "-o", target)
    assert target.read_bytes() == b"precious"
    assert command("upmix", mono, "-o", target, "--overwrite")[0] == 0
    assert soundfile.info(target).channels == 2


@pytest.mark.parametrize("link", [False, True])
def test_the_source_is_never_its_own_target(refused, mono, tmp_path, link):
    before = mono.read_bytes()
    target = mono
    if link:
        target = tmp_path / "link.wav"
        target.symlink_to(mono)
    refused("upmix", mono, "-o", target, "--overwrite")
    assert mono.read_bytes() == before


@pytest.mark.parametrize("place", ["mono.wav/x.wav", "x.xyz"])
def test_an_impossible_target_is_refused(refused, mono, tmp_path, place):
    refused("upmix", mono, "-o", tmp_path / place)
    assert names(tmp_path) == ["mono.wav"]


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


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_leaves_no_file_and_ends_by_its_signal(tmp_path, jobs):
    generator = np.random.default_rng(0)
    for index in range(2):
        sound = 0.1 * generator.standard_normal(600 * 8_000)
        soundfile.write(tmp_path / f"{index}.wav", sound, 8_000)
    results = tmp_path / "results"
    results.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "soundstage", "upmix", tmp_path, "-o", results, "-j", str(jobs)],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(names(results)) < jobs:  # until it writes
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT if jobs == 1 else signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGINT if jobs == 1 else 128 + signal.SIGTERM)
    assert err == "soundstage: interrupted; no unfinished file was left behind.\n"
    assert names(results) == []


@pytest.mark.parametrize("depth", ["16", "float"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(refused, tiny_disk, tmp_path, depth):
    source = tmp_path / "long.wav"
    soundfile.write(source, tone(20.0), RATE)
    refused("upmix", source, "-o", tiny_disk / "x.wav", "--bit-depth", depth)
    assert list(tiny_disk.iterdir()) == []


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_bad_weights_are_said_once_for_all_files(command, mono, tmp_path, jobs):
    bad = tmp_path / "bad.safetensors"
    bad.write_text("junk")
    copies = [shutil.copy(mono, tmp_path / f"{number}.wav") for number in range(3)]
    arguments = ("-m", "masked", "--weights", bad, "-o", tmp_path / "out", "--jobs", jobs)
    code, out, err = command("upmix", *copies, *arguments)
    assert (code, out) == (2, "")
    assert err.count(str(bad)) == 1
    assert err.startswith("soundstage: ")
    assert len(err.splitlines()) == 1
