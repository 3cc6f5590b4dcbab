import math

import pytest
import torch

from network_checks import loss_ratio, noise
from soundstage.networks.models.localizer import (
    BINS,
    FFT,
    FLOOR,
    RATE,
    InterauralSpectra,
    LocalizerConfig,
)

SMALL = LocalizerConfig(
    branch_channels=(4, 6, 8), joint_channels=(10, 6), frame_dim=16, embedding_dim=8, dropout=0
)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SMALL.build().eval()


def test_the_phase_is_that_of_the_left_ear_over_the_right():
    sound = noise(1, RATE)
    ears = torch.stack([sound, sound.roll(8)], dim=1)  # the left ear leads by 0.5 ms
    real, imaginary, _, difference = InterauralSpectra()(ears)[0, :, :, 4:-4]
    frequency = torch.arange(1, BINS + 1) * RATE / FFT
    expected = 2 * math.pi * frequency * 8 / RATE
    turned = torch.polar(torch.ones(BINS), -expected) * torch.complex(real, imaginary).mean(dim=1)
    assert turned.real.mean() > 0.95
    assert abs(turned.imag.mean()) < 0.02
    assert abs(difference.mean()) < 0.01


def test_20_db_between_the_ears_are_1_in_the_difference_of_levels():
    sound = noise(1, RATE)
    spectra = InterauralSpectra()(torch.stack([sound, 0.1 * sound], dim=1))
    assert spectra[0, 3].median().item() == pytest.approx(1, abs=0.03)


def test_the_level_of_a_sound_makes_no_difference():
    ears = noise(2, 2, RATE)
    spectra = InterauralSpectra()
    torch.testing.assert_close(spectra(ears), spectra(1e-3 * ears), atol=1e-3, rtol=0)


def test_silence_has_no_phase_and_the_lowest_level():
    ears = torch.cat([noise(1, 2, RATE), torch.zeros(1, 2, RATE)], dim=-1)
    spectra = InterauralSpectra()(ears)[0, :, :, -10:]
    lowest = torch.tensor([0, 0, 1 + math.log10(FLOOR) / 2, 0])
    torch.testing.assert_close(spectra, lowest[:, None, None].expand_as(spectra))
    assert InterauralSpectra()(torch.zeros(1, 2, RATE)).isfinite().all()


def test_logits_and_embedding_have_their_shapes_at_any_length(network):
    for samples in (1, 700, RATE, 5 * RATE):
        spectra = network.spectra(noise(3, 2, samples))
        assert network(spectra).shape == (3, 12)
        assert network.embed(spectra).shape == (3, 8)


def test_the_mean_over_time_can_leave_out_silence(network):
    """With a score for level, padding hardly changes the embedding."""
    short = noise(1, 2, RATE)
    long = torch.nn.functional.pad(short, (0, RATE))
    frames = []
    hook = network.score.register_forward_hook(lambda _, __, out: frames.append(out.shape[1]))
    network.embed(network.spectra(short))
    network.embed(network.spectra(long))
    hook.remove()
    assert frames[1] > 1.9 * frames[0]
    scores = torch.full((1, frames[1], 1), -50.0)
    scores[:, : frames[0] - 3] = 0
    hook = network.score.register_forward_hook(lambda _, __, out: scores[:, : out.shape[1]])
    embedding = network.embed(network.spectra(long))
    alone = network.embed(network.spectra(short))
    hook.remove()
    torch.testing.assert_close(embedding, alone, atol=0.05, rtol=0.05)


def test_low_and_high_frequencies_are_distinguished():
    """A stimulus at one frequency is learned with another answer than at another frequency."""
    torch.manual_seed(1)
    network = SMALL.build()
    time = torch.arange(RATE // 2) / RATE
    tones = torch.stack([torch.sin(2 * math.pi * hz * time) for hz in (700.0, 700.0 + 32 * 125)])
    spectra = network.spectra(tones[:, None].repeat(1, 2, 1))
    target = torch.eye(12)[[2, 9]]
    ratio = loss_ratio(
        network, lambda: network(spectra).softmax(dim=1), target, steps=60, rate=0.02
    )
    assert ratio < 0.2


def test_every_parameter_has_a_gradient():
    network = SMALL.build()
    network(network.spectra(noise(3, 2, RATE))).square().sum().backward()
    assert not [name for name, each in network.named_parameters() if each.grad is None]


def test_other_numbers_of_layers_are_refused():
    with pytest.raises(ValueError, match="3 convolutions"):
        LocalizerConfig(branch_channels=(4, 8))
    with pytest.raises(ValueError, match="3 convolutions"):
        LocalizerConfig(joint_channels=())
