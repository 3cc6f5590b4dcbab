import json

import numpy as np
import pytest
import soundfile

from sounds import RATE, song, stereo_scene


@pytest.fixture
def stereo(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, stereo_scene(RATE).numpy().T, RATE, subtype="PCM_24")
    return path


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "mono [old].wav"  # brackets are no markup
    soundfile.write(path, song(RATE).numpy(), RATE, subtype="PCM_16")
    return path


def test_text_has_the_file_and_every_measure(command, mono, stereo):
    code, out, err = command("analyze", mono, stereo)
    assert (code, err) == (0, "")
    first, second = out.split(f"{stereo}\n", maxsplit=1)
    assert first.startswith(str(mono))
    for part in (first, second):
        for name in (
            "true peak",
            "width",
            "channel correlation",
            "phase correlation",
            "IID fluctuation",
        ):
            assert name in part
        assert "IID, dB" in part
        assert len([line for line in part.splitlines() if line.strip()[:1].isdigit()]) == 34
    assert "WAV PCM_16" in first
    assert "\x1b" not in out


def test_json_agrees_with_the_library(command, records, stereo):
    from soundstage.metrics import analyze

    code, out, _ = command("analyze", stereo, "--json")
    assert code == 0
    (done,) = records(out)["done"]
    assert done.pop("source") == str(stereo)
    assert done.pop("verdict")[-1] == f"soundstage upmix {stereo} --downmix"
    assert done == json.loads(json.dumps(analyze(stereo).as_dict()))


def test_json_of_silence_has_no_infinity(command, records, tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros((RATE, 2)), RATE)
    code, out, _ = command("analyze", path, "--json")
    (done,) = records(out)["done"]
    assert code == 0
    assert done["dual_mono"] is True
    assert done["true_peak_db"] is None


def test_a_folder_stands_for_its_files(command, records, mono, stereo, tmp_path):
    code, out, _ = command("analyze", tmp_path, "--json")
    assert code == 0
    assert {done["source"] for done in records(out)["done"]} == {str(mono), str(stereo)}


def test_failures_are_listed_at_the_end_and_the_others_are_done(command, records, stereo, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no more")
    code, out, err = command("analyze", broken, stereo)
    assert code == 2
    assert out.startswith(str(stereo))
    assert err.startswith("1 of 2 failed:\n")
    assert "broken.wav" in err
    code, out, _ = command("analyze", broken, stereo, "--json")
    report = records(out)
    assert code == 2
    assert [failure["source"] for failure in report["failed"]] == [str(broken)]
    assert [done["source"] for done in report["done"]] == [str(stereo)]


@pytest.mark.parametrize("name", ["missing.wav", "surround.wav"])
def test_a_single_failure_is_one_sentence(name, refused, tmp_path):
    soundfile.write(tmp_path / "surround.wav", np.zeros((100, 6)), RATE)
    assert name in refused("analyze", tmp_path / name)


@pytest.mark.slow
def test_two_jobs_print_the_text_of_one(command, mono, stereo):
    assert command("analyze", mono, stereo, "-j", 2) == command("analyze", mono, stereo, "-j", 1)


def test_a_picture_is_drawn_beside_the_text(command, stereo, tmp_path):
    target = tmp_path / "picture.png"
    code, out, _ = command("analyze", stereo, "--plot", target)
    assert code == 0
    assert "IID fluctuation" in out
    assert target.read_bytes().startswith(b"\x89PNG")
    drawn = target.read_bytes()
    code, _, err = command("analyze", stereo, "--plot", target)
    assert code == 2
    assert "exists" in err
    assert target.read_bytes() == drawn
    target.write_bytes(b"")
    assert command("analyze", stereo, "--plot", target, "--overwrite")[0] == 0
    assert target.read_bytes() == drawn


def test_two_files_are_drawn_in_one_picture(command, mono, stereo, tmp_path):
    code, out, _ = command("analyze", mono, stereo, "--plot", tmp_path / "picture.png")
    assert code == 0
    assert str(mono) in out
    assert str(stereo) in out
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_one_picture_cannot_show_nine_files(refused, mono, tmp_path):
    copies = [tmp_path / f"{i}.wav" for i in range(9)]
    for copy in copies:
        copy.write_bytes(mono.read_bytes())
    assert "1 to 8 files" in refused("analyze", *copies, "--plot", tmp_path / "picture.png")
    assert not (tmp_path / "picture.png").exists()


@pytest.fixture
def field(tmp_path):
    path = tmp_path / "walk.ambix1.wav"
    sound = 0.1 * song(RATE).numpy()
    soundfile.write(path, np.stack([sound, 0 * sound, 0 * sound, sound], axis=1), RATE)
    return path


def test_ambisonics_has_directions(command, field, tmp_path):
    picture = tmp_path / "walk.png"
    code, out, err = command("analyze", field, "--plot", picture)
    assert (code, err) == (0, "")
    assert "AmbiX (ACN, SN3D) of order 1." in out
    assert "Most of the sound comes from ahead (0°)." in out
    assert "octave, Hz" in out
    assert picture.read_bytes()[1:4] == b"PNG"
    record = json.loads(command("analyze", field, "--json")[1].splitlines()[0])
    assert record["kind"] == "ambisonics"
    assert record["convention"] == "ambix"
    stated = json.loads(
        command("analyze", field, "--convention", "fuma", "--json")[1].splitlines()[0]
    )
    assert stated["elevation"] == pytest.approx(90)  # the fourth channel is Z in FuMa


def test_a_convention_is_for_ambisonics_alone(command, stereo, field):
    code, _, err = command("analyze", stereo, "--convention", "fuma")
    assert code == 2
    assert "no ambisonics" in err
    code, _, err = command("analyze", field, "--convention", "acn")
    assert code == 2
    assert "choose one of ambix, n3d, fuma" in err
