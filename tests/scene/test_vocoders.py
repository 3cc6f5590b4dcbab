import pytest
import torch

from network_checks import noise
from soundstage.errors import OptionError, WeightsError
from soundstage.networks.models.vocoder import VocoderConfig
from soundstage.scene.vocoders import load_vocoder
from soundstage.spectra.dual_spectra import HOP, log_mel, spectrogram
from soundstage.weights.model import save_model


def mels():
    """Log-mel bands of a rising and a falling noise."""
    level = torch.linspace(0.001, 0.1, 40).repeat_interleave(HOP)
    return log_mel(spectrogram(torch.stack([level, level.flip(0)]) * noise(2, 40 * HOP)))


def mel_error(source):
    """Mean error of the mel bands of the sound, in deviations of 21 dB."""
    sound = load_vocoder(source).sound(mels())
    assert sound.shape == (2, 40 * HOP)
    return float((log_mel(spectrogram(sound)) - mels()).abs().mean())


@pytest.mark.parametrize("source", ["vocoder", "griffin-lim"])
def test_the_sound_has_the_mel_bands(source):
    assert mel_error(source) < 0.06  # 1.2 dB


def test_trained_weights_are_loaded_from_a_file(tmp_path):
    config = VocoderConfig(depth=1, dim=8)
    save_model(tmp_path / "mine.safetensors", config, config.build().state_dict())
    assert mel_error(str(tmp_path / "mine.safetensors")) < 0.2


def test_one_call_gives_the_same_bytes_as_another():
    vocoder = load_vocoder()
    assert torch.equal(vocoder.sound(mels()), vocoder.sound(mels()))


def test_an_unknown_vocoder_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match="griffin-lim"):
        load_vocoder("hifi")


def test_missing_weights_are_an_error(tmp_path):
    with pytest.raises(WeightsError, match="no weights"):
        load_vocoder(str(tmp_path / "none.safetensors"))
