"""Folders of HiFi-GAN as they are published, with small random networks."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.utils import parametrizations

from network_checks import noise
from soundstage.errors import WeightsError
from soundstage.networks.models.hifi_gan import HiFiGANConfig
from soundstage.scene.hifi_gan_vocoder import MelSettings, load_hifi_gan
from soundstage.scene.vocoders import load_vocoder
from soundstage.spectra.dual_spectra import HOP, RATE, spectrogram
from soundstage.spectra.filterbanks import slaney_mel_filters

CONFIG = {
    "resblock": "1",
    "upsample_rates": [8, 4],
    "upsample_kernel_sizes": [16, 8],
    "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
    "num_mels": 12,
    "n_fft": 128,
    "hop_size": 32,
    "win_size": 128,
    "sampling_rate": 22050,
    "fmin": 0,
    "fmax": 8000,
    "segment_size": 8192,
}


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return (
            HiFiGANConfig(
                num_mels=12,
                upsample_rates=(8, 4),
                upsample_kernel_sizes=(16, 8),
                upsample_initial_channel=8,
                resblock_kernel_sizes=(3,),
                resblock_dilation_sizes=((1, 3),),
            )
            .build()
            .requires_grad_(False)
        )


def with_weight_norm(state):
    """Tensors of a published checkpoint: g and v of every layer, and its bias."""
    named = {}
    for name, tensor in state.items():
        if name.endswith("bias"):
            named[name] = tensor
            continue
        norm = tensor.flatten(1).norm(dim=1).reshape(-1, *(1,) * (tensor.ndim - 1))
        named[f"{name}_g"], named[f"{name}_v"] = norm, 3 * tensor
    return named


@pytest.fixture
def published(tmp_path):
    """As Kong et al. publish one."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    content = {"generator": with_weight_norm(network().state_dict())}
    torch.save(content, tmp_path / "generator_v1")
    return tmp_path


@pytest.fixture
def of_transformers(tmp_path):
    """As transformers stores the vocoder of AudioLDM."""
    config = {key: CONFIG[key] for key in CONFIG if key.startswith(("upsample", "resblock_"))}
    config |= {"model_in_dim": 12, "sampling_rate": 22050, "normalize_before": False}
    (tmp_path / "config.json").write_text(json.dumps(config))
    state = {
        name.replace("ups.", "upsampler."): tensor.contiguous()
        for name, tensor in network().state_dict().items()
    }
    state |= {"mean": torch.zeros(12), "scale": torch.ones(12)}
    save_file(state, tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.parametrize("layout", ["published", "of_transformers"])
def test_a_folder_gives_the_network_that_it_holds(layout, request):
    loaded = load_hifi_gan(request.getfixturevalue(layout))
    mels = noise(1, 12, 9)
    assert torch.allclose(loaded.network(mels), network()(mels), atol=1e-5)
    assert loaded.mel.hop == 32
    assert loaded.mel.rate == 22050


def test_a_checkpoint_of_a_folder_with_several_is_given_by_its_path(published):
    (published / "generator_v2").write_bytes((published / "generator_v1").read_bytes())
    with pytest.raises(WeightsError, match="2"):
        load_hifi_gan(published)
    assert load_hifi_gan(published / "generator_v1").mel.bands == 12


def test_the_sound_is_as_long_as_the_mel_bands(published):
    sound = load_vocoder(f"hifigan={published}").sound(noise(2, 64, 30))
    assert sound.shape == (2, 29 * HOP)
    assert sound.isfinite().all()


def own_bands(sound, settings):
    """Log bands as the training of HiFi-GAN computes them, at the same rate."""
    beside = (settings.fft - settings.hop) // 2
    padded = torch.nn.functional.pad(sound[:, None], (beside, beside), mode="reflect")[:, 0]
    spectrum = torch.stft(
        padded,
        settings.fft,
        settings.hop,
        window=torch.hann_window(settings.fft),
        center=False,
        return_complex=True,
    )
    filters = slaney_mel_filters(
        settings.bands, settings.fft, settings.rate, settings.lowest, settings.highest
    )
    return (filters @ spectrum.abs()).clamp(min=1e-5).log()


def test_converted_mel_bands_are_those_of_the_sound():
    """64 bands at hop 160, as AudioLDM has them: noise that grows, so time counts, too."""
    settings = MelSettings(64, RATE, 1024, 160, 0, 8000)
    sound = torch.linspace(0.01, 0.2, 64_000) * noise(1, 64_000)
    wanted = own_bands(sound, settings)
    made = settings.log_bands(spectrogram(sound).abs())
    assert made.shape == wanted.shape
    difference = (made - wanted)[..., 8:-8]
    assert difference.mean().abs() < 0.1  # 0.9 dB
    assert difference.mean(dim=(0, 1)).abs().max() < 0.3  # in every frame
    assert difference.mean(dim=(0, 2)).abs().max() < 0.3  # in every band


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"upsample_rates": [8]}, "kernel size"),
        ({"upsample_rates": None}, "config of a HiFi-GAN"),
        ({"hop_size": 33}, "hop"),
        ({"sampling_rate": "fast"}, "config of a HiFi-GAN"),
        ({"num_mels": 13}, "conv_pre"),
        ({"upsample_initial_channel": 4096}, "more parameters"),
    ],
)
def test_a_config_that_does_not_fit_is_a_clear_error(published, change, message):
    (published / "config.json").write_text(json.dumps({**CONFIG, **change}))
    with pytest.raises(WeightsError, match=message):
        load_hifi_gan(published)


def test_missing_files_are_clear_errors(published):
    (published / "config.json").rename(published / "other.json")
    with pytest.raises(WeightsError, match="is missing"):
        load_hifi_gan(published)
    (published / "generator_v1").unlink()
    with pytest.raises(WeightsError, match="one file of weights, not 0"):
        load_hifi_gan(published)
    with pytest.raises(WeightsError, match="missing"):
        load_hifi_gan(published / "nowhere")


def test_a_checkpoint_that_runs_code_is_refused(published):
    class Evil:
        def __reduce__(self):
            return os.getcwd, ()

    torch.save({"generator": Evil()}, published / "generator_v1")
    with pytest.raises(WeightsError, match="plain tensors"):
        load_hifi_gan(published)


def test_names_of_newer_versions_of_torch_are_read(published):
    layers = network()
    for module in list(layers.modules()):
        if isinstance(module, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            parametrizations.weight_norm(module)
    torch.save({"generator": dict(layers.state_dict())}, published / "generator_v1")
    mels = noise(1, 12, 9)
    assert torch.allclose(load_hifi_gan(published).network(mels), network()(mels), atol=1e-5)
