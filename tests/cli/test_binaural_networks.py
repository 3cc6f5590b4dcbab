"""`soundstage binaural --method NETWORK`: the engine's promises hold for networks too."""

import json

import numpy as np
import pytest
import soundfile

from soundstage.binaural.renderers import PRETRAINED

RATE = 22_050


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "voice.flac"
    sound = 0.1 * np.random.default_rng(0).standard_normal(RATE // 2)
    soundfile.write(path, sound, RATE, subtype="PCM_24")
    return path


@pytest.mark.parametrize("method", PRETRAINED)
def test_a_network_renders_a_file_as_hrtf_does(command, voice, tmp_path, method):
    code, out, err = command("binaural", voice, "--orbit", 2, "--method", method, "--json")
    assert (code, err) == (0, "")
    (done,) = json.loads(out)["done"]
    assert (done["method"], done["rate"], done["encoding"]) == (method, RATE, "PCM_24")
    info = soundfile.info(tmp_path / "voice-binaural.flac")
    assert (info.samplerate, info.channels, info.subtype) == (RATE, 2, "PCM_24")
    assert RATE // 2 < info.frames < RATE
    ears = soundfile.read(tmp_path / "voice-binaural.flac")[0]
    assert 0.01 < ears.std() < 0.5


def test_no_tail_ends_with_the_sound(command, voice, tmp_path):
    assert command("binaural", voice, "--method", "warpnet", "--azimuth", 30, "--no-tail")[0] == 0
    assert soundfile.info(tmp_path / "voice-binaural.flac").frames == RATE // 2


def test_a_seed_is_a_draw_and_the_mean_has_none(command, voice, tmp_path):
    def made(name, *options):
        target = tmp_path / f"{name}.wav"
        asked = ("binaural", voice, "-o", target, "--azimuth", 30, "--method", "binauralgrad")
        assert command(*asked, *options)[0] == 0
        return target.read_bytes()

    mean = made("mean")
    assert made("mean again", "--seed", 1) == mean
    draw = made("draw", "--temperature", 1)
    assert draw != mean
    assert made("draw again", "--temperature", 1, "--seed", 0) == draw
    assert made("other draw", "--temperature", 1, "--seed", 1) != draw
    assert made("steps", "--steps", 2) != mean


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--method", "wavenet", "--room", "5x4x3", "--rt60", "0.3"], "no head, room"),
        (["--method", "warpnet", "--steps", "3"], "one pass"),
        (["--method", "binauralgrad", "--steps", "0"], "1 to 200"),
        (["--method", "binauralgrad", "--temperature", "2"], "0 to 1"),
        (["--method", "binauralgrad", "--weights", "voice.safetensors"], "2 files"),
        (["--method", "warpnet", "--weights", "no.safetensors"], "no weights at"),
        (["--method", "warpnet", "--weights", "cut.safetensors"], "cannot be read"),
        (["--method", "hrtf", "--weights", "cut.safetensors"], "no network"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_costs_no_file(
    command, voice, tmp_path, monkeypatch, options, reason
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.safetensors").write_bytes(b"\x40\0\0\0\0\0\0\0{")
    before = sorted(path.name for path in tmp_path.iterdir())
    code, out, err = command("binaural", voice, *options)
    assert (code, out) == (2, "")
    assert err.startswith("soundstage: ")
    assert err.count("\n") == 1
    assert reason in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
