import math

import pytest
import torch

from network_checks import noise
from soundstage.networks.models.spectrogram_vae import SpectrogramVAE, SpectrogramVAEConfig
from soundstage.spectra.dual_spectra import spectrogram
from soundstage.training.tasks.spectrogram_losses import (
    error_measures,
    judged,
    reconstruction_error,
)

STRIDES = {"mel": (4, 4), "stft": (8, 8), "dual": (2, 8)}
KINDS = [
    ("mel", "channels"),
    ("stft", "channels"),
    ("stft", "interaural"),
    ("dual", "channels"),
    ("dual", "interaural"),
]
FRAMES = 24


def network(kind: str, ears: str) -> SpectrogramVAE:
    strides = (STRIDES[kind],)
    return SpectrogramVAEConfig(kind=kind, ears=ears, channels=(8,), strides=strides).build()


def spectra(delay: int = 3, gain: float = 0.5) -> torch.Tensor:
    """Noise at the left ear, and later and softer at the right."""
    left = 0.1 * noise(2, (FRAMES - 1) * 256)
    return spectrogram(torch.stack([left, gain * left.roll(delay, dims=-1)], dim=1))


def error(vae: SpectrogramVAE, output: torch.Tensor, target: torch.Tensor, **weights) -> float:
    weights = {"interaural_weight": 1.0, "phase_weight": 0.1, **weights}
    features = vae.features(output), vae.features(target)
    return reconstruction_error(vae, *features, **weights).mean().item()


@pytest.mark.parametrize(("kind", "ears"), KINDS)
def test_only_the_same_spectra_have_no_error(kind, ears):
    vae, target = network(kind, ears), spectra()
    assert error(vae, target, target) == pytest.approx(0, abs=1e-3)
    assert error(vae, 0.5 * target, target) > 0.1


@pytest.mark.parametrize(("kind", "ears"), KINDS[1:])
def test_a_wrong_direction_costs_more_with_a_larger_weight(kind, ears):
    vae, target, other = network(kind, ears), spectra(3), spectra(-3)
    light, heavy = (error(vae, other, target, interaural_weight=weight) for weight in (0.0, 2.0))
    assert heavy > light + 0.1


@pytest.mark.parametrize("kind", ["stft", "dual"])
def test_the_phase_of_both_ears_together_has_a_weight_of_its_own(kind):
    vae, target = network(kind, "interaural"), spectra()
    turned = target * torch.polar(torch.ones(257, 1), torch.full((257, 1), 1.5))
    assert error(vae, turned, target, phase_weight=0.0) == pytest.approx(0, abs=1e-3)
    assert error(vae, turned, target, phase_weight=1.0) > 0.5


@pytest.mark.parametrize("kind", ["stft", "dual"])
def test_a_discriminator_does_not_see_the_absolute_phase(kind):
    vae, target = network(kind, "interaural"), spectra()
    turned = target * torch.polar(torch.ones(257, 1), torch.full((257, 1), 1.5))
    seen, same = judged(vae, vae.features(target)), judged(vae, vae.features(turned))
    assert torch.allclose(seen, same, atol=1e-3)
    assert not torch.allclose(seen, judged(vae, vae.features(spectra(-3))), atol=0.1)


@pytest.mark.parametrize(("kind", "ears"), [("mel", "channels"), ("stft", "channels")])
def test_other_kinds_are_seen_whole(kind, ears):
    vae = network(kind, ears)
    features = vae.features(spectra())
    assert judged(vae, features) is features


def test_errors_are_in_decibels_and_degrees():
    target = spectra(0, 1.0)
    softer = target * torch.tensor([1.0, 0.5])[:, None, None]
    measures = error_measures(softer, target)
    assert measures["ild_error_db"] == pytest.approx(6.02, abs=0.01)
    assert measures["level_error_db"] == pytest.approx(3.01, abs=0.01)
    turn = torch.polar(torch.ones(2), torch.tensor([0.0, -math.pi / 6]))[:, None, None]
    assert error_measures(target * turn, target)["ipd_error_degrees"] == pytest.approx(30, abs=0.01)


def test_gradients_are_finite_in_silence():
    for kind, ears in KINDS[1:]:
        vae = network(kind, ears)
        target = vae.features(torch.zeros(1, 2, 257, FRAMES, dtype=torch.complex64))
        output = torch.zeros_like(target).requires_grad_()
        loss = (
            reconstruction_error(vae, output, target, interaural_weight=1.0, phase_weight=1.0)
            + judged(vae, output).sum()
        )
        loss.sum().backward()
        assert output.grad.isfinite().all()
