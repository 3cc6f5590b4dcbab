"""`soundstage restyle` as a user runs it."""

import json

import numpy as np
import pytest
import soundfile

from sounds import RATE, noise

LENGTH = RATE


@pytest.fixture
def song(tmp_path):
    stereo = np.stack([noise(LENGTH, seed=1, level=0.2), noise(LENGTH, seed=2, level=0.2)])
    soundfile.write(tmp_path / "song.wav", stereo.T, RATE, subtype="PCM_16")
    return tmp_path / "song.wav"


@pytest.fixture
def two_track(tmp_path):
    """Two voices, each in one channel alone most of the time."""
    left, right = (np.asarray(noise(LENGTH, seed=seed, level=0.2)) for seed in (1, 2))
    left[LENGTH // 2 :] = 0
    right[: LENGTH // 2] = 0
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack([left, right]).T, RATE, subtype="PCM_16")
    return path


def test_a_hard_panned_file_gets_a_stage_beside_it(command, two_track):
    code, out, err = command("restyle", two_track)
    assert code == 0, err
    assert "two-restyled.wav: 1.0 s, PCM_16" in out
    assert "mono sum, read back: the input bit for bit" in out
    assert "pan before" in out
    made = soundfile.read(two_track.with_name("two-restyled.wav"))[0]
    assert made.shape == (LENGTH, 2)
    assert np.square(made).sum(axis=0).min() > 0.1 * np.square(made).sum(axis=0).max()


def test_takes_plans_sheets_and_pages(command, records, two_track, tmp_path):
    options = ("--takes", 2, "--write-plan", "--listen", "--json", "-o", tmp_path / "new/")
    code, out, err = command("restyle", two_track, *options)
    assert code == 0, err
    report = records(out)
    assert len(report["done"]) == 2
    assert report["done"][0]["pan_histogram"]["before"]
    names = {path.name for path in (tmp_path / "new").iterdir()}
    stems = {"two-restyled-1.wav", "two-restyled-2.wav"}
    plans = {f"{name}.plan.json" for name in stems}
    assert names == stems | plans | {"two-takes.png", "two-listen.html"}
    assert "two.wav, restyled" in (tmp_path / "new" / "two-listen.html").read_text("utf-8")
    code, _, err = command("restyle", two_track, *options, "--skip-existing")
    assert code == 0, err


def test_a_run_in_a_folder_leaves_its_own_results_alone(command, records, song, tmp_path):
    for _ in range(2):
        code, out, err = command("restyle", tmp_path, "--json", "--overwrite")
        assert code == 0, err
        report = records(out)
        assert [done["source"] for done in report["done"]] == [str(song)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song-restyled.wav", "song.wav"]


def test_a_dry_run_writes_nothing(command, song, tmp_path):
    code, out, _ = command("restyle", song, "--dry-run", "--takes", 2, "--json")
    assert code == 0
    planned = [json.loads(line) for line in out.splitlines()]
    assert [row["status"] for row in planned] == ["planned"] * 3  # two takes and their sheet
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_bad_input_is_one_sentence(refused, song, tmp_path):
    soundfile.write(tmp_path / "mono.wav", np.full(RATE, 0.1), RATE)
    assert "upmix" in refused("restyle", tmp_path / "mono.wav")
    assert "0 to 1" in refused("restyle", song, "--amount", 1.5)
    assert "harp" in refused("restyle", song, "--place", "harp=left")
    assert "exclude" in refused("restyle", song, "--skip-existing", "--overwrite")
    assert "text" in refused("restyle", song, "--plan", song)
