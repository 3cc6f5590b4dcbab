import math

import numpy as np
import pytest
import torch

from soundstage.corpora.feature_cache import RecordColumns, load_features, save_features
from soundstage.errors import InputError
from soundstage.stereo import BANDS, TOKENS, Parameters, dequantize, quantize
from soundstage.stereo.context import NUMBERS, STRETCH_FRAMES, STRETCHES, memory_vectors
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.stereo.levels import LEVELS, QUIETEST, levels_energy
from soundstage.stereo.styles import measured_style
from soundstage.training.data.masking import last_frame_mask, uniform_mask
from soundstage.training.data.stereo_examples import (
    StereoExamples,
    Stretch,
    at_once,
    random_stage,
)
from soundstage.training.data.token_batches import TokenBatches, width_weights
from soundstage.training.recipes import StereoAugmentation

NONE = StereoAugmentation(gain=0, styled=0, restaged=0, forgotten=0)
LENGTHS = [900, 40, 31, 400]
PATCH, STRIDE = 16, 2


def columns(frames, seed):
    random = np.random.default_rng(seed)
    iid = random.normal(0, 6, (frames, BANDS)).clip(-20, 20).astype(np.float16)
    coherence = (1 - 1.2 * random.random((frames, BANDS))).astype(np.float16)
    levels = random.normal(-58, 15, (frames, LEVELS)).clip(QUIETEST, 0).astype(np.float16)
    levels[:, :3] = QUIETEST
    whole = Parameters(*(torch.from_numpy(each.T.astype("f4")) for each in (iid, coherence)))
    return RecordColumns(quantize(whole).T.numpy(), iid, coherence, levels)


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


def batches(cache, augmentation=NONE, *, patch=PATCH, stride=STRIDE, memory=False, **changes):
    examples = StereoExamples(
        [cache], patch=patch, stride=stride, augmentation=augmentation, memory=memory
    )
    values = {"size": 16, "deaf": 0.0, "mask": uniform_mask, "seed": 3}
    return TokenBatches(examples, **{**values, **changes})


def drawn(made, steps=4):
    parts = [made.draw(step) for step in range(steps)]
    return type(parts[0])(*(torch.cat(each) for each in zip(*parts, strict=True)))


def places(cache, levels):
    """Where in the cache the first frame of each example lies."""
    return [int((cache.levels.float() == each[0]).all(dim=1).nonzero()[0, 0]) for each in levels]


def test_a_batch_depends_on_its_step_and_seed_alone(cache):
    rich = StereoAugmentation(equalizer=4, limited=0.5, hissing=0.5, styled=0.5)
    one, other = (batches(cache, rich, memory=True, deaf=0.3) for _ in range(2))
    one.draw(7)
    for first, second in zip(one.draw(4), other.draw(4), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(one.draw(5).levels, other.draw(4).levels)
    assert not torch.equal(batches(cache, seed=4).draw(0).levels, batches(cache).draw(0).levels)


def test_an_epoch_hears_as_many_frames_as_there_are(cache):
    heard = sum(frames for frames in LENGTHS if frames >= PATCH * STRIDE)
    assert batches(cache, size=4).per_epoch == heard // (PATCH * STRIDE * 4)
    assert batches(cache, size=1000).per_epoch == 1
    assert batches(cache).tokens_per_example == PATCH * BANDS


def test_an_example_is_every_other_frame_of_one_record(cache):
    batch = drawn(batches(cache))
    iid, coherence = cache.iid.float(), cache.coherence.float()
    swapped = 0
    records = set()
    for levels, tokens, start in zip(
        batch.levels, batch.tokens, places(cache, batch.levels), strict=True
    ):
        rows = slice(start, start + PATCH * STRIDE, STRIDE)
        assert torch.equal(levels, cache.levels[rows].float())
        record = int(torch.searchsorted(cache.ends, start, right=True))
        records.add(record)
        assert start + PATCH * STRIDE <= int(cache.ends[record])
        asit = quantize(Parameters(iid[rows].T, coherence[rows].T)).T
        other = quantize(Parameters(-iid[rows].T, coherence[rows].T)).T
        assert torch.equal(tokens, asit) or torch.equal(tokens, other)
        swapped += not torch.equal(tokens, asit)
    assert 0.3 < swapped / len(batch.tokens) < 0.7
    assert records <= {0, 1, 3}
    assert bool(batch.style.isnan().all())
    assert batch.memory.shape == (64, 0, NUMBERS)
    assert not bool(batch.deaf.any())


def test_switching_sides_turns_level_differences_alone(cache):
    batch = drawn(batches(cache))
    told = dequantize(batch.tokens.transpose(1, 2))
    for index, start in enumerate(places(cache, batch.levels)):
        rows = slice(start, start + PATCH * STRIDE, STRIDE)
        true = dequantize(cache.tokens[rows].T)
        agree = (told.coherence[index] == true.coherence).float().mean()
        assert float(agree) > 0.99
        size = told.iid[index].abs() == true.iid.abs()
        assert float(size.float().mean()) > 0.99


def test_tokens_are_those_of_the_cache_but_for_the_side(cache):
    batch = drawn(batches(cache))
    same = [
        float((tokens == cache.tokens[start : start + PATCH * STRIDE : STRIDE]).float().mean())
        for tokens, start in zip(batch.tokens, places(cache, batch.levels), strict=True)
    ]
    kept = [share for share in same if share == 1.0]
    assert 0.3 < len(kept) / len(same) < 0.7
    assert max(share for share in same if share < 1.0) < 0.5


def test_the_mask_is_the_one_asked_for(cache):
    assert bool(batches(cache, mask=last_frame_mask).draw(0).mask[:, :-1].any()) is False
    assert 0.4 < float(drawn(batches(cache)).mask.float().mean()) < 0.85


def test_the_memory_is_that_of_the_frames_before(cache):
    batch = drawn(batches(cache, memory=True))
    assert batch.memory.shape == (64, STRETCHES, NUMBERS)
    iid, coherence, levels = (each.float() for each in (cache.iid, cache.coherence, cache.levels))
    lengths = set()
    for index, start in enumerate(places(cache, batch.levels)):
        record = int(torch.searchsorted(cache.ends, start, right=True))
        begin = int(cache.starts[record])
        placed = Parameters(iid[begin:start].T, coherence[begin:start].T)
        swap = Parameters(-placed.iid, placed.coherence)
        wanted = [memory_vectors(levels[begin:start], each) for each in (placed, swap)]
        tokens = quantize(
            Parameters(*(each[start : start + 32 : 2].T for each in (iid, coherence)))
        )
        way = 0 if torch.equal(batch.tokens[index], tokens.T) else 1
        torch.testing.assert_close(
            batch.memory[index], wanted[way], rtol=0, atol=1e-4, equal_nan=True
        )
        known = int((~batch.memory[index, :, 0].isnan()).sum())
        assert known == min((start - begin) // STRETCH_FRAMES, STRETCHES)
        lengths.add(known)
    assert len(lengths) > 5


def test_some_examples_forget(cache):
    blank = drawn(batches(cache, NONE.model_copy(update={"forgotten": 1.0}), memory=True))
    assert bool(blank.memory.isnan().all())
    remembered = drawn(batches(cache, memory=True), 12).memory.isnan().all(dim=(1, 2))
    half = NONE.model_copy(update={"forgotten": 0.5})
    forgot = drawn(batches(cache, half, memory=True), 12).memory.isnan().all(dim=(1, 2))
    assert float(forgot.float().mean()) > float(remembered.float().mean()) + 0.3


@pytest.mark.parametrize("restaged", [0.0, 1.0])
def test_a_style_is_measured_from_the_example_that_is_told(cache, restaged):
    styled = NONE.model_copy(update={"styled": 1.0, "restaged": restaged})
    batch = drawn(batches(cache, styled))
    parameters = dequantize(batch.tokens.transpose(1, 2))
    wanted = measured_style(parameters, levels_energy(batch.levels))
    told = ~batch.style.isnan()
    assert 0.4 < float(told.float().mean()) < 0.6
    error = (batch.style - wanted)[told].abs()
    assert float(error.median()) < 0.15  # tokens are the rounded ones
    assert float(error.mean()) < 0.3
    assert float(wanted.std(dim=0)[0]) > (0.3 if restaged else 0)


def test_some_examples_are_told_a_style(cache):
    styled = NONE.model_copy(update={"styled": 0.5})
    told = drawn(batches(cache, styled), 12).style.isnan().all(dim=1)
    assert 0.38 < 1 - float(told.float().mean()) < 0.62


def test_stages_are_changed_in_styled_examples_alone(cache):
    plain = drawn(batches(cache, NONE.model_copy(update={"restaged": 1.0})))
    assert torch.equal(plain.tokens, drawn(batches(cache)).tokens)


def stretch(frames, level, iid, coherence):
    shape = (BANDS, frames)
    return Stretch(
        torch.full((frames, LEVELS), float(level)),
        Parameters(torch.full(shape, float(iid)), torch.full(shape, float(coherence))),
    )


def test_a_shorter_record_comes_in_later():
    first, second = stretch(8, -40, 6, 0.9), stretch(5, -60, -6, 0.2)
    levels, parameters = at_once(first, second, torch.Generator().manual_seed(0))
    assert levels.shape == first.levels.shape
    assert torch.equal(levels[:3], first.levels[:3])
    assert torch.equal(parameters.iid[:, :3], first.parameters.iid[:, :3])
    assert bool((levels[3:] > -40).all())
    assert bool((levels[3:] < -36.9).all())  # as loud as the first at most
    assert bool((parameters.iid[:, 3:] < 6).all())
    assert bool((parameters.coherence[:, 3:] < 0.9).all())


def test_silence_adds_nothing():
    first = stretch(8, -40, 6, 0.9)
    for one, other in ((first, stretch(8, QUIETEST, 0, 1)), (stretch(8, QUIETEST, 0, 1), first)):
        mixed = at_once(one, other, torch.Generator().manual_seed(0))
        assert bool(mixed.levels.isfinite().all())
        if one is first:
            torch.testing.assert_close(mixed.levels, first.levels, rtol=0, atol=1e-3)
            for part, wanted in zip(mixed.parameters, first.parameters, strict=True):
                torch.testing.assert_close(part, wanted, rtol=0, atol=1e-2)


def test_some_examples_are_two_records_at_once(cache):
    mixed = drawn(batches(cache, NONE.model_copy(update={"mixed": 0.5}), memory=True), 12)
    cached = {tuple(row) for row in cache.levels.float().tolist()}
    alone = [tuple(first) in cached for first in mixed.levels[:, 0].tolist()]
    assert 0.35 < sum(alone) / len(alone) < 0.65
    assert bool(mixed.levels.isfinite().all())


def test_stages_are_wider_and_narrower_and_turned():
    generator = torch.Generator().manual_seed(0)
    before = Parameters(torch.full((BANDS, 4), 3.0), torch.full((BANDS, 4), 0.6))
    energy = torch.ones(BANDS, 4)
    found = torch.stack([descriptors(random_stage(before, generator), energy) for _ in range(200)])
    ratio = (found / descriptors(before, energy)).log2()
    names = list(DESCRIPTORS)
    assert 0.3 < float(ratio[:, names.index("width")].std()) < 1.2
    assert float(found[:, names.index("balance")].std()) > 0.4
    assert float(found[:, names.index("diffuseness")].std()) > 0.03
    low, high = ratio[:, names.index("width_low")], ratio[:, names.index("width_high")]
    assert float((low - high).std()) > 0.2


def test_a_share_goes_without_the_sound(cache):
    assert 0.2 < float(drawn(batches(cache, deaf=0.3), 12).deaf.float().mean()) < 0.4
    assert not bool(drawn(batches(cache)).deaf.any())


def test_a_chain_changes_levels_and_no_token(cache):
    rough = NONE.model_copy(update={"gain": 20, "equalizer": 8, "limited": 1.0, "hissing": 1.0})
    heard, plain = drawn(batches(cache, rough)), drawn(batches(cache))
    assert bool(heard.levels.isfinite().all())
    assert float(heard.levels.min()) >= QUIETEST - 0.1
    assert heard.levels.shape == plain.levels.shape
    cached = {tuple(row) for row in cache.tokens.tolist()}
    known = [tuple(row) in cached for row in heard.tokens.flatten(0, 1).tolist()]
    assert 0.3 < np.mean(known) < 0.7  # the others are switched


def test_a_gain_moves_all_levels_alike_and_leaves_silence(cache):
    loud = drawn(batches(cache, NONE.model_copy(update={"gain": 10})))
    assert bool((loud.levels[..., :3] == QUIETEST).all())
    whole = cache.levels.float()
    gains = []
    for levels in loud.levels:
        change = levels[0] - whole
        shifts = change[:, 3:].std(dim=1)
        best = int(shifts.argmin())
        if float(shifts[best]) < 0.01:
            gains.append(float(change[best, 3:].mean()))
    assert len(gains) > 30
    assert max(gains) > 5
    assert min(gains) < -5
    assert max(map(abs, gains)) <= 10


def test_wide_examples_weigh_more():
    iid = torch.zeros(2, 4, BANDS)
    iid[1, ::2], iid[1, 1::2] = 30.0, -30.0  # cut at 20
    coherence = torch.ones(2, 4, BANDS)
    coherence[1, :2] = 0.0
    weights = width_weights(iid, coherence)
    count = 4 * BANDS
    spread = math.sqrt(count / (count - 1))
    assert weights.tolist() == pytest.approx([1.0, 1 + 0.15 * 20 * spread + 0.5 * spread])


def test_weights_are_those_of_the_told_tokens(cache):
    batch = batches(cache).draw(0)
    parameters = dequantize(batch.tokens)
    wanted = width_weights(parameters.iid, parameters.coherence)
    torch.testing.assert_close(batch.weights, wanted)
    assert batch.tokens.dtype == torch.uint8
    assert int(batch.tokens.max()) < TOKENS


def test_records_shorter_than_an_example_are_refused_when_there_are_no_others(cache):
    with pytest.raises(InputError, match="1024 frames"):
        batches(cache, patch=512)
