"""`soundstage upmix` of folders: names, places, results that exist, one gain."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 44_100
NAMES = [
    b"a" * 251 + b".wav",
    b"with space.wav",
    b"-dash.wav",
    b"new\nline.wav",
    b"\x1b]0;title\x07.wav",
    b"\xff\xfe.wav",
    "emoji \N{MUSICAL NOTE}.wav".encode(),
    b"con.wav",
    b"dot..wav",
    b"x:1.wav",
    b"100%d.wav",
    b"{stem}.wav",
]


def noise(peak=0.1, seconds=0.3, seed=0):
    sound = np.random.default_rng(seed).uniform(-1, 1, round(seconds * RATE))
    return peak * sound / np.abs(sound).max()


@pytest.fixture
def upmix(command):
    """`soundstage upmix` by the fastest method."""
    return lambda *arguments: command("upmix", *arguments, "-m", "comb")


@pytest.fixture
def archive(tmp_path):
    """Two discs with a track of the same name, in two formats."""
    folder = tmp_path / "archive"
    for seed, name in enumerate(("1/a.wav", "1/a.flac", "2/a.wav")):
        path = folder / "disc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(seed=seed), RATE, subtype="PCM_16")
    return folder


def tree(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_folders_are_made_and_subfolders_are_kept(upmix, archive, tmp_path):
    code, out, err = upmix(archive, "-o", tmp_path / "new" / "results")
    assert (code, err) == (0, "")
    assert out.endswith("3 files: 3 done.\n")
    assert tree(tmp_path / "new" / "results") == {
        "disc/1/a-stereo.wav",
        "disc/1/a-stereo.flac",
        "disc/2/a-stereo.wav",
    }


def test_equal_names_are_told_apart(upmix, archive, tmp_path):
    sources = [path for path in sorted(archive.rglob("*.*")) if path.is_file()]
    assert upmix(*sources, "-o", tmp_path / "out", "--format", "flac", "-q") == (0, "", "")
    made = tree(tmp_path / "out")
    assert made == {
        "1/a.wav-stereo.flac",
        "1/a.flac-stereo.flac",
        "2/a.wav-stereo.flac",
    }


def test_the_same_command_resumes_a_batch(upmix, records, archive, tmp_path):
    out = tmp_path / "out"
    first = upmix(archive, "-o", out, "--skip-existing", "--json")[1]
    assert len(records(first)["done"]) == 3
    lost = out / "disc" / "1" / "a-stereo.flac"
    before = lost.read_bytes()
    lost.unlink()
    report = records(upmix(archive, "-o", out, "--skip-existing", "--json")[1])
    assert [done["target"] for done in report["done"]] == [str(lost)]
    assert {each["reason"] for each in report["skipped"]} == {"its result exists"}
    assert lost.read_bytes() == before
    code, text, _ = upmix(archive, "-o", out, "--skip-existing")
    assert code == 0
    assert text.startswith("3 files: 3 skipped.\nSkipped, because its result exists: ")


def test_without_the_option_existing_results_fail_with_a_hint(upmix, archive, tmp_path):
    assert upmix(archive, "-o", tmp_path / "out", "-q")[0] == 0
    code, _, err = upmix(archive, "-o", tmp_path / "out")
    assert code == 2
    assert err.startswith("3 of 3 failed:\n")
    assert err.count("use --skip-existing or --overwrite") == 3


def test_a_folder_in_place_is_upmixed_once(upmix, archive):
    assert upmix(archive, "-q") == (0, "", "")
    made = tree(archive)
    assert len(made) == 6
    code, out, _ = upmix(archive, "--skip-existing")
    assert code == 0
    assert "6 files: 6 skipped." in out
    assert "because it is a result of Soundstage: a-stereo." in out
    assert upmix(archive, "--overwrite", "-q") == (0, "", "")
    assert tree(archive) == made


def test_a_renamed_result_is_recognized_by_its_tags(upmix, records, archive, tmp_path):
    assert upmix(archive / "disc" / "2", "-q")[0] == 0
    (archive / "disc" / "2" / "a-stereo.wav").rename(archive / "disc" / "2" / "renamed.wav")
    report = records(upmix(archive / "disc" / "2", "--dry-run", "--json")[1] + SUMMARY)
    assert len(report["planned"]) == 2  # a plan opens no file
    report = records(upmix(archive / "disc" / "2", "--json")[1])
    assert [Path(each["source"]).name for each in report["skipped"]] == ["renamed.wav"]


SUMMARY = '{"status": "summary", "done": 0, "skipped": 0, "failed": 0}\n'


def test_an_original_named_like_a_result_is_never_replaced(upmix, tmp_path):
    for name in ("a.wav", "a-stereo.wav"):
        soundfile.write(tmp_path / name, noise(), RATE)
    before = (tmp_path / "a-stereo.wav").read_bytes()
    code, _, err = upmix(tmp_path, "--overwrite")
    assert code == 2
    assert "does not say that Soundstage made it" in err
    assert (tmp_path / "a-stereo.wav").read_bytes() == before


@pytest.mark.parametrize("takes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_name_that_a_system_allows_is_kept(upmix, records, tmp_path, takes):
    if takes > 1:
        pytest.importorskip("matplotlib")
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(tmp_path / "sound.wav", noise(seconds=0.05), RATE)
    content = (tmp_path / "sound.wav").read_bytes()
    names = NAMES if takes == 1 else [NAMES[0], NAMES[3], NAMES[5]]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(content)
    code, out, err = upmix(folder, "-o", tmp_path / "out", "--takes", takes)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert f"{len(names)} files: {len(names)} done." in out
    made = [*(tmp_path / "out").iterdir()]
    assert len(made) == len(names) * (takes + (takes > 1))


def test_a_file_that_fails_leaves_the_others_alone(upmix, records, archive, tmp_path):
    (archive / "broken.wav").write_text("these are words")
    (archive / "link.wav").symlink_to(archive / "nowhere.wav")
    code, out, err = upmix(archive, "-o", tmp_path / "out", "--json")
    assert (code, err) == (2, "")
    report = records(out)
    assert len(report["done"]) == 3
    assert {Path(each["source"]).name for each in report["failed"]} == {"broken.wav", "link.wav"}


def test_stems_with_one_gain_keep_their_balance(upmix, records, tmp_path):
    folder = tmp_path / "stems"
    folder.mkdir()
    levels = {"drums": 0.99, "bass": 0.5, "pads": 0.1}
    for seed, (name, peak) in enumerate(levels.items()):
        soundfile.write(folder / f"{name}.wav", noise(peak, 1.0, seed), RATE, subtype="PCM_24")
    code, out, _ = upmix(folder, "-o", tmp_path / "out", "--gain", "same", "--json")
    assert code == 0
    gains = {done["gain_db"] for done in records(out)["done"]}
    assert len(gains) == 1
    assert gains.pop() < -1
    change = []
    for name in levels:
        before, _ = soundfile.read(folder / f"{name}.wav")
        after, _ = soundfile.read(tmp_path / "out" / f"{name}-stereo.wav")
        change.append(20 * np.log10(np.std(after.mean(axis=1)) / np.std(before)))
    assert max(change) - min(change) < 0.01
    alone = records(upmix(folder, "-o", tmp_path / "own", "--json")[1])["done"]
    assert len({done["gain_db"] for done in alone}) == 2  # the pads need none


def test_a_fixed_gain_is_obeyed_or_refused(upmix, refused, tmp_path):
    source = tmp_path / "a.wav"
    soundfile.write(source, noise(0.9), RATE)
    assert "would clip" in refused("upmix", source, "-m", "comb", "--gain", 0)
    assert "dB" in refused("upmix", source, "-m", "comb", "--gain", "loud")
    code, out, _ = upmix(source, "--gain", -12)
    assert code == 0
    assert "-12" in out


def test_the_library_does_the_same(upmix, archive, tmp_path):
    import soundstage

    seen = []
    (archive / "broken.wav").write_text("these are words")
    results = soundstage.upmix_batch(
        archive, tmp_path / "api", method="comb", suffix="flac", gain_db="same", each=seen.append
    )
    assert [result.status for result in results] == ["failed", "done", "done", "done"]
    assert [*seen] == results
    assert "broken.wav" in results[0].reason
    options = ("--format", "flac", "--gain", "same", "-q")
    assert upmix(archive, "-o", tmp_path / "command", *options)[0] == 2
    assert tree(tmp_path / "api") == tree(tmp_path / "command")
    for name in tree(tmp_path / "api"):
        assert (tmp_path / "api" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()
    again = soundstage.upmix_batch(
        archive, tmp_path / "api", method="comb", suffix="flac", skip_existing=True
    )
    assert [result.status for result in again] == ["failed", "skipped", "skipped", "skipped"]
    with pytest.raises(soundstage.OptionError, match="no option 'loud'"):
        soundstage.upmix_batch(archive, loud=True)
