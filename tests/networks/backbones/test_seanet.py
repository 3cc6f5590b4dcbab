import pytest
import torch

from network_checks import affected_range, noise, without_gradient
from soundstage.networks.backbones.seanet import ResidualUnit, SeanetDecoder, SeanetEncoder

CHANNELS, RATIOS = (4, 6, 8), (2, 5)


def both(cond_dim: int = 0) -> tuple[SeanetEncoder, SeanetDecoder]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SeanetEncoder(CHANNELS, RATIOS), SeanetDecoder(CHANNELS, RATIOS, cond_dim)


def test_the_decoder_mirrors_the_encoder() -> None:
    encoder, decoder = both()
    activations = encoder(noise(2, 4, 40))
    assert [each.shape for each in activations] == [(2, 4, 40), (2, 6, 20), (2, 8, 4)]
    *skips, lowest = activations
    assert decoder(lowest, skips).shape == (2, 4, 40)


@pytest.mark.parametrize("ratios", [(2,), (3,), (5,), (8,)])
def test_frames_stay_in_place_through_a_scale(ratios: tuple[int, ...]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, decoder = SeanetEncoder((4, 8), ratios), SeanetDecoder((4, 8), ratios)

    def through(x: torch.Tensor) -> torch.Tensor:
        skip, lowest = encoder(x)
        return decoder(lowest, [torch.zeros_like(skip)])

    first, last = affected_range(through, noise(1, 4, 40 * ratios[0]), 20 * ratios[0])
    center = (first + last) / 2
    assert abs(center - 20 * ratios[0]) <= ratios[0]


def test_every_parameter_has_an_effect() -> None:
    encoder, decoder = both(cond_dim=3)
    *skips, lowest = encoder(noise(2, 4, 40))
    output = decoder(lowest, skips, noise(2, 3))
    assert without_gradient(decoder, output) == []


def test_a_vector_modulates_a_unit() -> None:
    unit = ResidualUnit(4, cond_dim=3)
    x = noise(1, 4, 10)
    assert not torch.equal(unit(x, noise(1, 3)), unit(x, noise(1, 3, seed=1)))
