import pytest
import torch

from sounds import noise, tone
from soundstage.networks.models.tagger import (
    FFT,
    FLOOR,
    HOP,
    LEVEL,
    RATE,
    SPREAD,
    LogMel,
    TaggerConfig,
)
from soundstage.spectra.filterbanks import hertz_to_htk_mel


def decibels(values):
    return values * SPREAD + LEVEL


def test_a_sine_is_in_the_band_of_its_frequency():
    for hz in (200.0, 1000.0, 5000.0):
        levels = LogMel()(tone(RATE, hz=hz, rate=RATE)[None])[0].mean(dim=1)
        low, high, wanted = (float(hertz_to_htk_mel(f)) for f in (40.0, 7900.0, hz))
        place = (wanted - low) / (high - low) * 65 - 1
        assert abs(int(levels.argmax()) - place) <= 0.75


def test_levels_follow_the_sound_in_decibels():
    sound = noise(RATE, level=0.05)[None]
    change = decibels(LogMel()(2 * sound)) - decibels(LogMel()(sound))
    assert float(change.mean()) == pytest.approx(6.0206, abs=0.01)


def test_the_level_of_a_full_scale_sine_is_between_its_highest_bin_and_its_power():
    levels = decibels(LogMel()(tone(RATE, hz=4000.0, level=1.0, rate=RATE)[None]))
    # Its highest bin has −6 dB, and a triangle covers several bins of the main lobe
    assert -6.1 < float(levels.max()) < -3


def test_silence_is_at_the_floor():
    mels = LogMel()(torch.zeros(1, RATE))
    assert torch.allclose(decibels(mels), 10 * torch.log10(torch.tensor(FLOOR)), atol=1e-3)


@pytest.mark.parametrize("frames", [FFT, FFT + HOP - 1, FFT + HOP, 30_720])
def test_the_number_of_columns_is_as_documented(frames):
    assert LogMel()(torch.zeros(2, frames)).shape == (2, 64, 1 + (frames - FFT) // HOP)


def tagger(depth=1):
    return TaggerConfig(n_classes=5, channels=(4, 8), embedding_dim=16, depth=depth).build()


def test_logits_and_embedding_have_their_shapes_at_any_length():
    model = tagger().eval()
    for columns in (16, 17, 187, 500):
        mels = torch.randn(3, 64, columns)
        assert model(mels).shape == (3, 5)
        assert model.embed(mels).shape == (3, 16)


def test_the_classes_follow_from_the_embedding():
    model = tagger().eval()
    mels = torch.randn(2, 64, 100)
    expected = model.classifier(torch.relu(model.embed(mels)))
    assert torch.allclose(model(mels), expected, atol=1e-6)


def test_constants_are_not_stored():
    assert not [name for name in tagger().state_dict() if name.startswith("mel")]


def test_every_parameter_has_an_effect():
    model = tagger(depth=2)
    model(torch.randn(4, 64, 40)).square().sum().backward()
    assert all(float(each.grad.abs().sum()) > 0 for each in model.parameters())
