"""`soundstage binaural`."""

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

from making import make_film, packets
from sounds import decibels
from soundstage.binaural.render_options import PRETRAINED, renderer_for
from soundstage.weights.cards import model_path
from spheres import grid, sphere_head, write_sofa

RATE = 16_000
ROOM = ["--room", "6x5x3", "--rt60", "0.2"]


@pytest.fixture(scope="module")
def hrtf(tmp_path_factory):
    """A small HRTF set, which loads quickly."""
    return write_sofa(tmp_path_factory.mktemp("hrtf") / "sphere.sofa", sphere_head(grid(45)))


@pytest.fixture
def binaural(command, hrtf):
    """`soundstage binaural` with that HRTF set."""
    return lambda *arguments: command("binaural", *arguments, "--hrtf", hrtf)


def noise(seconds=0.3, rate=RATE, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "mono.wav"
    soundfile.write(path, noise(), RATE, subtype="PCM_16")
    return path


@pytest.fixture
def stereo(tmp_path):
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack([noise(), noise(seed=1)], axis=1), RATE, subtype="PCM_16")
    return path


def write_scene(folder, *sources):
    path = folder / "scene.json"
    path.write_text(json.dumps({"sources": list(sources)}))
    return path


def ears(path):
    return soundfile.read(path, always_2d=True)[0].T


def left_over_right(path):
    """Level difference in dB."""
    return decibels(*ears(path))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_bundled_hrtf_set_renders_ahead_into_a_file_beside_the_source(command, mono, tmp_path):
    code, out, err = command("binaural", mono)
    target = tmp_path / "mono-binaural.wav"
    assert (code, err) == (0, "")
    assert str(target) in out
    info = soundfile.info(target)
    assert (info.channels, info.samplerate, info.subtype) == (2, RATE, "PCM_16")
    assert info.frames > len(noise())
    left, right = ears(target)
    assert decibels(left - right, left) < -60
    assert names(tmp_path) == ["mono-binaural.wav", "mono.wav"]


def test_position_sets_direction_and_level(binaural, mono, tmp_path):
    for name, options in {
        "left": ["--azimuth", 90],
        "right": ["--azimuth", -90],
        "far": ["--azimuth", 90, "--distance", 3],
        "up": ["--elevation", 90],
    }.items():
        code, _, err = binaural(mono, "-o", tmp_path / f"{name}.wav", *options, "--no-tail")
        assert (code, err) == (0, "")
        assert ears(tmp_path / f"{name}.wav").shape == (2, len(noise()))
    assert left_over_right(tmp_path / "left.wav") > 3
    assert left_over_right(tmp_path / "right.wav") < -3
    assert abs(left_over_right(tmp_path / "up.wav")) < 0.1
    far = decibels(ears(tmp_path / "far.wav"), ears(tmp_path / "left.wav"))
    assert far == pytest.approx(-6.02, abs=0.1)


SIDES = {
    "--orbit 1.2": 1,  # a quarter turn in 0.3 s, to the left
    "--orbit -1.2": -1,
    "--fly-by 20 --azimuth -90 --distance 2": -1,
    "--approach 6 --distance 0.5 --azimuth 90": 1,
    "--trajectory points.csv": 1,
    "--trajectory points.json": 1,
    "--orbit 1.2 --room 6x5x3 --rt60 125:0.4,4000:0.2 --listener 2,2,1.2 --seed 3": 1,
}


@pytest.mark.parametrize("options", SIDES)
def test_every_trajectory_leads_to_its_side(binaural, mono, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    Path("points.csv").write_text("time,azimuth\n0,30\n0.3,120\n")
    points = [{"time": 0, "x": 1, "y": 1, "z": 0}, {"time": 0.3, "x": -1, "y": 2, "z": 0}]
    Path("points.json").write_text(json.dumps(points))
    code, _, err = binaural(mono, "-o", "out.wav", *options.split())
    assert (code, err) == (0, "")
    assert SIDES[options] * left_over_right("out.wav") > 0.5


@pytest.mark.parametrize(
    ("always", "option"),
    [
        (["--azimuth", 10], ["--nearest"]),
        (["--distance", 60], ["--air"]),
        ([], ROOM),
        (ROOM, ["--seed", 1]),
        (ROOM, ["--listener", "2,2,1.5"]),
    ],
)
def test_every_renderer_option_changes_the_result(binaural, mono, tmp_path, always, option):
    for name, options in (("a", always), ("b", [*always, *option]), ("c", [*always, *option])):
        assert binaural(mono, "-o", tmp_path / f"{name}.wav", *options)[0] == 0
    plain, changed, again = ((tmp_path / f"{name}.wav").read_bytes() for name in "abc")
    assert plain != changed == again


def test_a_turned_head_and_a_pose_file_turn_the_scene(binaural, mono, tmp_path):
    (tmp_path / "pose.csv").write_text("time,yaw\n0,-90\n")
    for name, options in {
        "yaw": ["--yaw", -90],
        "file": ["--listener", tmp_path / "pose.csv"],
        "azimuth": ["--azimuth", 90],
    }.items():
        code, _, err = binaural(mono, "-o", tmp_path / f"{name}.wav", *options)
        assert (code, err) == (0, "")
    expected = ears(tmp_path / "azimuth.wav")
    for name in ("yaw", "file"):
        np.testing.assert_allclose(ears(tmp_path / f"{name}.wav"), expected, atol=1e-3)


def test_a_head_walks_in_a_room_from_its_place(binaural, mono, tmp_path):
    (tmp_path / "pose.csv").write_text("time,y\n0,0\n0.3,-1\n")
    walk = ["--azimuth", 90, "--listener", tmp_path / "pose.csv", *ROOM]
    code, _, err = binaural(mono, "--listener", "3,2.5,1.5", *walk)
    assert (code, err) == (0, "")
    code, _, err = binaural(mono, "--listener", "3,1,1.5", "-o", tmp_path / "out.wav", *walk)
    assert code == 2
    assert "at 0.3 s the head is at (0.00, -1.00, 0.00) m" in err


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--listener", "pose.csv", "--yaw", 3], "leave out --yaw"),
        (["--listener", "nowhere.csv"], "nowhere.csv: cannot be read"),
        (["--listener", "pose.wav"], "not 'pose.wav'"),
        (["--listener", "2,2,1.5"], "A room needs a size"),
        (["--pitch", "nan"], "must be finite"),
    ],
)
def test_an_impossible_head_is_refused(binaural, mono, options, what):
    code, out, err = binaural(mono, *options)
    assert (code, out) == (2, "")
    assert what in err
    assert not (mono.parent / "mono-binaural.wav").exists()


def test_stereo_uses_two_loudspeakers_and_a_downmix_one_position(binaural, stereo, tmp_path):
    code, out, _ = binaural(stereo)
    assert code == 0
    assert "2 sources" in out
    code, out, _ = binaural(stereo, "-o", tmp_path / "one.wav", "--downmix", "--azimuth", 90)
    assert code == 0
    assert "sources" not in out
    one, two = tmp_path / "one.wav", tmp_path / "two-binaural.wav"
    assert left_over_right(one) > 3 > abs(left_over_right(two))


def test_dual_mono_takes_a_position(binaural, tmp_path):
    path = tmp_path / "dual.wav"
    soundfile.write(path, np.stack([noise()] * 2, axis=1), RATE)
    assert binaural(path, "--azimuth", 90)[0] == 0
    assert left_over_right(tmp_path / "dual-binaural.wav") > 3


def test_a_scene_becomes_one_file_beside_it(binaural, mono, stereo, tmp_path):
    path = write_scene(
        tmp_path,
        {"file": "mono.wav", "azimuth": 90, "start": 0.5},
        {"file": "two.wav", "gain": -80},
    )
    code, out, err = binaural(path)
    assert (code, err) == (0, "")
    assert "3 sources" in out
    assert left_over_right(tmp_path / "scene-binaural.wav") > 3
    assert soundfile.info(tmp_path / "scene-binaural.wav").duration > 0.8


def test_an_upmix_is_rendered_on_loudspeakers(command, binaural, mono, tmp_path):
    assert command("upmix", mono, "--method", "decorrelate")[0] == 0
    assert binaural(tmp_path / "mono-stereo.wav")[0] == 0
    left, right = ears(tmp_path / "mono-stereo-binaural.wav")
    assert decibels(left - right, left) > -20


def test_json_reports_the_result(binaural, records, mono, tmp_path):
    code, out, err = binaural(mono, "--azimuth", 10, "--json")
    assert (code, err) == (0, "")
    (done,) = records(out)["done"]
    assert done["target"] == str(tmp_path / "mono-binaural.wav")
    assert (done["rate"], done["encoding"], done["method"]) == (RATE, "PCM_16", "hrtf")
    assert done["frames"] == ears(done["target"]).shape[1]
    assert done["real_time_factor"] > 0


def test_json_of_silence_has_no_infinity(binaural, records, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(1000), RATE)
    code, out, _ = binaural(tmp_path / "silent.wav", "--json")
    (done,) = records(out)["done"]
    assert code == 0
    assert done["true_peak_db"] is None


def test_quiet_prints_nothing_but_errors(binaural, mono):
    assert binaural(mono, "--quiet") == (0, "", "")
    code, out, err = binaural(mono, "--quiet")
    assert (code, out) == (2, "")
    assert "exists" in err


def test_a_dry_run_prints_the_plan_and_writes_nothing(binaural, mono, tmp_path):
    code, out, _ = binaural(mono, "--dry-run", "--plot", "--json")
    assert code == 0
    planned = json.loads(out)
    assert planned.pop("status") == "planned"
    assert {name: Path(path).name for name, path in planned.items()} == {
        "source": "mono.wav",
        "target": "mono-binaural.wav",
        "picture": "mono-trajectory.png",
    }
    code, out, _ = binaural(mono, "--dry-run", "--plot")
    assert "mono-binaural.wav" in out
    assert "mono-trajectory.png" in out
    assert names(tmp_path) == ["mono.wav"]


def test_the_trajectory_is_plotted_beside_the_result(binaural, records, mono, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "out").mkdir()
    code, out, _ = binaural(mono, "-o", tmp_path / "out", "--orbit", 2, "--plot")
    picture = tmp_path / "out" / "mono-trajectory.png"
    assert code == 0
    assert str(picture) in out
    assert names(tmp_path / "out") == ["mono-binaural.wav", "mono-trajectory.png"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, out, _ = binaural(mono, "-o", tmp_path / "out", "--plot", "--json", "--overwrite")
    assert records(out)["done"][0]["picture"] == str(picture)


def test_an_existing_picture_is_kept_and_nothing_is_rendered(refused, mono, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "mono-trajectory.png").write_bytes(b"precious")
    refused("binaural", mono, "--plot")
    assert names(tmp_path) == ["mono-trajectory.png", "mono.wav"]
    assert (tmp_path / "mono-trajectory.png").read_bytes() == b"precious"


def test_without_matplotlib_a_plot_is_refused_before_anything_is_rendered(
    refused, mono, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install matplotlib" in refused("binaural", mono, "--plot")
    assert names(tmp_path) == ["mono.wav"]


def test_failures_are_listed_at_the_end_and_the_other_files_are_done(
    binaural, mono, stereo, tmp_path
):
    (tmp_path / "broken.wav").write_text("these are words")
    soundfile.write(tmp_path / "other.flac", noise(), RATE)
    results = tmp_path / "results"
    results.mkdir()
    code, out, err = binaural(tmp_path, "-o", results, "--azimuth", 30, "--name", "{stem}_x{ext}")
    assert code == 2
    assert names(results) == ["mono_x.wav", "other_x.flac"]
    assert err.startswith("2 of 4 failed:\n")
    assert "broken.wav" in err
    assert "two.wav is stereo" in err
    assert "--downmix" in err
    assert out.count("real time") == 2


def test_json_has_failures_beside_results(binaural, records, mono, stereo, tmp_path):
    code, out, err = binaural(stereo, mono, "--azimuth", 30, "--json")
    report = records(out)
    assert (code, err) == (2, "")
    assert [Path(done["target"]).name for done in report["done"]] == ["mono-binaural.wav"]
    (failure,) = report["failed"]
    assert failure["source"] == str(stereo)
    assert "two loudspeakers" in failure["error"]


@pytest.mark.slow
def test_two_jobs_write_the_bytes_of_one(binaural, mono, stereo, tmp_path):
    for jobs in (1, 2):
        results = tmp_path / str(jobs)
        results.mkdir()
        code, out, _ = binaural(stereo, mono, "-o", results, "--plot", "--jobs", jobs, *ROOM)
        assert code == 0
        assert "2 files: 2 done." in out
    assert len(names(tmp_path / "1")) == 4
    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


def test_format_and_bit_depth_can_be_chosen(binaural, mono, tmp_path):
    assert binaural(mono, "--format", "flac", "--bit-depth", "24")[0] == 0
    assert soundfile.info(tmp_path / "mono-binaural.flac").subtype == "PCM_24"


def test_the_rate_can_be_chosen_and_follows_a_format(binaural, mono, tmp_path):
    assert binaural(mono, "--rate", 48_000)[0] == 0
    info = soundfile.info(tmp_path / "mono-binaural.wav")
    assert (info.samplerate, info.subtype) == (48_000, "PCM_16")
    odd = tmp_path / "odd.wav"
    soundfile.write(odd, noise(rate=22_050), 22_050)
    code, out, _ = binaural(odd, "-o", tmp_path / "odd.opus")
    assert code == 0
    assert "resampled from 22,050 to 24,000 Hz" in out


def test_a_room_needs_its_size_only(binaural, mono, tmp_path):
    assert binaural(mono, "-o", tmp_path / "dry.wav")[0] == 0
    assert binaural(mono, "-o", tmp_path / "room.wav", "--room", "6x5x3")[0] == 0
    assert len(ears(tmp_path / "room.wav")[0]) > len(ears(tmp_path / "dry.wav")[0]) + 0.2 * RATE


def test_a_batch_is_resumed_in_its_folders(binaural, records, mono, tmp_path):
    sub = tmp_path / "in" / "sub"
    sub.mkdir(parents=True)
    soundfile.write(sub / "a.flac", noise(), RATE)
    soundfile.write(tmp_path / "in" / "a.wav", noise(), RATE)
    command = (tmp_path / "in", "-o", tmp_path / "out", "--skip-existing", "--json")
    assert len(records(binaural(*command)[1])["done"]) == 2
    (tmp_path / "out" / "a-binaural.wav").unlink()
    report = records(binaural(*command)[1])
    assert [done["target"] for done in report["done"]] == [str(tmp_path / "out/a-binaural.wav")]
    (skipped,) = report["skipped"]
    assert skipped["targets"] == [str(tmp_path / "out/sub/a-binaural.flac")]


def test_a_film_keeps_its_picture(binaural, tmp_path):
    film = make_film(tmp_path / "film.mp4", muxer="mp4", seconds=0.6)
    code, _, err = binaural(film, "--orbit", 2)
    assert (code, err) == (0, "")
    old, new = (packets(path, "video") for path in (film, tmp_path / "film-binaural.mp4"))
    assert [content for content, _, _ in old] == [content for content, _, _ in new]


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_the_lowest_and_the_highest_rate_are_supported(binaural, tmp_path, rate):
    soundfile.write(tmp_path / "m.flac", noise(0.1, rate), rate, subtype="PCM_24")
    assert binaural(tmp_path / "m.flac", "--orbit", 1)[0] == 0
    info = soundfile.info(tmp_path / "m-binaural.flac")
    assert (info.samplerate, info.subtype, info.channels) == (rate, "PCM_24", 2)


def write_bad_source(kind, folder):
    """A source that cannot be used."""
    path = folder / "bad.wav"
    sound = noise()
    if kind == "text":
        path.write_text("these are words, and quite a few of them " * 100)
    elif kind == "nan":
        sound[1000] = np.nan
        soundfile.write(path, sound, RATE, subtype="FLOAT")
    elif kind == "8 channels":
        soundfile.write(path, np.stack([sound] * 8, 1), RATE)
    elif kind == "truncated":
        soundfile.write(path, noise(2.0), RATE)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    elif kind.startswith("{"):
        path = folder / "bad.json"
        path.write_text(kind)
    return path


@pytest.mark.parametrize(
    "kind",
    ["missing", "text", "nan", "8 channels", "truncated", "{", '{"sources": [{"file": "no.wav"}]}'],
)
def test_a_bad_source_is_refused_and_the_target_is_kept(refused, tmp_path, hrtf, kind):
    source = write_bad_source(kind, tmp_path)
    target = tmp_path / "precious.wav"
    target.write_bytes(b"precious")
    before = names(tmp_path)
    refused("binaural", source, "-o", target, "--overwrite", "--hrtf", hrtf)
    assert target.read_bytes() == b"precious"
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    "options",
    [
        "--azimuth nan",
        "--distance 1001",
        "--orbit 3 --fly-by 3",
        "--azimuth 3 --trajectory points.csv",
        "--trajectory missing.csv",
        "--fly-by 20 --distance 0.01",
        "--approach 5000",
        "--rt60 0.4",
        "--listener 2,2,1.5",
        "--room 6x4x3 --rt60 soon",
        "--rate 4000",
        "--skip-existing --overwrite",
        "--room 6x4x3 --rt60 0.4 --listener 7,1,1",
        "--room 3x3x3 --rt60 0.4 --orbit 2 --distance 2",
        "--bit-depth 17",
        "--name {singer}{ext}",
        "--device tpu",
        "--method unknown",
        "--method wavenet --room 5x4x3 --rt60 0.3",
        "--method warpnet --steps 3",
        "--method binauralgrad --temperature 2",
        "--method binauralgrad --weights one.safetensors",
        "--method warpnet --weights no.safetensors",
        "--method hrtf --weights cut.safetensors",
        "--hrtf missing.sofa",
        "--hrtf text.sofa",
        "--hrtf nobody",
    ],
)
def test_a_bad_option_is_refused_and_nothing_is_written(
    refused, mono, tmp_path, monkeypatch, options
):
    monkeypatch.chdir(tmp_path)
    Path("text.sofa").write_text("these are words")
    before = names(tmp_path)
    refused("binaural", mono, *options.split())
    assert names(tmp_path) == before


def test_an_existing_target_is_kept_without_overwrite(refused, binaural, mono, tmp_path):
    target = tmp_path / "target.wav"
    target.write_bytes(b"precious")
    refused("binaural", mono, "-o", target)
    assert target.read_bytes() == b"precious"
    assert binaural(mono, "-o", target, "--overwrite")[0] == 0
    assert soundfile.info(target).channels == 2


@pytest.mark.parametrize("link", [False, True])
def test_the_source_is_never_its_own_target(refused, mono, tmp_path, link):
    before = mono.read_bytes()
    target = mono
    if link:
        target = tmp_path / "link.wav"
        target.symlink_to(mono)
    scene = write_scene(tmp_path, {"file": "mono.wav"})
    for source in (mono, scene):
        refused("binaural", source, "-o", target, "--overwrite")
    assert mono.read_bytes() == before


@pytest.mark.parametrize("place", ["mono.wav/x.wav", "x.xyz"])
def test_an_impossible_target_is_refused(refused, mono, tmp_path, place):
    refused("binaural", mono, "-o", tmp_path / place)
    assert names(tmp_path) == ["mono.wav"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_refused(refused, mono, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    refused("binaural", mono, "-o", folder / "x.wav")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_leaves_no_file_and_ends_by_its_signal(hrtf, tmp_path, jobs):
    for index in range(2):
        soundfile.write(tmp_path / f"{index}.wav", noise(600.0, 8_000), 8_000)
    results = tmp_path / "results"
    results.mkdir()
    options = ["--orbit", "3", "--hrtf", hrtf, "--jobs", str(jobs), "-o", results]
    process = subprocess.Popen(
        [sys.executable, "-m", "soundstage", "binaural", tmp_path, *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(names(results)) < jobs:  # until it writes
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert err == "soundstage: interrupted; no unfinished file was left behind.\n"
    assert names(results) == []


@pytest.mark.parametrize("depth", ["16", "float"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(refused, hrtf, tiny_disk, tmp_path, depth):
    source = tmp_path / "long.wav"
    soundfile.write(source, noise(20.0), RATE)
    target = tiny_disk / "x.wav"
    refused("binaural", source, "-o", target, "--bit-depth", depth, "--hrtf", hrtf)
    assert list(tiny_disk.iterdir()) == []


# Networks


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "voice.flac"
    soundfile.write(path, noise(0.5, 22_050), 22_050, subtype="PCM_24")
    return path


@pytest.mark.parametrize("names", [*PRETRAINED.values()])
def test_own_weights_tell_the_method(voice, names):
    weights = [str(model_path(name)) for name in names]
    assert PRETRAINED[renderer_for(None, weights)] == names
    assert renderer_for("warp", weights) == "warp"


def test_weights_of_no_renderer_are_one_sentence(refused, voice):
    weights = str(model_path("nearest"))
    assert "no renderer takes these" in refused("binaural", voice, "--weights", weights)


@pytest.mark.parametrize("method", PRETRAINED)
def test_a_network_keeps_rate_and_encoding(command, voice, tmp_path, method):
    code, out, err = command("binaural", voice, "--orbit", 2, "--method", method, "--json")
    assert (code, err) == (0, "")
    done = json.loads(out.splitlines()[0])
    assert (done["method"], done["rate"], done["encoding"]) == (method, 22_050, "PCM_24")
    target = tmp_path / "voice-binaural.flac"
    info = soundfile.info(target)
    assert (info.samplerate, info.channels, info.subtype) == (22_050, 2, "PCM_24")
    assert 11_025 < info.frames < 22_050
    assert 0.01 < ears(target).std() < 0.5


def test_without_tail_the_result_is_as_long_as_the_source(command, voice, tmp_path):
    options = ("--method", "warpnet", "--azimuth", 30, "--no-tail")
    assert command("binaural", voice, *options)[0] == 0
    assert soundfile.info(tmp_path / "voice-binaural.flac").frames == 11_025


@pytest.mark.slow
def test_the_seed_selects_the_sample_and_the_mean_has_none(command, voice, tmp_path):
    def render(name, *options):
        target = tmp_path / f"{name}.wav"
        common = ("--azimuth", 30, "--method", "binauralgrad", "--steps", 1, "-o", target)
        assert command("binaural", voice, *common, *options)[0] == 0
        return target.read_bytes()

    mean = render("mean")
    assert render("mean again", "--seed", 1) == mean
    sample = render("sample", "--temperature", 1)
    assert sample != mean
    assert render("sample again", "--temperature", 1, "--seed", 0) == sample
    assert render("other sample", "--temperature", 1, "--seed", 1) != sample
