import numpy as np
import pytest
import torch

from soundstage.corpora.feature_cache import TrackColumns, load_features, save_features
from soundstage.errors import InputError
from soundstage.stereo import BANDS, Parameters, quantize
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.stereo.features import (
    CONTEXT_FEATURES,
    LEVELS,
    MIN_LEVEL_DB,
    SEGMENT_FRAMES,
    SEGMENTS,
    context_vectors,
    energy_of_levels,
)
from soundstage.stereo.style_prior import STYLE_FEATURES, measured_style
from soundstage.training.data.stereo_examples import (
    Example,
    Segment,
    StereoExamples,
    fit_style_prior,
    mix_segments,
    random_panning,
)
from soundstage.training.recipes import StereoAugmentation

PLAIN = {"gain_db": 0, "style_prob": 0, "pan_prob": 0, "memory_dropout": 0}
LENGTHS = [900, 40, 31, 400]
POSITIONS, STRIDE = 16, 2


def columns(frames, seed):
    random = np.random.default_rng(seed)
    iid = random.normal(0, 6, (frames, BANDS)).clip(-20, 20).astype(np.float16)
    coherence = (1 - 1.2 * random.random((frames, BANDS))).astype(np.float16)
    levels = random.normal(-58, 15, (frames, LEVELS)).clip(MIN_LEVEL_DB, 0).astype(np.float16)
    levels[:, :3] = MIN_LEVEL_DB
    whole = Parameters(*(torch.from_numpy(each.T.astype("f4")) for each in (iid, coherence)))
    return TrackColumns(quantize(whole).T.numpy(), iid, coherence, levels)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    path = tmp_path_factory.mktemp("cache") / "train.safetensors"
    save_features(
        path,
        [columns(frames, seed) for seed, frames in enumerate(LENGTHS)],
        names=[f"{index}.wav" for index in range(len(LENGTHS))],
        credits=[],
        fingerprint=bytes(32),
    )
    return load_features(path)


def examples(cache, *, positions=POSITIONS, memory=False, **augmentation):
    return StereoExamples(
        [cache],
        positions=positions,
        stride=STRIDE,
        augmentation=StereoAugmentation(**{**PLAIN, **augmentation}),
        memory=memory,
    )


def draw(cache, count=64, seed=3, **settings):
    """Many examples as one, with parameters of the shape (examples, bands, positions)."""
    source, generator = examples(cache, **settings), torch.Generator().manual_seed(seed)
    drawn = [source.draw(generator) for _ in range(count)]
    parameters = (torch.stack(each) for each in zip(*(d.parameters for d in drawn), strict=True))
    levels, style, memory = (
        torch.stack([getattr(each, name) for each in drawn])
        for name in ("levels", "style", "memory")
    )
    return Example(levels, Parameters(*parameters), style, memory)


def starts(cache, levels):
    """The frame of the cache at which each example begins."""
    return [int((cache.levels.float() == each[0]).all(dim=1).nonzero()[0, 0]) for each in levels]


def test_an_epoch_covers_all_tracks_that_are_long_enough(cache):
    frames = sum(length for length in LENGTHS if length >= POSITIONS * STRIDE)
    assert examples(cache).batches_per_epoch(4) == frames // (POSITIONS * STRIDE * 4)
    assert examples(cache).batches_per_epoch(1000) == 1
    with pytest.raises(InputError, match="1024 frames"):
        examples(cache, positions=512)


def test_an_example_is_every_other_frame_of_one_track_swapped_in_half_of_the_draws(cache):
    batch = draw(cache)
    swapped, tracks = 0, set()
    for index, start in enumerate(starts(cache, batch.levels)):
        frames = slice(start, start + POSITIONS * STRIDE, STRIDE)
        assert torch.equal(batch.levels[index], cache.levels[frames].float())
        track = int(torch.searchsorted(cache.ends, start, right=True))
        tracks.add(track)
        assert start + POSITIONS * STRIDE <= int(cache.ends[track])
        assert torch.equal(batch.parameters.coherence[index], cache.coherence[frames].float().T)
        iid = cache.iid[frames].float().T
        is_swapped = torch.equal(batch.parameters.iid[index], -iid)
        assert is_swapped or torch.equal(batch.parameters.iid[index], iid)
        swapped += is_swapped
    assert 0.3 < swapped / 64 < 0.7
    assert tracks <= {0, 1, 3}
    assert bool(batch.style.isnan().all())
    assert batch.memory.shape == (64, 0, CONTEXT_FEATURES)


def test_the_memory_summarizes_the_frames_before_the_example(cache):
    batch = draw(cache, memory=True)
    assert batch.memory.shape == (64, SEGMENTS, CONTEXT_FEATURES)
    iid, coherence, levels = (each.float() for each in (cache.iid, cache.coherence, cache.levels))
    lengths = set()
    for index, start in enumerate(starts(cache, batch.levels)):
        track = int(torch.searchsorted(cache.ends, start, right=True))
        begin = int(cache.starts[track])
        frames = slice(start, start + POSITIONS * STRIDE, STRIDE)
        sign = 1 if torch.equal(batch.parameters.iid[index], iid[frames].T) else -1
        past = Parameters(sign * iid[begin:start].T, coherence[begin:start].T)
        expected = context_vectors(levels[begin:start], past)
        torch.testing.assert_close(batch.memory[index], expected, rtol=0, atol=1e-4, equal_nan=True)
        known = int((~batch.memory[index, :, 0].isnan()).sum())
        assert known == min((start - begin) // SEGMENT_FRAMES, SEGMENTS)
        lengths.add(known)
    assert len(lengths) > 5


def test_the_memory_is_dropped_with_its_probability(cache):
    assert bool(draw(cache, memory=True, memory_dropout=1.0).memory.isnan().all())
    kept, dropped = (
        draw(cache, 200, memory=True, memory_dropout=each).memory.isnan().all(dim=(1, 2))
        for each in (0.0, 0.5)
    )
    assert float(dropped.float().mean()) > float(kept.float().mean()) + 0.3


@pytest.mark.parametrize("pan_prob", [0.0, 1.0])
def test_the_style_is_measured_from_the_example_after_panning(cache, pan_prob):
    batch = draw(cache, style_prob=1.0, pan_prob=pan_prob)
    expected = measured_style(batch.parameters, energy_of_levels(batch.levels))
    given = ~batch.style.isnan()
    assert 0.4 < float(given.float().mean()) < 0.6
    torch.testing.assert_close(batch.style[given], expected[given], rtol=1e-3, atol=1e-3)
    assert float(expected.std(dim=0)[0]) > (0.3 if pan_prob else 0)


def test_styles_are_given_with_their_probability_and_only_styled_examples_are_panned(cache):
    given = ~draw(cache, 200, style_prob=0.5).style.isnan().all(dim=1)
    assert 0.38 < float(given.float().mean()) < 0.62
    plain, panned = draw(cache), draw(cache, pan_prob=1.0)
    assert torch.equal(panned.parameters.iid, plain.parameters.iid)


def segment(frames, level, iid, coherence):
    shape = (BANDS, frames)
    return Segment(
        torch.full((frames, LEVELS), float(level)),
        Parameters(torch.full(shape, float(iid)), torch.full(shape, float(coherence))),
    )


def test_a_shorter_second_track_starts_later():
    first, second = segment(8, -40, 6, 0.9), segment(5, -60, -6, 0.2)
    levels, parameters = mix_segments(first, second, torch.Generator().manual_seed(0))
    assert levels.shape == first.levels.shape
    assert torch.equal(levels[:3], first.levels[:3])
    assert torch.equal(parameters.iid[:, :3], first.parameters.iid[:, :3])
    assert bool((levels[3:] > -40).all())
    assert bool((levels[3:] < -36.9).all())  # at most as loud as the first
    assert bool((parameters.iid[:, 3:] < 6).all())
    assert bool((parameters.coherence[:, 3:] < 0.9).all())


def test_a_silent_track_in_a_mix_changes_nothing():
    first, silent = segment(8, -40, 6, 0.9), segment(8, MIN_LEVEL_DB, 0, 1)
    generator = torch.Generator().manual_seed(0)
    mixed = mix_segments(first, silent, generator)
    torch.testing.assert_close(mixed.levels, first.levels, rtol=0, atol=1e-3)
    for part, expected in zip(mixed.parameters, first.parameters, strict=True):
        torch.testing.assert_close(part, expected, rtol=0, atol=1e-2)
    assert bool(mix_segments(silent, first, generator).levels.isfinite().all())


def test_tracks_are_mixed_with_their_probability(cache):
    mixed = draw(cache, 200, mix_prob=0.5, memory=True)
    cached = {tuple(frame) for frame in cache.levels.float().tolist()}
    alone = [tuple(first) in cached for first in mixed.levels[:, 0].tolist()]
    assert 0.35 < sum(alone) / len(alone) < 0.65
    assert bool(mixed.levels.isfinite().all())


def test_random_panning_changes_width_balance_and_diffuseness_by_region():
    generator = torch.Generator().manual_seed(0)
    before = Parameters(torch.full((BANDS, 4), 3.0), torch.full((BANDS, 4), 0.6))
    energy = torch.ones(BANDS, 4)
    found = torch.stack(
        [descriptors(random_panning(before, generator), energy) for _ in range(200)]
    )
    ratio = (found / descriptors(before, energy)).log2()
    names = list(DESCRIPTORS)
    assert 0.3 < float(ratio[:, names.index("width")].std()) < 1.2
    assert float(found[:, names.index("balance")].std()) > 0.4
    assert float(found[:, names.index("diffuseness")].std()) > 0.03
    low, high = ratio[:, names.index("width_low")], ratio[:, names.index("width_high")]
    assert float((low - high).std()) > 0.2


def test_recording_conditions_change_the_levels_and_no_parameter(cache):
    rough = {"gain_db": 20, "eq_db": 8, "bandlimit_prob": 1.0, "noise_prob": 1.0}
    varied = draw(cache, **rough)
    assert bool(varied.levels.isfinite().all())
    assert float(varied.levels.min()) >= MIN_LEVEL_DB - 0.1
    cached = {tuple(frame) for frame in cache.coherence.float().tolist()}
    assert all(tuple(frame) in cached for frame in varied.parameters.coherence[:, :, 0].tolist())


def test_a_gain_shifts_all_levels_and_leaves_silence(cache):
    loud = draw(cache, gain_db=10)
    assert bool((loud.levels[..., :3] == MIN_LEVEL_DB).all())
    gains = []
    for levels in loud.levels:
        change = (levels[0] - cache.levels.float())[:, 3:]
        spread, best = change.std(dim=1).min(dim=0)
        if float(spread) < 0.01:
            gains.append(float(change[best].mean()))
    assert len(gains) > 30
    assert max(gains) > 5
    assert min(gains) < -5
    assert max(map(abs, gains)) <= 10


def test_the_style_prior_is_fitted_to_consecutive_examples(cache):
    prior = fit_style_prior([cache], POSITIONS, STRIDE)
    assert prior.mean.shape == (len(STYLE_FEATURES),)
    assert float(prior.mean[STYLE_FEATURES.index("balance")]) == 0
    assert bool(torch.linalg.eigvalsh(prior.covariance.double()).min() > 0)
    with pytest.raises(InputError, match="two whole examples"):
        fit_style_prior([cache], 450, 2)
