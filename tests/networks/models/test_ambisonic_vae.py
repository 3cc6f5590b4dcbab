import math

import pytest
import torch
from torch import Tensor

from network_checks import affected_range, noise, without_gradient
from sounds import tone
from soundstage.networks.models.ambisonic_vae import (
    PAIR_DEGREES,
    TRANSFORMS,
    AmbisonicVAE,
    AmbisonicVAEConfig,
    Kind,
    lapped,
    unlapped,
)

BANDS = AmbisonicVAEConfig(
    patch=16, taps=4, channels=(8, 12), ratios=(2,), dilations=(1,), recurrent_layers=0, depth=0,
    latent_dim=4, posterior_channels=8,
)  # fmt: skip
SAMPLES = AmbisonicVAEConfig(
    channels=(4, 6, 8), ratios=(2, 5), recurrent_layers=1, depth=1, heads=2, latent_dim=4
)
BOTH = pytest.mark.parametrize("config", [BANDS, SAMPLES], ids=["bands", "samples"])


def network(config: AmbisonicVAEConfig) -> AmbisonicVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return config.build().eval()


@BOTH
@pytest.mark.parametrize("samples", [1, 31, 32, 500])
def test_a_field_is_as_long_as_its_mid(config: AmbisonicVAEConfig, samples: int) -> None:
    completed = network(config)(noise(3, samples), noise(3, 2, samples))
    frames = 1 if config.is_constant else -(-samples // config.hop)
    assert completed.field.shape == (3, 2, samples)
    assert completed.mean.shape == completed.log_variance.shape == (3, 4, frames)


@BOTH
def test_every_parameter_has_an_effect(config: AmbisonicVAEConfig) -> None:
    model = network(config)
    completed = model(noise(2, 320), noise(2, 2, 320))
    assert without_gradient(model, completed.field) == []


@BOTH
def test_the_latent_decides_between_fields_of_one_mid(config: AmbisonicVAEConfig) -> None:
    model, mid = network(config), noise(1, 640)
    frames = 1 if config.is_constant else 64
    one, other = (model.decode(mid, 3 * noise(1, 4, frames, seed=seed)) for seed in (1, 2))
    assert (one - other).norm() > 0.02 * one.norm()


def test_a_field_of_bands_scales_with_its_gains_alone() -> None:
    """Silence stays silent, whatever the network says."""
    silent = network(BANDS).decode(torch.zeros(1, 640), noise(1, 4, 1))
    assert not silent.any()


def test_the_published_posterior_sees_the_pair_of_microphones_alone() -> None:
    model, mid, field = network(SAMPLES), noise(1, 200), noise(1, 2, 200)
    angle = math.radians(PAIR_DEGREES + 90)
    unseen = torch.tensor([math.cos(angle), math.sin(angle)])[None, :, None] * noise(
        1, 1, 200, seed=5
    )
    with torch.no_grad():
        for one, other in zip(
            model.encode(mid, field), model.encode(mid, field + unseen), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_posterior_of_bands_tells_directions_but_no_level() -> None:
    model, mid = network(BANDS), noise(1, 640)
    left, front = (torch.stack([a * mid, b * mid], dim=1) for a, b in ((0, 1), (1, 0)))
    with torch.no_grad():
        means = [model.encode(mid, field)[0] for field in (left, front)]
    assert (means[0] - means[1]).norm() > 0.05


@pytest.mark.parametrize("kind", TRANSFORMS)
@pytest.mark.parametrize("bands", [2, 16, 512])
def test_the_lapped_transform_is_orthonormal_and_restores_a_sound(bands: int, kind: Kind) -> None:
    sound = noise(2, 8 * bands)
    coefficients = lapped(sound, bands, kind)
    assert coefficients.shape == (2, bands, 9)
    assert float(coefficients.square().sum()) == pytest.approx(
        float(sound.square().sum()), rel=1e-4
    )
    torch.testing.assert_close(unlapped(coefficients, bands, kind), sound, rtol=1e-4, atol=1e-5)


def test_gains_of_both_transforms_leave_no_aliasing() -> None:
    """The level of a tone between two bands of different gain stays the same."""
    bands, sound = 64, tone(64 * 40, hz=44_100 / 128 * 20.07)[None]
    gains = (torch.arange(bands) < 20).float()[:, None]  # the tone is between bands 19 and 20
    made = [unlapped(gains * lapped(sound, bands, kind), bands, kind) for kind in TRANSFORMS]

    def unsteadiness(output: Tensor) -> float:
        levels = output[0, 10 * bands : 30 * bands].unflatten(0, (-1, bands)).square().mean(dim=1)
        return float(levels.std() / levels.mean())

    assert unsteadiness(made[0] + made[1]) < 0.3 * unsteadiness(made[0])


def test_latents_are_drawn_from_the_prior() -> None:
    model, latents = network(BANDS), noise(1, 4, 1)
    torch.testing.assert_close(model.draw(latents), latents)
    model.prior_mean.fill_(3)
    model.prior_factor.mul_(2)
    torch.testing.assert_close(model.draw(latents), 3 + 2 * latents)
    assert network(SAMPLES).draw(latents) is latents


def test_the_receptive_field_of_bands_is_finite() -> None:
    model, latent = network(BANDS), noise(1, 4, 1)
    first, last = affected_range(lambda sound: model.decode(sound, latent), noise(1, 6400), 3200)
    assert 3200 - 1000 < first < 3200 < last < 3200 + 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": (4, 8)}, "one more number"),
        ({"patch": 3}, "even"),
        ({"heads": 3}, "divisible"),
        ({"latent_dim": 0}, "latent_dim"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AmbisonicVAEConfig(**changes)


def test_the_published_size_is_the_default() -> None:
    config = AmbisonicVAEConfig()
    assert config.hop == 320
    count = sum(parameter.numel() for parameter in network(config).parameters())
    assert count > 10e6
