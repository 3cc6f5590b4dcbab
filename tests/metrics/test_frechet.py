import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from sounds import RATE, noise, stereo_scene, tone
from soundstage.metrics.embeddings.built_in import BandEmbedding
from soundstage.metrics.frechet import (
    GaussianPool,
    audio_pool,
    extrapolated_frechet_distance,
    frechet_distance,
    merged,
    parameter_pool,
    signal_pools,
)
from soundstage.stereo import BANDS, Parameters

SIZE = 68


def drawn(frames: int, *, seed: int = 0, size: int = SIZE, shift: float = 0.0) -> torch.Tensor:
    """Frames correlated from number to number, (size, frames)."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=generator) / size**0.5
    return mixing @ torch.randn(size, frames, generator=generator) + shift


def pool(*clips: torch.Tensor) -> GaussianPool:
    pooled = GaussianPool(clips[0].shape[0])
    for clip in clips:
        pooled.add(clip)
    return pooled


def pool_of(mean: torch.Tensor, covariance: torch.Tensor, frames: int = 1_000) -> GaussianPool:
    """A pool with exactly these moments."""
    mean, covariance = mean.double(), covariance.double()
    products = (frames - 1) * covariance + frames * torch.outer(mean, mean)
    return GaussianPool.from_tensors(
        {"frames": torch.tensor([frames]), "sum": frames * mean, "products": products}
    )


def clips_of(
    count: int, *, seed: int, spread: float = 1.0, size: int = 8, frames: int = 40
) -> list[GaussianPool]:
    """Clips whose places are Gaussian, of standard deviation `spread`, and frames round them."""
    generator = torch.Generator().manual_seed(seed)
    places = spread * torch.randn(count, size, 1, generator=generator)
    return [pool(place + torch.randn(size, frames, generator=generator)) for place in places]


def test_mean_and_covariance_agree_with_numpy() -> None:
    frames = drawn(200)
    np.testing.assert_allclose(pool(frames).mean(), frames.double().numpy().mean(1), atol=1e-9)
    np.testing.assert_allclose(pool(frames).covariance(), np.cov(frames.double()), atol=1e-9)


@given(places=st.lists(st.integers(0, 211), max_size=4))
def test_a_pool_does_not_depend_on_the_order_and_cut_of_clips(places: list[int]) -> None:
    frames = drawn(211, size=5)
    clips = torch.tensor_split(frames, sorted(places), dim=1)
    for other in (pool(*clips), merged(pool(clip) for clip in reversed(clips))):
        assert other.frames == 211
        np.testing.assert_allclose(other.covariance(), pool(frames).covariance(), atol=1e-9)
        np.testing.assert_allclose(other.mean(), pool(frames).mean(), atol=1e-9)


def test_merging_does_not_change_the_merged_pools() -> None:
    clips = [pool(drawn(10, seed=seed)) for seed in range(3)]
    merged(clips)
    assert [clip.frames for clip in clips] == [10, 10, 10]


def test_a_stored_pool_is_restored() -> None:
    before = pool(drawn(30))
    stored = before.tensors()
    assert {name: x.shape for name, x in stored.items()} == {
        "frames": (1,),
        "sum": (SIZE,),
        "products": (SIZE, SIZE),
    }
    assert stored["frames"].dtype == torch.int64
    assert stored["sum"].dtype == stored["products"].dtype == torch.float64
    after = GaussianPool.from_tensors(stored)
    after.add(drawn(5))  # and what is stored is a copy
    before.add(drawn(5))
    assert (after.size, after.frames) == (SIZE, 35)
    assert np.array_equal(after.covariance(), before.covariance())
    assert stored["frames"] == 30
    assert torch.equal(stored["sum"], pool(drawn(30)).tensors()["sum"])


@pytest.mark.parametrize(
    ("name", "damaged"),
    [("products", None), ("frames", torch.tensor(3)), ("sum", torch.zeros(SIZE - 1))],
)
def test_a_damaged_pool_is_refused(name: str, damaged: torch.Tensor | None) -> None:
    stored = {**pool(drawn(30)).tensors(), name: damaged}
    kept = {key: value for key, value in stored.items() if value is not None}
    with pytest.raises(ValueError, match="stored pool"):
        GaussianPool.from_tensors(kept)


def test_the_distance_agrees_with_scipy_sqrtm() -> None:
    one, other = pool(drawn(300)), pool(drawn(400, seed=1, shift=2.0))
    first, second = one.covariance(), other.covariance()
    root = scipy.linalg.sqrtm(first @ second).real
    shift = one.mean() - other.mean()
    wanted = shift @ shift + np.trace(first + second - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-9)
    assert frechet_distance(other, one) == pytest.approx(wanted, rel=1e-9)


def test_the_distance_agrees_with_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.image.fid")
    one, other = pool(drawn(300)), pool(drawn(400, seed=1, shift=0.5))
    moments = [torch.from_numpy(x) for p in (one, other) for x in (p.mean(), p.covariance())]
    wanted = image._compute_fid(*moments).item()
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-6)


@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 9), st.floats(0, 9)),
        min_size=1,
        max_size=12,
    )
)
def test_diagonal_gaussians_have_the_closed_form(rows: list[tuple[float, ...]]) -> None:
    means, other_means, variances, other_variances = torch.tensor(rows, dtype=torch.float64).T
    wanted = (means - other_means).square() + (variances.sqrt() - other_variances.sqrt()).square()
    one = pool_of(means, torch.diag(variances))
    other = pool_of(other_means, torch.diag(other_variances))
    assert frechet_distance(one, other) == pytest.approx(wanted.sum().item(), abs=1e-5)


def test_equal_pools_have_no_distance() -> None:
    for frames in (2, 20, 300):
        assert 0 <= frechet_distance(pool(drawn(frames)), pool(drawn(frames))) < 1e-10


def test_a_shift_has_its_square_as_distance_at_any_rank() -> None:
    for frames in (2, 10, 500):
        one, other = pool(drawn(frames)), pool(drawn(frames, shift=0.25))
        assert frechet_distance(one, other) == pytest.approx(SIZE / 16, rel=1e-5)


def test_orthogonal_covariances_have_the_sum_of_their_traces() -> None:
    first, second = torch.zeros(SIZE), torch.zeros(SIZE)
    first[:3], second[3:6] = 2.0, 5.0
    basis, _ = torch.linalg.qr(drawn(SIZE).double())  # so that no zero is a plain one
    one, other = (
        pool_of(torch.zeros(SIZE), basis @ torch.diag(x.double()) @ basis.T)
        for x in (first, second)
    )
    assert frechet_distance(one, other) == pytest.approx(21, abs=1e-10)


def test_a_pool_of_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="two frames"):
        frechet_distance(pool(drawn(1)), pool(drawn(10)))


def test_pools_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="68 features and the other 5"):
        pool(drawn(10)).merge(pool(drawn(10, size=5)))
    with pytest.raises(ValueError, match="68 features and the other 5"):
        frechet_distance(pool(drawn(10)), pool(drawn(10, size=5)))


def test_the_extrapolated_distance_is_closer_to_the_true_one() -> None:
    spread = 1.5
    # frames of the whole population have the covariance 1 + spread² in every direction
    wanted = 8 * ((1 + spread**2) ** 0.5 - 2**0.5) ** 2
    plain, extrapolated = [], []
    for seed in range(10):
        sets = clips_of(33, seed=seed), clips_of(40, seed=100 + seed, spread=spread)
        plain.append(frechet_distance(*map(merged, sets)))
        extrapolated.append(extrapolated_frechet_distance(*sets, paired=False, seed=seed))
    bias = np.mean(plain) - wanted
    assert bias > 0.5
    assert abs(np.mean(extrapolated) - wanted) < 0.45 * bias  # measured: a third
    assert np.abs(np.subtract(extrapolated, wanted)).mean() < 0.7 * bias


def test_paired_sets_are_subsampled_together() -> None:
    truth = clips_of(20, seed=0, frames=400)
    assert abs(extrapolated_frechet_distance(truth, truth, paired=True)) < 1e-9
    narrow = [pool_of(*half(clip)) for clip in truth]
    # halving every frame takes a quarter of the trace: the same share in every subset
    whole = frechet_distance(merged(truth), merged(narrow))
    paired = extrapolated_frechet_distance(truth, narrow, paired=True)
    loose = extrapolated_frechet_distance(truth, narrow, paired=False)
    assert abs(paired - whole) < 0.3 * abs(loose - whole)


def half(clip: GaussianPool) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Moments of a clip at half the level."""
    return (
        torch.from_numpy(clip.mean()) / 2,
        torch.from_numpy(clip.covariance()) / 4,
        clip.frames,
    )


def test_one_seed_gives_one_result() -> None:
    sets = clips_of(12, seed=0), clips_of(10, seed=1)
    first, again, other = (
        extrapolated_frechet_distance(*sets, paired=False, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again != other


def test_too_few_clips_or_frames_are_refused() -> None:
    enough = clips_of(8, seed=0)
    extrapolated_frechet_distance(enough, enough, paired=False)
    with pytest.raises(ValueError, match="8 clips, not 7"):
        extrapolated_frechet_distance(enough, enough[:7], paired=False)
    with pytest.raises(ValueError, match="too few"):
        extrapolated_frechet_distance(enough, clips_of(8, seed=1, frames=4), paired=True)
    with pytest.raises(ValueError, match="equal numbers of clips"):
        extrapolated_frechet_distance(enough, clips_of(9, seed=1), paired=True)


def drawn_parameters(frames: int, *, seed: int = 0, shift: float = 0.0) -> Parameters:
    """Random parameters, correlated from band to band."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(2 * BANDS, 2 * BANDS, generator=generator) / BANDS**0.5
    values = mixing @ torch.randn(2 * BANDS, frames, generator=generator)
    return Parameters(3 * values[:BANDS] + shift, values[BANDS:].clamp(-1, 1))


def test_d_f_of_a_shift_is_its_weighted_square() -> None:
    near = Parameters(drawn_parameters(300).iid.clamp(-15, 15), drawn_parameters(300).coherence)
    shifted = Parameters(near.iid + 2.0, near.coherence)
    wanted = BANDS * (0.15 * 2.0) ** 2
    assert frechet_distance(parameter_pool(near), parameter_pool(shifted)) == pytest.approx(
        wanted, rel=1e-4
    )


def test_d_f_of_mono_is_its_shift_and_the_whole_variance() -> None:
    music = parameter_pool(drawn_parameters(300))
    mono = parameter_pool(Parameters(torch.zeros(BANDS, 50), torch.ones(BANDS, 50)))
    shift = music.mean() - np.repeat([0.0, 1.0], BANDS)
    wanted = shift @ shift + np.trace(music.covariance())
    assert frechet_distance(mono, music) == pytest.approx(wanted, rel=1e-6)


LENGTH = 4 * RATE


class Loudness:
    """A stand-in that can be computed by hand: mean and rms of every 100 samples."""

    name, rate, size = "loudness", 8000, 2

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows 2"]:
        cut = sound.unfold(-1, 100, 100)
        return torch.stack([cut.mean(-1), cut.square().mean(-1).sqrt()], dim=-1)


def distance(one: Tensor, other: Tensor, signal: str) -> float:
    """Of one signal of two stereo sounds, over band energies."""
    bands = BandEmbedding()
    first, second = (signal_pools(bands, stereo, RATE)[signal] for stereo in (one, other))
    return frechet_distance(first, second)


def same(one: GaussianPool, other: GaussianPool, **tolerance: float) -> None:
    assert one.frames == other.frames
    np.testing.assert_allclose(one.mean(), other.mean(), **tolerance)
    np.testing.assert_allclose(one.covariance(), other.covariance(), **tolerance)


def test_an_audio_pool_has_the_embeddings_of_all_windows() -> None:
    sound = noise(1000)
    pool = audio_pool(Loudness(), sound, 8000)
    points = Loudness().embed(sound[None])[0].double().numpy()
    assert pool.frames == 10
    np.testing.assert_allclose(pool.mean(), points.mean(0), rtol=1e-9)
    np.testing.assert_allclose(pool.covariance(), np.cov(points.T), rtol=1e-6)


def test_sound_is_resampled_to_the_rate_of_the_embedding() -> None:
    at_its_rate = audio_pool(Loudness(), tone(8000, rate=8000), 8000)
    at_ours = audio_pool(Loudness(), tone(RATE, rate=RATE), RATE)
    assert at_ours.frames == at_its_rate.frames == 80
    np.testing.assert_allclose(at_ours.mean(), at_its_rate.mean(), atol=2e-4)


def test_the_four_signals_are_mid_side_left_and_right() -> None:
    stereo = stereo_scene(8000)
    pools = signal_pools(Loudness(), stereo, 8000)
    left, right = stereo
    by_hand = {"mid": (left + right) / 2, "side": (left - right) / 2, "left": left, "right": right}
    assert list(pools) == list(by_hand)
    for signal, sound in by_hand.items():
        same(pools[signal], audio_pool(Loudness(), sound, 8000), rtol=1e-6, atol=1e-9)


def test_swapped_channels_change_left_and_right_only() -> None:
    stereo = stereo_scene(LENGTH)
    assert distance(stereo, stereo.flip(0), "mid") == pytest.approx(0, abs=1e-3)
    assert distance(stereo, stereo.flip(0), "side") == pytest.approx(0, abs=1e-3)
    assert distance(stereo, stereo.flip(0), "left") > 1


def test_identical_sound_has_no_distance() -> None:
    for signal in ("mid", "side", "left", "right"):
        found = distance(stereo_scene(LENGTH), stereo_scene(LENGTH), signal)
        assert found == pytest.approx(0, abs=1e-3)


def test_the_level_is_not_normalized() -> None:
    stereo = stereo_scene(LENGTH)
    by_6_db = distance(stereo, stereo / 2, "mid")
    assert by_6_db == pytest.approx(34 * (20 * np.log10(2)) ** 2, rel=0.05)  # 34 bands, in dB²


def test_the_silent_side_of_mono_has_a_large_finite_distance() -> None:
    stereo = stereo_scene(LENGTH)
    mono = stereo.mean(dim=0).expand(2, -1)
    bands = BandEmbedding()
    silent = signal_pools(bands, mono, RATE)["side"]
    real = signal_pools(bands, stereo, RATE)["side"]
    np.testing.assert_allclose(silent.covariance(), 0, atol=1e-9)
    shift = silent.mean() - real.mean()
    by_hand = shift @ shift + np.trace(real.covariance())
    assert frechet_distance(silent, real) == pytest.approx(by_hand, rel=1e-6)
    assert by_hand > 100 * distance(mono, stereo, "left")
