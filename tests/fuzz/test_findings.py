"""The smallest inputs of what mutated files have found, with what each must give."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import soundstage
import tiny
from soundstage.audio import open_sound
from soundstage.binaural import load_hrtf, read_hrtf, read_scene
from soundstage.corpora import open_corpus
from soundstage.errors import InputError, OptionError, SoundstageError, WeightsError
from soundstage.training import load_recipe
from soundstage.weights.model import load_weights, save_weights


def rf64(size: int) -> bytes:
    """Two frames of mono sound, with this size in the chunk of long sizes."""
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 100, size, 2, 0)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16_000, 2, 16)
    return b"RF64\xff\xff\xff\xffWAVE" + sizes + form + b"data\xff\xff\xff\xff" + b"\1\0\2\0"


@pytest.mark.parametrize("size", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_size_beyond_any_file_is_a_sentence(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.wav").write_bytes(rf64(4))
    np.testing.assert_array_equal(open_sound(tmp_path / "a.wav").frames, 2)
    (tmp_path / "a.wav").write_bytes(rf64(size))
    with pytest.raises(InputError, match=r"a\.wav"):
        open_sound(tmp_path / "a.wav")


def test_weights_that_overflow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "diffusion.safetensors"
    tiny.save_diffusion(path)
    weights = load_weights(path, "diffusion")
    weights.tensors["encoder.band_weights"][:, ::2] = -3e38
    save_weights(path, "diffusion", weights.tensors, weights.config)
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, 4000)
    with pytest.raises(SoundstageError, match="samples that are not numbers"):
        soundstage.upmix((sound, 16_000), method="diffusion", weights=path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.complex64, torch.int32])
def test_weights_of_another_type_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "decorrelate.safetensors"
    save_weights(path, "decorrelate", {"coherence": tiny.coherences().to(dtype)})
    with pytest.raises(WeightsError, match=r"should be .* and is"):
        soundstage.upmix((np.zeros(4000), 16_000), method="decorrelate", weights=path)


LONG = "x" * 70_000


def test_names_that_no_system_has_are_short_sentences(tmp_path: Path) -> None:
    scene = tmp_path / "scene.json"
    scene.write_text(f'{{"sources": [{{"file": "{LONG}"}}]}}')
    with pytest.raises(InputError, match="must be the name of a file") as caught:
        read_scene(scene)
    assert len(str(caught.value)) < len(str(scene)) + 200
    for name in (LONG, "x" * 300):
        (tmp_path / "manifest.csv").write_text(f"file,song,stem\n{name},One,bass\n")
        with pytest.raises(InputError) as caught:
            open_corpus(tmp_path)
        assert len(str(caught.value)) < len(str(tmp_path)) + 400
        for read, error in ((read_hrtf, InputError), (load_recipe, OptionError)):
            with pytest.raises(error):
                read(name)
        with pytest.raises(WeightsError):
            load_weights(Path(name), "masked")
        with pytest.raises((InputError, WeightsError)):
            load_hrtf(f"{name}.sofa")
