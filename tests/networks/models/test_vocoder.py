import pytest
import torch

from network_checks import noise, without_gradient
from soundstage.networks.models.vocoder import Vocoder, VocoderConfig
from soundstage.networks.models.waveform_discriminator import WaveformDiscriminator, magnitudes
from soundstage.spectra.dual_spectra import HOP, log_mel, spectrogram


def vocoder(**changes) -> Vocoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"depth": 1, "dim": 16, "mlp_ratio": 2, "corrections": 0}
        return VocoderConfig(**{**sizes, **changes}).build().eval()


@pytest.mark.parametrize("frames", [2, 3, 40])
def test_sound_of_any_number_of_frames_has_a_hop_between_them(frames):
    assert vocoder(corrections=1)(torch.zeros(3, 64, frames)).shape == (3, (frames - 1) * HOP)


def mel_error(network):
    """Mean error of the mel bands of a decaying noise, in deviations of 21 dB."""
    level = torch.linspace(0.1, 0.001, 100).repeat_interleave(HOP)
    mels = log_mel(spectrogram(level * noise(1, 100 * HOP)))
    with torch.no_grad():
        return float((log_mel(spectrogram(network(mels))) - mels).abs().mean())


def test_an_untrained_vocoder_is_a_filter_of_noise_that_keeps_the_mel_bands():
    assert mel_error(vocoder()) < 0.2


def test_corrections_bring_the_mel_bands_nearer():
    assert mel_error(vocoder(corrections=4)) < 0.3 * mel_error(vocoder())


def test_a_sound_depends_on_its_own_mel_bands_alone():
    mels = noise(2, 64, 20)
    with torch.no_grad():
        both, one = vocoder()(mels), vocoder()(mels[1:])
    assert torch.allclose(both[1:], one, atol=1e-5)
    assert not torch.allclose(both[:1], both[1:], atol=1e-2)


def test_the_noise_is_the_same_in_every_call_unless_it_is_given():
    network, mels = vocoder(), noise(1, 64, 20)
    with torch.no_grad():
        torch.manual_seed(1)
        first = network(mels)
        torch.manual_seed(2)
        assert torch.equal(first, network(mels))
        assert not torch.allclose(first, network(mels, noise(1, 19 * HOP, seed=5)), atol=1e-2)


def test_a_strong_tone_drowns_the_noise_without_a_change_of_level():
    """exp(m) is the level of a bin whatever t is."""
    network = vocoder()
    mels = torch.zeros(1, 64, 60)
    with torch.no_grad():
        noisy = network(mels)
        bins = len(network.head.bias) // 3
        network.head.bias[bins : 2 * bins : 2] = 50.0  # real part of t: a click in the middle
        network.head.bias[bins + 1 : 2 * bins : 2] = -50.0
        one, other = network(mels), network(mels, noise(1, 59 * HOP, seed=5))
    assert (one - other).square().mean() < 1e-2 * one.square().mean()
    assert 0.3 < float(magnitudes(one, 512).mean() / magnitudes(noisy, 512).mean()) < 3


def test_every_parameter_is_used():
    network = vocoder(corrections=1).train()
    assert not without_gradient(network, network(noise(1, 64, 12)))


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="odd"):
        VocoderConfig(kernel_size=4)


def test_magnitudes_have_one_for_a_sine_at_full_scale_in_every_resolution():
    sine = torch.sin(2 * torch.pi * 1000 / 16_000 * torch.arange(8000))[None]
    for window in (256, 512, 1024):
        assert abs(float(magnitudes(sine, window)[0, :, 20].max()) - 1) < 0.01


def test_the_discriminator_gives_logits_of_patches_in_every_resolution():
    network = WaveformDiscriminator(2, (8, 8))
    logits = network(*(magnitudes(noise(2, 8192), window) for window in (256, 512)))
    assert [each.shape[:2] for each in logits] == [(2, 1), (2, 1)]
    assert all(each[0, 0].numel() > 20 for each in logits)
