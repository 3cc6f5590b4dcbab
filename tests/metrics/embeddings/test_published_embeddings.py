"""VGGish, PANNs and EfficientAT: their inputs, derived from the definitions, and their networks."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from making_embeddings import MOBILE_WIDTH, WIDTH, sounds_of
from sounds import noise, tone
from soundstage.metrics.embeddings.efficient_at import efficient_at_log_mel
from soundstage.metrics.embeddings.published import panns_log_mel, vggish_log_mel
from soundstage.networks.models.cnn14 import Cnn14
from soundstage.networks.models.mobile_net import MobileNet
from soundstage.networks.models.vggish import VGGish
from soundstage.spectra.filterbanks import htk_mel_filters, slaney_mel_filters


def spectrum(frame: np.ndarray, size: int) -> np.ndarray:
    """Magnitudes of one Hann windowed frame by the sum that defines them."""
    length = len(frame)
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * n / length) for n in range(length)]
    angles = 2 * math.pi * np.outer(np.arange(size // 2 + 1), np.arange(length)) / size
    weighted = frame * np.array(hann)
    return np.hypot(np.cos(angles) @ weighted, np.sin(angles) @ weighted)


@pytest.mark.parametrize("place", [0, 95])
def test_the_input_of_vggish_matches_its_definition(place: int) -> None:
    sound = noise(16_000) + tone(16_000, hz=1000, rate=16_000)
    patch = vggish_log_mel(sound[None])
    assert patch.shape == (1, 96, 64)
    filters = htk_mel_filters(64, 512, 16_000, 125, 7500).double().numpy()
    frame = sound[160 * place : 160 * place + 400].double().numpy()
    by_hand = np.log(filters @ spectrum(frame, 512) + 0.01)
    np.testing.assert_allclose(patch[0, place].numpy(), by_hand, atol=1e-4)


@pytest.mark.parametrize("place", [0, 100])
def test_the_input_of_panns_matches_its_definition(place: int) -> None:
    sound = noise(32_000) + tone(32_000, hz=1000, rate=32_000)
    spectrogram = panns_log_mel(sound[None])
    assert spectrogram.shape == (1, 101, 64)
    filters = slaney_mel_filters(64, 1024, 32_000, 50, 14_000).double().numpy()
    mirrored = np.pad(sound.double().numpy(), 512, mode="reflect")
    power = spectrum(mirrored[320 * place : 320 * place + 1024], 1024) ** 2
    by_hand = 10 * np.log10(np.maximum(filters @ power, 1e-10))
    np.testing.assert_allclose(spectrogram[0, place].numpy(), by_hand, atol=1e-3)


@pytest.mark.parametrize("place", [0, 99])
def test_the_input_of_efficientat_matches_its_definition(place: int) -> None:
    sound = noise(32_000) + tone(32_000, hz=1000, rate=32_000)
    found = efficient_at_log_mel(sound[None])
    assert found.shape == (1, 128, 100)
    x = sound.double().numpy()
    mirrored = np.pad(x[1:] - 0.97 * x[:-1], 512, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(800) / 799)  # symmetric
    frame = np.pad(hann, 112) * mirrored[320 * place : 320 * place + 1024]
    power = np.abs(np.fft.rfft(frame)) ** 2

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 1127 * np.log(1 + hertz / 700)  # Kaldi's scale

    step = mel(np.array(15_000.0)) / 129
    distance = np.abs(mel(np.arange(513) * 31.25) - step * np.arange(1, 129)[:, None]) / step
    bands = (1 - distance).clip(min=0) @ power
    np.testing.assert_allclose(found[0, :, place], (np.log(bands + 1e-5) + 4.5) / 5, atol=1e-4)


def test_efficientat_has_the_parameters_and_names_of_the_published_file() -> None:
    network = MobileNet(384)
    assert sum(value.numel() for value in network.parameters()) == 983_599
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["features.0.0.weight"] == (8, 1, 3, 3)
    assert shapes["features.1.block.1.0.weight"] == (8, 8, 1, 1)  # nothing to widen
    assert shapes["features.12.block.2.conc_se_layers.0.fc1.weight"] == (72, 272)
    assert shapes["features.15.block.3.0.weight"] == (64, 384, 1, 1)
    assert shapes["classifier.5.weight"] == (527, 512)


def test_efficientat_applies_its_network_to_windows_of_five_seconds(places, embeddings) -> None:
    network = MobileNet(MOBILE_WIDTH).eval()
    network.load_state_dict(load_file(places["efficientat"].removeprefix("efficientat=")))
    sound = sounds_of("efficientat", 1.5)
    with torch.no_grad():
        wanted = [network(efficient_at_log_mel(sound[:, k : k + 160_000]))[0] for k in (0, 80_000)]
    torch.testing.assert_close(
        embeddings["efficientat"].embed(sound), torch.stack(wanted, dim=1), atol=1e-5, rtol=1e-4
    )


def test_silence_is_at_the_floor_of_both_inputs() -> None:
    assert torch.allclose(vggish_log_mel(torch.zeros(1, 16_000)), torch.tensor(math.log(0.01)))
    assert torch.allclose(panns_log_mel(torch.zeros(1, 32_000)), torch.tensor(-100.0))


def test_vggish_applies_its_network_to_windows(places, embeddings) -> None:
    network = VGGish(WIDTH)
    given = load_file(places["vggish"].removeprefix("vggish="))
    network.load_state_dict({name: given[name] for name in network.state_dict()})
    sound = sounds_of("vggish", 1.5)
    wanted = [network(vggish_log_mel(sound[:, k : k + 16_000])) for k in (0, 8000)]
    torch.testing.assert_close(
        embeddings["vggish"].embed(sound), torch.stack(wanted, dim=1), atol=1e-5, rtol=1e-4
    )


def test_panns_applies_its_network_to_windows(places, embeddings) -> None:
    network = Cnn14(WIDTH).eval()
    given = load_file(places["panns"].removeprefix("panns="))
    network.load_state_dict({name: given[name] for name in network.state_dict()})
    sound = sounds_of("panns", 1.5)
    wanted = [network(panns_log_mel(sound[:, k : k + 32_000])) for k in (0, 16_000)]
    torch.testing.assert_close(
        embeddings["panns"].embed(sound), torch.stack(wanted, dim=1), atol=1e-5, rtol=1e-4
    )
