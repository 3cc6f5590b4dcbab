import numpy as np
import pytest

from sounds import noise
from soundstage.binaural import ShoeBox, constant
from soundstage.binaural.renderers import render
from soundstage.binaural.renderers import (
    RENDERERS,
    PRETRAINED,
    NeuralOptions,
    RenderOptions,
    load_renderer,
)
from soundstage.binaural.render.binauralgrad import load_binauralgrad
from soundstage.errors import InputError, OptionError, WeightsError
from spheres import RATE, grid, sphere_head, write_sofa


@pytest.mark.parametrize("name", RENDERERS)
def test_every_renderer_renders(name: str) -> None:
    heard = render(noise(4000).numpy(), constant(60), RATE, load_renderer(name))
    assert np.isfinite(heard).all()
    assert heard.std(axis=1).min() > 0.01


def test_hrtf_takes_a_head_of_ones_own(tmp_path) -> None:
    path = write_sofa(tmp_path / "mine.sofa", sphere_head(grid(30)))
    sound = noise(4000).numpy()
    mine, shipped = (
        render(sound, constant(60), RATE, load_renderer("hrtf", RenderOptions(hrtf)))
        for hrtf in (str(path), None)
    )
    assert not np.allclose(mine[:, :4000], shipped[:, :4000], atol=0.01)


def test_what_a_renderer_has_no_use_for_is_refused() -> None:
    for around in (RenderOptions(room=ShoeBox((5, 4, 3), 0.3)), RenderOptions("kemar")):
        with pytest.raises(OptionError, match="warp has no head"):
            load_renderer("warp", around)
    load_renderer("warp", RenderOptions(seed=3))


@pytest.mark.parametrize("name", PRETRAINED)
def test_networks_have_no_head_and_no_room(name: str) -> None:
    for around in (RenderOptions(room=ShoeBox((5, 4, 3), 0.3)), RenderOptions("kemar")):
        with pytest.raises(OptionError, match=f"{name} has no head"):
            load_renderer(name, around)


@pytest.mark.parametrize("name", PRETRAINED)
def test_networks_of_ones_own_are_as_many_as_there_are_stages(name: str, tmp_path) -> None:
    with pytest.raises(OptionError, match=f"{name} takes {len(PRETRAINED[name])} file"):
        load_renderer(name, networks=NeuralOptions(3 * ("mine.safetensors",)))
    files = tuple(str(tmp_path / f"{number}.safetensors") for number in PRETRAINED[name])
    with pytest.raises(WeightsError, match="no weights at"):
        load_renderer(name, networks=NeuralOptions(files))


def test_steps_are_of_diffusion_alone() -> None:
    for name, reason in (
        ("warpnet", "one pass"),
        ("wavenet", "one pass"),
        ("hrtf", "no network"),
        ("warp", "no network"),
    ):
        with pytest.raises(OptionError, match=reason):
            load_renderer(name, networks=NeuralOptions(steps=2))
    with pytest.raises(OptionError, match="1 to 200"):
        load_renderer("binauralgrad", networks=NeuralOptions(steps=0))


@pytest.mark.parametrize("name", [name for name in PRETRAINED if name != "wavenet"])
def test_shipped_networks_hear_the_near_ear_louder_and_sooner(name: str) -> None:
    sound = np.convolve(noise(48_000, seed=5).numpy(), np.hanning(100) / 50, "same")
    renderer = load_renderer(name)
    for azimuth, near, far in ((80, 0, 1), (-80, 1, 0)):
        heard = render(sound, constant(azimuth), 48_000, renderer)
        energy = (heard**2).sum(axis=1)
        assert energy[near] > 1.2 * energy[far]  # in the bass, where all of this sound is
        spectra = np.fft.rfft(heard, 2 * heard.shape[1])
        lags = np.fft.irfft(spectra[far] * spectra[near].conj())
        assert 25 < np.argmax(lags[:100]) < 45  # of samples; 0.66 ms are 32


def test_unknown_names_and_files_are_refused(tmp_path) -> None:
    with pytest.raises(OptionError, match="hrtf or warp"):
        load_renderer("magic")
    with pytest.raises(InputError, match=r"no\.sofa"):
        load_renderer("hrtf", RenderOptions(str(tmp_path / "no.sofa")))


def test_binauralgrad_is_the_same_by_its_name_and_by_its_loader() -> None:
    sound = noise(4000).numpy()
    by_name, by_loader = (
        render(sound, constant(60), RATE, each)
        for each in (load_renderer("binauralgrad"), load_binauralgrad())
    )
    np.testing.assert_array_equal(by_name, by_loader)
