import pytest
import torch

from network_checks import fill_zeros, noise, without_gradient
from soundstage.networks.models.spectrogram_vae import (
    Posterior,
    SpectrogramVAE,
    SpectrogramVAEConfig,
)
from soundstage.spectra.dual_spectra import mel_to_magnitude, spectrogram
from soundstage.weights.model import load_model, save_model

SCALES = {
    "mel": ((2, 2), (2, 2)),
    "mono-mel": ((4, 4), (1, 1)),
    "stft": ((4, 4), (2, 2)),
    "dual": ((1, 4), (2, 2)),
}
KINDS = [
    ("mel", "channels", (16, 6)),
    ("mono-mel", "channels", (16, 6)),
    ("stft", "channels", (32, 3)),
    ("stft", "interaural", (32, 3)),
    ("dual", "channels", (32, 3)),
    ("dual", "interaural", (32, 3)),
]
FRAMES = 24


def config(kind: str, ears: str = "channels", **changes) -> SpectrogramVAEConfig:
    small = {"channels": (8, 12), "strides": SCALES[kind], "latent_channels": 4}
    return SpectrogramVAEConfig(kind=kind, ears=ears, **{**small, **changes})


def network(kind: str, ears: str = "channels") -> SpectrogramVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fill_zeros(config(kind, ears).build())


def spectra(vae: SpectrogramVAE, frames: int = FRAMES) -> torch.Tensor:
    left = 0.1 * noise(2, 1, (frames - 1) * 256)
    ears = torch.cat([left, 0.5 * left.roll(5, dims=-1)], dim=1)
    return spectrogram(ears[:, : vae.config.n_ears])


@pytest.mark.parametrize(("kind", "ears", "grid"), KINDS)
def test_latents_have_the_compression_of_the_paper(kind, ears, grid):
    vae = network(kind, ears)
    features = vae.features(spectra(vae))
    assert features.shape == (2, vae.config.n_channels, vae.config.n_rows, FRAMES)
    posterior = vae.encode(features)
    assert posterior.mean.shape == posterior.log_variance.shape == (2, 4, *grid)
    assert vae.decode(posterior.mean).shape == features.shape
    assert (vae.config.latent_rows, FRAMES // vae.config.frames_per_latent) == grid


@pytest.mark.parametrize(("kind", "ears", "grid"), KINDS)
def test_every_parameter_matters(kind, ears, grid):
    vae = network(kind, ears)
    posterior = vae.encode(vae.features(spectra(vae)))
    output = vae.decode(posterior.sample(torch.Generator().manual_seed(0)))
    assert not without_gradient(vae, output)


@pytest.mark.parametrize("kind", SCALES)
def test_what_is_far_away_changes_nothing(kind):
    vae = network(kind)
    spectrum = spectra(vae, 160)
    with torch.no_grad():
        whole = vae.decode(vae.encode(vae.features(spectrum)).mean)
        part = vae.decode(vae.encode(vae.features(spectrum[..., :128])).mean)
    assert torch.allclose(whole[..., :16], part[..., :16], atol=1e-4)


@pytest.mark.parametrize("ears", ["channels", "interaural"])
def test_spectra_come_back_from_their_features(ears):
    vae = network("stft", ears)
    spectrum = spectra(vae)
    again = vae.spectrum(vae.features(spectrum))
    assert torch.allclose(again[..., :-1, :], spectrum[..., :-1, :], atol=1e-4)


@pytest.mark.parametrize("ears", ["channels", "interaural"])
def test_dual_takes_magnitudes_of_the_mel_bands_and_phases_of_the_spectra(ears):
    vae = network("dual", ears)
    spectrum = spectra(vae)
    features = vae.features(spectrum)
    again = vae.spectrum(features)
    assert torch.allclose(again.abs(), mel_to_magnitude(vae.mel(features)), atol=1e-6)
    turned = (again * spectrum.conj())[..., 1:-1, :]
    assert (turned.angle().abs() * spectrum[..., 1:-1, :].abs()).max() < 1e-3


def test_statistics_normalize_latents_and_leave_the_reconstruction():
    vae = network("mel")
    features = vae.features(spectra(vae))
    with torch.no_grad():
        before = vae.encode(features)
        output = vae.decode(before.mean)
        vae.latent_mean.fill_(0.5)
        vae.latent_deviation.fill_(2.0)
        after = vae.encode(features)
        assert torch.allclose(vae.decode(after.mean), output, atol=1e-5)
    assert torch.allclose(after.mean, (before.mean - 0.5) / 2, atol=1e-6)
    samples = [each.sample(torch.Generator().manual_seed(1)) for each in (before, after)]
    assert torch.allclose(samples[1], (samples[0] - 0.5) / 2, atol=1e-5)


def test_the_divergence_is_zero_for_a_unit_gaussian_only():
    zeros = torch.zeros(2, 4, 3, 3)
    assert Posterior(zeros, zeros).divergence().tolist() == [0, 0]
    assert Posterior(zeros + 1, zeros).divergence().tolist() == [0.5, 0.5]
    assert (Posterior(zeros, zeros - 1).divergence() > 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": ((2, 2), (4, 2))}, "multiply to 4 and 4"),
        ({"strides": ((4, 4),)}, "one pair of strides for each scale"),
        ({"latent_channels": 0}, "latent_channels is 1 to 64"),
    ],
)
def test_configs_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        config("mel", **changes)


def test_weights_are_written_and_read(tmp_path):
    vae = network("stft", "interaural")
    vae.latent_mean.fill_(0.123456)
    save_model(tmp_path / "vae.safetensors", vae.config, vae.state_dict())
    loaded = load_model(tmp_path / "vae.safetensors", SpectrogramVAEConfig)
    assert loaded.config == vae.config
    assert torch.equal(loaded.network.latent_mean, vae.latent_mean)
