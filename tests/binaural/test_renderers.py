import subprocess
import sys

import numpy as np
import pytest

from sounds import noise
from soundstage.binaural import NeuralOptions, RenderOptions, ShoeBox, constant
from soundstage.binaural.render_options import (
    PRETRAINED,
    RENDERERS,
    check_renderer,
)
from soundstage.binaural.renderers import load_renderer, render
from soundstage.errors import InputError, OptionError, WeightsError
from spheres import RATE, grid, sphere_head, write_sofa


@pytest.mark.parametrize("name", RENDERERS)
def test_every_renderer_renders(name: str) -> None:
    ears = render(noise(4000).numpy(), constant(60), RATE, load_renderer(name))
    assert np.isfinite(ears).all()
    assert ears.std(axis=1).min() > 0.01


def test_hrtf_renders_with_a_sofa_file(tmp_path) -> None:
    path = write_sofa(tmp_path / "mine.sofa", sphere_head(grid(30)))
    sound = noise(4000).numpy()
    mine, bundled = (
        render(sound, constant(60), RATE, load_renderer("hrtf", RenderOptions(hrtf)))
        for hrtf in (str(path), None)
    )
    assert not np.allclose(mine[:, :4000], bundled[:, :4000], atol=0.01)


@pytest.mark.parametrize("name", ["warp", *PRETRAINED])
def test_only_hrtf_has_an_hrtf_set_and_a_room(name: str) -> None:
    for options in (RenderOptions(room=ShoeBox((5, 4, 3), 0.3)), RenderOptions("kemar")):
        with pytest.raises(OptionError, match=f"{name} has no HRTF set"):
            check_renderer(name, options)
    check_renderer(name, RenderOptions(seed=3))


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_neural_renderer_takes_one_file_of_weights_per_stage(name: str, tmp_path) -> None:
    with pytest.raises(OptionError, match=f"{name} takes {len(PRETRAINED[name])} file"):
        check_renderer(name, neural=NeuralOptions(3 * ("mine.safetensors",)))
    files = tuple(str(tmp_path / f"{stage}.safetensors") for stage in PRETRAINED[name])
    with pytest.raises(WeightsError, match=r"safetensors"):
        load_renderer(name, neural=NeuralOptions(files))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("warpnet", "no diffusion"),
        ("wavenet", "no diffusion"),
        ("hrtf", "not neural"),
        ("warp", "not neural"),
    ],
)
def test_only_binauralgrad_has_steps_and_temperature(name: str, reason: str) -> None:
    for neural in (NeuralOptions(steps=2), NeuralOptions(temperature=0.5)):
        with pytest.raises(OptionError, match=reason):
            check_renderer(name, neural=neural)


@pytest.mark.parametrize("name", [name for name in PRETRAINED if name != "wavenet"])
def test_pretrained_networks_render_the_near_ear_louder_and_earlier(name: str) -> None:
    sound = np.convolve(noise(48_000, seed=5).numpy(), np.hanning(100) / 50, "same")
    renderer = load_renderer(name)
    for azimuth, near, far in ((80, 0, 1), (-80, 1, 0)):
        ears = render(sound, constant(azimuth), 48_000, renderer)
        energy = (ears**2).sum(axis=1)
        assert energy[near] > 1.2 * energy[far]  # in the bass, which is all of this sound
        spectra = np.fft.rfft(ears, 2 * ears.shape[1])
        correlation = np.fft.irfft(spectra[far] * spectra[near].conj())
        assert 25 < np.argmax(correlation[:100]) < 45  # samples; 0.66 ms are 32


def test_unknown_names_and_missing_files_are_refused(tmp_path) -> None:
    with pytest.raises(OptionError, match="choose hrtf, warp"):
        load_renderer("magic")
    with pytest.raises(InputError, match=r"no\.sofa"):
        load_renderer("hrtf", RenderOptions(str(tmp_path / "no.sofa")))


def test_refusals_and_plans_import_neither_torch_nor_hrtf_readers() -> None:
    code = """
import sys
from soundstage.binaural.binaural_jobs import BinauralWork, plan_jobs
from soundstage.binaural.trajectory_options import TrajectoryOptions
BinauralWork("binauralgrad")
plan_jobs([], None, TrajectoryOptions(orbit=3.0))
heavy = ("torch", "scipy.signal", "scipy.spatial", "netCDF4")
print([name for name in heavy if name in sys.modules])
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "[]", printed.stderr
