import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from sounds import RATE, noise, song, stereo_scene, tone
from soundstage.metrics.embeddings.built_in import BandEmbedding
from soundstage.metrics.frechet import GaussianPool, audio_pool, frechet_distance, signal_pools

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


def test_a_pool_holds_the_points_of_all_windows() -> None:
    sound = noise(1000)
    pool = audio_pool(Loudness(), sound, 8000)
    points = Loudness().embed(sound[None])[0].double().numpy()
    assert pool.frames == 10
    np.testing.assert_allclose(pool.mean(), points.mean(0), rtol=1e-9)
    np.testing.assert_allclose(pool.covariance(), np.cov(points.T), rtol=1e-6)


def test_sound_is_brought_to_the_rate_of_the_embedding() -> None:
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


def test_swapped_channels_change_left_and_right_alone() -> None:
    stereo = stereo_scene(LENGTH)
    assert distance(stereo, stereo.flip(0), "mid") == pytest.approx(0, abs=1e-3)
    assert distance(stereo, stereo.flip(0), "side") == pytest.approx(0, abs=1e-3)
    assert distance(stereo, stereo.flip(0), "left") > 1


def test_an_inverted_channel_exchanges_mid_and_side() -> None:
    stereo = stereo_scene(8000)
    inverted = stereo * torch.tensor([[1.0], [-1.0]])
    before = signal_pools(BandEmbedding(), stereo, RATE)
    after = signal_pools(BandEmbedding(), inverted, RATE)
    np.testing.assert_allclose(after["mid"].mean(), before["side"].mean(), atol=1e-3)
    np.testing.assert_allclose(after["side"].mean(), before["mid"].mean(), atol=1e-3)


@pytest.mark.parametrize("signal", ["mid", "side", "left", "right"])
def test_identical_sound_has_no_distance(signal: str) -> None:
    assert distance(stereo_scene(LENGTH), stereo_scene(LENGTH), signal) == pytest.approx(
        0, abs=1e-3
    )


def test_the_level_is_not_normalized() -> None:
    stereo = stereo_scene(LENGTH)
    by_6_db = distance(stereo, stereo / 2, "mid")
    assert by_6_db == pytest.approx(34 * (20 * np.log10(2)) ** 2, rel=0.05)  # 34 bands, in dB²


def test_the_silent_side_of_mono_is_far_from_a_real_one_and_finitely_so() -> None:
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


def test_pools_of_clips_add_up_to_a_pool_of_the_set() -> None:
    clips = [song(8000, seed=seed) for seed in range(3)]
    merged = GaussianPool(2)
    for clip in clips:
        merged.merge(audio_pool(Loudness(), clip, 8000))
    same(merged, audio_pool(Loudness(), torch.cat(clips), 8000), rtol=1e-9)
