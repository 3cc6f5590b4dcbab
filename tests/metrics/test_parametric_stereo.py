import numpy as np
import pytest
import scipy.linalg
import torch

from sounds import noise, stereo_scene
from soundstage.metrics import FramePool, frechet_distance, parameter_features, wobble
from soundstage.stereo import BANDS, Parameters, encode_signal


def drawn(frames: int, *, seed: int = 0, shift: float = 0.0) -> Parameters:
    """Random parameters, correlated from band to band."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(2 * BANDS, 2 * BANDS, generator=generator) / BANDS**0.5
    values = mixing @ torch.randn(2 * BANDS, frames, generator=generator)
    return Parameters(3 * values[:BANDS] + shift, values[BANDS:].clamp(-1, 1))


def pool(*excerpts: Parameters) -> FramePool:
    pooled = FramePool()
    for excerpt in excerpts:
        pooled.add(excerpt)
    return pooled


def test_features_are_weighted_level_differences_above_coherences() -> None:
    iid, coherence = torch.full((BANDS, 2), 10.0), torch.full((BANDS, 2), 0.5)
    features = parameter_features(Parameters(iid, coherence))
    assert features.shape == (68, 2)
    torch.testing.assert_close(features[:34], torch.full((34, 2), 1.5))
    assert torch.equal(features[34:], coherence)


def test_level_differences_beyond_20_db_count_as_20() -> None:
    far = Parameters(torch.tensor([[-60.0, -20.0, 20.0, 60.0]]), torch.zeros(1, 4))
    torch.testing.assert_close(parameter_features(far)[0], torch.tensor([-3.0, -3.0, 3.0, 3.0]))


def test_mean_and_covariance_agree_with_numpy() -> None:
    parameters = drawn(200)
    features = parameter_features(parameters).double().numpy()
    np.testing.assert_allclose(pool(parameters).mean(), features.mean(axis=1), atol=1e-9)
    np.testing.assert_allclose(pool(parameters).covariance(), np.cov(features), atol=1e-9)


def test_the_distance_agrees_with_scipy_sqrtm() -> None:
    one, other = pool(drawn(300)), pool(drawn(400, seed=1, shift=2.0))
    first, second = one.covariance(), other.covariance()
    root = scipy.linalg.sqrtm(first @ second).real
    shift = one.mean() - other.mean()
    wanted = shift @ shift + np.trace(first + second - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-6)


def test_equal_pools_have_no_distance() -> None:
    assert frechet_distance(pool(drawn(300)), pool(drawn(300))) == pytest.approx(0, abs=1e-6)


def test_a_shifted_mean_costs_the_square_of_the_shift() -> None:
    near = Parameters(drawn(300).iid.clamp(-15, 15), drawn(300).coherence)
    shifted = Parameters(near.iid + 2.0, near.coherence)
    wanted = BANDS * (0.15 * 2.0) ** 2
    assert frechet_distance(pool(near), pool(shifted)) == pytest.approx(wanted, rel=1e-4)


def test_mono_costs_its_shift_and_all_of_the_variance() -> None:
    music = pool(drawn(300))
    mono = pool(Parameters(torch.zeros(BANDS, 50), torch.ones(BANDS, 50)))
    shift = music.mean() - np.repeat([0.0, 1.0], BANDS)
    wanted = shift @ shift + np.trace(music.covariance())
    assert frechet_distance(mono, music) == pytest.approx(wanted, rel=1e-6)


def test_the_distance_is_symmetric_and_positive() -> None:
    one, other = pool(drawn(300)), pool(drawn(300, seed=1))
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-6)
    assert frechet_distance(one, other) > 0.1


def test_the_order_and_the_cut_of_excerpts_do_not_matter() -> None:
    excerpts = [drawn(frames, seed=frames) for frames in (1, 10, 200)]
    whole = Parameters(*(torch.cat(parts, dim=1) for parts in zip(*excerpts, strict=True)))
    for other in (pool(*excerpts), pool(*reversed(excerpts))):
        assert other.frames == 211
        np.testing.assert_allclose(other.covariance(), pool(whole).covariance(), atol=1e-9)
        np.testing.assert_allclose(other.mean(), pool(whole).mean(), atol=1e-9)


def test_fewer_frames_than_numbers_still_have_a_distance() -> None:
    few = pool(drawn(3))
    assert np.isfinite(frechet_distance(few, pool(drawn(300, seed=2))))


@pytest.mark.parametrize("frames", [0, 1])
def test_a_pool_of_one_frame_is_refused(frames: int) -> None:
    with pytest.raises(ValueError, match="two frames"):
        frechet_distance(pool(drawn(frames)), pool(drawn(10)))


def test_a_stereo_scene_is_nearer_to_itself_than_to_mono() -> None:
    scene = pool(encode_signal(stereo_scene(60_000)))
    another = pool(encode_signal(stereo_scene(60_000, seed=9)))
    mono = pool(encode_signal(noise(60_000).expand(2, -1)))
    assert frechet_distance(scene, another) < 0.2 * frechet_distance(scene, mono)


def test_wobble_is_the_mean_change_from_frame_to_frame() -> None:
    iid = torch.tensor([[0.0, 2.0, 1.0], [4.0, 4.0, 4.0]])
    assert wobble(iid) == pytest.approx((2 + 1 + 0 + 0) / 4)


def test_wobble_beyond_20_db_is_not_heard() -> None:
    assert wobble(torch.tensor([[-30.0, -50.0, -20.0]])) == 0
    assert wobble(torch.tensor([[-60.0, 60.0]])) == 40


@pytest.mark.parametrize("frames", [0, 1])
def test_one_frame_does_not_wobble(frames: int) -> None:
    assert wobble(torch.zeros(BANDS, frames)) == 0.0
