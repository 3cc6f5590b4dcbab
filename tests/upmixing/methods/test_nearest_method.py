from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, noise, song
from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, TRANSFORM, Parameters, band_sums, dequantize
from soundstage.upmixing.methods.nearest import (
    KEY_FRAMES,
    NearestPredictor,
    RunningMean,
    load_nearest,
    similarity_keys,
)
from soundstage.weights.model import save_weights
from tiny import pairs, predictor

FRAMES = 60
TINY = predictor()


def spectrogram(frames: int = FRAMES) -> torch.Tensor:
    return TRANSFORM.analyze(song((frames - 1) * TRANSFORM.hop))


def predicted(
    frames: torch.Tensor,
    *,
    seed: int = 0,
    places: Sequence[int] = (),
    method: NearestPredictor = TINY,
) -> Parameters:
    stream = method.stream([seed])
    parts = [*map(stream.push, cut(frames, places)), stream.finish()]
    return Parameters(*(torch.cat(values, dim=-1)[0] for values in zip(*parts, strict=True)))


def brute_force(frames: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Seed 0 by plain loops in double precision: search, switching of signs, smoothing."""
    tensors = pairs()
    magnitudes = band_sums(frames.abs()).double().numpy()
    keys, tokens = tensors["keys"].double().numpy(), tensors["tokens"]
    smooth_iid = smooth_ic = before = None
    iids, coherences = [], []
    for t in range(magnitudes.shape[1]):
        mean = magnitudes[:, max(0, t - KEY_FRAMES + 1) : t + 1].mean(axis=1)
        query = np.round(255 * (mean / (np.linalg.norm(mean) + 1e-3)) ** (1 / 3))
        nearest = int(np.argmin(((keys - query) ** 2).sum(axis=1)))
        value = dequantize(tokens[nearest])
        iid, coherence = value.iid.double().numpy(), value.coherence.double().numpy()
        if before is not None and np.linalg.norm(-iid - before) < np.linalg.norm(iid - before):
            iid = -iid
        before = iid
        smooth_iid = iid if smooth_iid is None else 0.8 * smooth_iid + 0.2 * iid
        smooth_ic = coherence if smooth_ic is None else 0.8 * smooth_ic + 0.2 * coherence
        iids.append(smooth_iid)
        coherences.append(smooth_ic)
    return np.stack(iids, axis=1), np.stack(coherences, axis=1)


def test_search_switching_and_smoothing_agree_with_plain_loops() -> None:
    frames = spectrogram()
    iid, coherence = brute_force(frames)
    found = predicted(frames)
    np.testing.assert_allclose(found.iid.numpy(), iid, atol=1e-3)
    np.testing.assert_allclose(found.coherence.numpy(), coherence, atol=1e-5)


def test_signs_do_not_depend_on_the_block_size() -> None:
    tokens = pairs()["tokens"]
    raw = dequantize(tokens[:30].T).iid
    whole = TINY._take(0)._switch_signs(raw)
    take = TINY._take(0)
    one_by_one = [take._switch_signs(frame) for frame in raw.split(1, dim=1)]
    assert torch.equal(torch.cat(one_by_one, dim=1), whole)
    assert not torch.equal(whole, raw)


def test_signs_agree_with_the_previous_frame() -> None:
    tokens = pairs()["tokens"]
    take = TINY._take(0)
    raw = dequantize(tokens[torch.tensor([3, 4, 5, 6, 7, 8])].T).iid
    switched = take._switch_signs(raw)
    products = (switched[:, 1:] * switched[:, :-1]).sum(dim=0)
    assert torch.all(products >= 0)
    assert not torch.equal(switched, raw)
    assert torch.equal(switched.abs(), raw.abs())


@given(places=st.lists(st.integers(0, FRAMES), max_size=6))
def test_blocks_of_any_size_give_the_same_parameters(places: list[int]) -> None:
    frames = spectrogram()
    parts = predicted(frames, places=places)
    whole = predicted(frames)
    torch.testing.assert_close(parts.iid, whole.iid, rtol=0, atol=1e-4)
    torch.testing.assert_close(parts.coherence, whole.coherence, rtol=0, atol=1e-5)


@given(
    count=st.integers(1, 70),
    places=st.lists(st.integers(0, 70), max_size=5),
)
def test_the_running_mean_covers_the_last_frames(count: int, places: list[int]) -> None:
    values = noise(BANDS * count, level=1.0).reshape(BANDS, count).abs()
    mean = RunningMean()
    streamed = torch.cat([mean.push(block) for block in cut(values, places)], dim=1)
    looped = [values[:, max(0, t - KEY_FRAMES + 1) : t + 1].mean(dim=1) for t in range(count)]
    torch.testing.assert_close(streamed, torch.stack(looped, dim=1), rtol=1e-5, atol=1e-6)


def test_a_key_does_not_depend_on_the_level() -> None:
    magnitudes = band_sums(spectrogram().abs())
    loud, soft = similarity_keys(magnitudes), similarity_keys(0.03 * magnitudes)
    assert (loud - soft).abs().max() <= 1


def test_keys_are_whole_steps_of_a_byte_and_0_for_silence() -> None:
    magnitudes = torch.cat([band_sums(spectrogram().abs()), torch.eye(BANDS)], dim=1)
    keys = similarity_keys(magnitudes)
    assert keys.min() >= 0
    assert keys.max() <= 255
    assert torch.equal(keys, keys.round())
    assert torch.all(similarity_keys(torch.zeros(BANDS, 2)) == 0)


def test_an_identical_key_is_found() -> None:
    keys = similarity_keys(band_sums(spectrogram().abs()))
    stored = keys.to(torch.uint8).T
    tokens = torch.arange(FRAMES, dtype=torch.uint8)[:, None].expand(-1, BANDS)
    own = NearestPredictor(stored.contiguous(), tokens, torch.tensor([FRAMES]))
    one_frame = spectrogram()[:, :1]  # alone, its mean is itself
    wanted = dequantize(torch.zeros(BANDS, 1, dtype=torch.uint8))
    assert torch.allclose(predicted(one_frame, method=own).coherence, wanted.coherence)


def test_takes_differ_and_each_is_the_same_alone() -> None:
    frames = spectrogram()
    takes = TINY.stream([0, 5, 7]).push(frames)
    for take, seed in enumerate([0, 5, 7]):
        alone = predicted(frames, seed=seed)
        assert torch.equal(takes.iid[take], alone.iid)
        assert torch.equal(takes.coherence[take], alone.coherence)
        assert (takes.iid[take] - takes.iid[take - 1]).abs().max() > 1


def test_some_takes_are_mirrored() -> None:
    """With one track, takes differ in their mirroring alone."""
    single, frames = predictor(tracks=1), spectrogram()
    first = predicted(frames, method=single)
    mirrored = 0
    for seed in range(1, 9):
        take = predicted(frames, seed=seed, method=single)
        assert torch.equal(take.coherence, first.coherence)
        mirrored += torch.equal(take.iid, -first.iid)
        assert torch.equal(take.iid, first.iid) or torch.equal(take.iid, -first.iid)
    assert 0 < mirrored < 8


def test_a_take_searches_a_half_of_the_tracks() -> None:
    tensors = pairs(100, tracks=7)
    ends = tensors["track_ends"].tolist()
    whole = NearestPredictor(*(tensors[name] for name in ("keys", "tokens", "track_ends")))
    tracks = [set(range(low, high)) for low, high in zip([0, *ends[:-1]], ends, strict=True)]
    for seed in range(1, 6):
        chosen = set(whole._choose(torch.Generator().manual_seed(seed)).tolist())
        assert sum(each <= chosen for each in tracks) == 4
        assert sum(bool(each & chosen) for each in tracks) == 4


def test_no_frames_give_no_parameters() -> None:
    stream = TINY.stream([0, 1])
    for empty in (stream.push(spectrogram()[:, :0]), stream.finish()):
        assert empty.iid.shape == empty.coherence.shape == (2, BANDS, 0)


def test_silence_has_finite_parameters() -> None:
    found = predicted(torch.zeros(TRANSFORM.bins, 5, dtype=torch.complex64))
    assert torch.isfinite(found.iid).all()
    assert found.coherence.abs().max() <= 1


def test_saved_pairs_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "pairs.safetensors"
    save_weights(path, "nearest", pairs())
    loaded = load_nearest(str(path))
    assert loaded.pairs == 200
    found = predicted(spectrogram(), method=loaded)
    assert torch.equal(found.iid, predicted(spectrogram()).iid)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("keys", torch.zeros(200, BANDS - 1, dtype=torch.uint8)),
        ("tokens", torch.zeros(199, BANDS, dtype=torch.uint8)),
        ("tokens", torch.full((200, BANDS), 248, dtype=torch.uint8)),
        ("track_ends", torch.tensor([100, 199])),
        ("track_ends", torch.tensor([150, 100, 200])),
        ("track_ends", torch.tensor([-5, 200])),
        ("track_ends", torch.tensor([200], dtype=torch.int32)),
    ],
)
def test_tensors_that_do_not_fit_together_are_refused(
    tmp_path: Path, name: str, tensor: torch.Tensor
) -> None:
    path = tmp_path / "pairs.safetensors"
    save_weights(path, "nearest", {**pairs(), name: tensor})
    with pytest.raises(WeightsError, match=r"pairs\.safetensors"):
        load_nearest(str(path))
