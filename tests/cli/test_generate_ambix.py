"""`soundstage generate --ambix`."""

import numpy as np
import pytest
import soundfile

import stand_in_sources

SENTENCE = "a dog barking on the left"


@pytest.fixture(autouse=True)
def sources(monkeypatch):
    stand_in_sources.use(monkeypatch)


@pytest.fixture
def generate(command, tmp_path, monkeypatch):
    """`soundstage generate` at a low rate, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: command("generate", *arguments, "--rate", 16_000)


def test_the_field_is_that_of_the_scene_file(generate, command, tmp_path):
    code, out, err = generate(SENTENCE, "--ambix", 2, "--scene", "s.json", "--seconds", 1)
    assert (code, err) == (0, "")
    assert "dog-barking.ambix2.wav: 1.0 s, PCM_24; AmbiX (ACN, SN3D) of order 2" in out
    assert soundfile.info(tmp_path / "dog-barking.ambix2.wav").channels == 9
    code, _, err = command("binaural", "s.json", "--ambix", 2, "-o", "again.wav")
    assert (code, err) == (0, "")
    first, second = (
        soundfile.read(tmp_path / name)[0] for name in ("dog-barking.ambix2.wav", "again.wav")
    )
    assert np.array_equal(first, second)


def test_conventions_takes_and_pictures(generate, tmp_path):
    pytest.importorskip("matplotlib")
    options = ("--ambix", 1, "--convention", "fuma", "--takes", 2, "--plot", "p.png")
    code, out, err = generate(SENTENCE, *options)
    assert (code, err) == (0, "")
    assert "Furse-Malham (FuMa) of order 1" in out
    names = {path.name for path in tmp_path.iterdir()}
    fields = {"dog-barking-1.fuma1.wav", "dog-barking-2.fuma1.wav"}
    assert names == fields | {"p-1.png", "p-2.png"}
    w, x, y, _ = soundfile.read(tmp_path / "dog-barking-1.fuma1.wav")[0].T
    assert w @ y / (w @ w) == pytest.approx(np.sqrt(2), rel=0.02)  # FuMa turns W down
    assert abs(w @ x) < 0.02 * (w @ y)


def test_formats_without_so_many_channels_are_refused(refused):
    assert "channels" in refused("generate", SENTENCE, "--ambix", 3, "-o", "x.flac")
