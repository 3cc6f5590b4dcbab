import pytest
import torch

from making_stems import small_config
from network_checks import noise
from soundstage.networks.models.stem_levels import SILENT_LEVEL, normalized_levels
from soundstage.networks.models.stem_unet import StemUNetConfig


def test_every_tile_has_logits_and_a_unit_vector():
    config = small_config()
    logits, vectors = config.build().eval()(noise(2, config.n_bands, 24))
    assert logits.shape == (2, len(config.kinds), config.n_bands, 24)
    assert vectors.shape == (2, config.embedding_dim, config.n_bands, 24)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2, config.n_bands, 24), atol=1e-5)


def test_the_place_of_a_band_counts():
    """Convolutions alone would give the same output to the same sound an octave higher."""
    network = small_config().build().eval()
    low = torch.full((1, 160, 32), SILENT_LEVEL)
    high = low.clone()
    low[:, 40:44], high[:, 80:84] = 2.0, 2.0
    with torch.no_grad():
        difference = network(low)[0][:, :, 38:46] - network(high)[0][:, :, 78:86]
    assert difference.abs().max() > 1e-3


def test_the_context_reaches_over_all_bands_and_far_in_time():
    network = small_config(dilations=(1, 2)).build().eval()
    levels = noise(1, 160, 64)
    changed = levels.clone()
    changed[:, 150:, 40:] += 3
    with torch.no_grad():
        reached = (network(levels)[0] - network(changed)[0]).abs().amax(dim=(0, 1))
    assert reached[2, 32] > 0


@pytest.mark.parametrize(
    "change", [{"n_bands": 161}, {"channels": (4,)}, {"kinds": ("one",)}, {"dilations": (0,)}]
)
def test_configs_that_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match=r"."):
        small_config(**change)


def test_the_default_size_stays_within_the_limits_of_a_download():
    config = StemUNetConfig(n_bands=160, kinds=("a", "b"), channels=(32, 64, 96, 160, 224))
    assert sum(parameter.numel() for parameter in config.build().parameters()) < 4_000_000


def test_levels_do_not_depend_on_the_gain():
    powers = noise(2, 160, 20).exp()
    assert torch.allclose(normalized_levels(powers), normalized_levels(1e3 * powers), atol=1e-4)
    assert normalized_levels(torch.zeros(160, 20)).isfinite().all()
