import numpy as np
import pytest
import torch

from sounds import noise, stereo_scene
from soundstage.metrics.frechet import frechet_distance
from soundstage.metrics.parametric_stereo import (
    iid_fluctuation,
    minimum_error,
    parameter_error,
    parameter_features,
    parameter_pool,
)
from soundstage.stereo import BANDS, Parameters, encode_signal


def drawn(frames: int, *, seed: int = 0, shift: float = 0.0) -> Parameters:
    """Random parameters, correlated from band to band."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(2 * BANDS, 2 * BANDS, generator=generator) / BANDS**0.5
    values = mixing @ torch.randn(2 * BANDS, frames, generator=generator)
    return Parameters(3 * values[:BANDS] + shift, values[BANDS:].clamp(-1, 1))


def test_features_are_weighted_level_differences_above_coherences() -> None:
    iid, coherence = torch.full((BANDS, 2), 10.0), torch.full((BANDS, 2), 0.5)
    features = parameter_features(Parameters(iid, coherence))
    assert features.shape == (68, 2)
    torch.testing.assert_close(features[:34], torch.full((34, 2), 1.5))
    assert torch.equal(features[34:], coherence)


def test_level_differences_beyond_20_db_count_as_20() -> None:
    far = Parameters(torch.tensor([[-60.0, -20.0, 20.0, 60.0]]), torch.zeros(1, 4))
    torch.testing.assert_close(parameter_features(far)[0], torch.tensor([-3.0, -3.0, 3.0, 3.0]))


def test_a_shift_of_all_levels_costs_its_weighted_square() -> None:
    near = Parameters(drawn(300).iid.clamp(-15, 15), drawn(300).coherence)
    shifted = Parameters(near.iid + 2.0, near.coherence)
    wanted = BANDS * (0.15 * 2.0) ** 2
    assert frechet_distance(parameter_pool(near), parameter_pool(shifted)) == pytest.approx(
        wanted, rel=1e-4
    )


def test_mono_costs_its_shift_and_all_of_the_variance() -> None:
    music = parameter_pool(drawn(300))
    mono = parameter_pool(Parameters(torch.zeros(BANDS, 50), torch.ones(BANDS, 50)))
    shift = music.mean() - np.repeat([0.0, 1.0], BANDS)
    wanted = shift @ shift + np.trace(music.covariance())
    assert frechet_distance(mono, music) == pytest.approx(wanted, rel=1e-6)


def test_a_stereo_scene_is_nearer_to_itself_than_to_mono() -> None:
    scene = parameter_pool(encode_signal(stereo_scene(60_000)))
    another = parameter_pool(encode_signal(stereo_scene(60_000, seed=9)))
    mono = parameter_pool(encode_signal(noise(60_000).expand(2, -1)))
    assert frechet_distance(scene, another) < 0.2 * frechet_distance(scene, mono)


def test_the_error_is_the_mean_of_delta_over_numbers_and_frames() -> None:
    truth, other = drawn(50), drawn(50, seed=1, shift=9.0)
    total = 0.0
    for band in range(BANDS):
        for frame in range(50):
            levels = [max(-20.0, min(20.0, x.iid[band, frame].item())) for x in (truth, other)]
            coherences = [x.coherence[band, frame].item() for x in (truth, other)]
            total += 0.15 * abs(levels[0] - levels[1]) + abs(coherences[0] - coherences[1])
    assert parameter_error(other, truth) == pytest.approx(total / (68 * 50), rel=1e-5)
    assert parameter_error(truth, other) == pytest.approx(parameter_error(other, truth))


def test_equal_parameters_have_no_error_and_opposite_ones_have_four() -> None:
    assert parameter_error(drawn(9), drawn(9)) == 0
    one = Parameters(torch.full((BANDS, 3), 50.0), torch.ones(BANDS, 3))
    other = Parameters(-one.iid, -one.coherence)
    assert parameter_error(one, other) == pytest.approx(4)


def test_swapped_channels_turn_the_level_difference_and_double_it() -> None:
    scene = stereo_scene(30_000)
    truth, swapped = encode_signal(scene), encode_signal(scene.flip(0))
    wanted = 0.15 * 2 * truth.iid.clamp(-20, 20).abs().mean().item() / 2
    assert parameter_error(swapped, truth) == pytest.approx(wanted, abs=1e-5)


def test_the_minimum_error_is_that_of_the_nearest_take() -> None:
    truth = drawn(20)
    takes = [drawn(20, seed=seed) for seed in range(1, 6)]
    errors = [parameter_error(take, truth) for take in takes]
    assert minimum_error(iter(takes), truth) == min(errors) < max(errors)
    assert minimum_error([*takes, truth], truth) == 0
    assert minimum_error(takes[:1], truth) == errors[0]


def test_no_take_and_takes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="no takes"):
        minimum_error([], drawn(5))
    with pytest.raises(ValueError, match="different lengths"):
        minimum_error([drawn(1)], drawn(5))


def test_wobble_is_the_mean_change_from_frame_to_frame() -> None:
    iid = torch.tensor([[0.0, 2.0, 1.0], [4.0, 4.0, 4.0]])
    assert iid_fluctuation(iid) == pytest.approx((2 + 1 + 0 + 0) / 4)


def test_wobble_beyond_20_db_is_not_heard() -> None:
    assert iid_fluctuation(torch.tensor([[-30.0, -50.0, -20.0]])) == 0
    assert iid_fluctuation(torch.tensor([[-60.0, 60.0]])) == 40


@pytest.mark.parametrize("frames", [0, 1])
def test_one_frame_does_not_wobble(frames: int) -> None:
    assert iid_fluctuation(torch.zeros(BANDS, frames)) == 0.0
