import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, decibels, noise, song, tone
from soundstage.metrics import fold_down_error, normalized_width
from soundstage.upmixing import (
    Controls,
    MidSide,
    UpmixMethod,
    UpmixStream,
    make_side,
    upmix,
    upmix_blocks,
)
from soundstage.upmixing.engine import FLUSH, METHOD_BLOCK
from tiny import EXACT, UPMIXERS

FOLD_DOWN_DB = -120  # measured: −150 or less, the rounding of float32
QUICK = ["masked", "nearest", "mixing", "decorrelate"]


class Identity:
    """A method with the mid as its side: the result shows the engine alone."""

    rate, n_outputs = 44_100, 1

    def stream(self, seeds: Sequence[int]) -> "Identity":
        self.takes = len(seeds)
        return self

    def push(self, mid: torch.Tensor) -> torch.Tensor:
        return mid.expand(self.takes, 1, -1)

    def finish(self) -> torch.Tensor:
        return torch.zeros(self.takes, 1, 0)


def concatenate(blocks: Sequence[MidSide]) -> MidSide:
    return MidSide(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def run_takes(
    mono: np.ndarray,
    method: UpmixMethod | str = "nearest",
    rate: int = 44_100,
    *,
    places: Sequence[int] = (),
    controls: Controls | None = None,
    seeds: Sequence[int] = (0,),
) -> list[MidSide]:
    """Mid and side of each take of a sound in blocks cut at `places`."""
    chosen = UPMIXERS[method] if isinstance(method, str) else method
    blocks = upmix_blocks(cut(mono, places), chosen, rate, controls=controls, seeds=seeds)
    return [concatenate(take) for take in zip(*blocks, strict=True)]


def run(*args, seed: int = 0, **more) -> MidSide:
    return run_takes(*args, seeds=[seed], **more)[0]


def long_song(rate: int = 44_100, seconds: float = 1.9) -> np.ndarray:
    """Longer than one block of the method."""
    return song(int(seconds * rate), rate=rate).numpy()


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(
    ("rate", "length"), [(8_000, 1), (22_050, 100), (44_100, None), (48_000, None), (192_000, 3)]
)
def test_the_fold_down_returns_the_input(name: str, rate: int, length: int | None) -> None:
    mono = (long_song(rate) + np.float32(0.01))[:length]
    stereo = run(mono, name, rate, places=[mono.size // 3, mono.size // 2]).left_right()
    assert stereo.shape == (2, mono.size)
    assert np.isfinite(stereo).all()
    assert fold_down_error(torch.tensor(stereo), torch.tensor(mono)) < FOLD_DOWN_DB
    if length is None:
        assert normalized_width(torch.tensor(stereo)) > 0.3  # and is not simply mono


def test_mixing_makes_a_mid_of_its_own_near_the_input() -> None:
    mono = long_song(48_000)
    result = run(mono, "mixing", 48_000, controls=Controls(bass_mono=100))
    assert result.mid.size == result.side.size == mono.size
    error = fold_down_error(torch.tensor(result.left_right()), torch.tensor(mono))
    assert -40 < error < -3  # random parameters, unlike those of music


def assert_any_block_size(name: str, rate: int, places: list[int]) -> None:
    mono, controls = long_song(rate), Controls(bass_mono=120, center_focus=0.5)
    one, other = (run(mono, name, rate, places=each, controls=controls) for each in ((), places))
    assert np.array_equal(one.mid, other.mid)
    assert np.array_equal(one.side, other.side)


@pytest.mark.parametrize("name", QUICK)
@settings(max_examples=3)
@given(places=st.lists(st.integers(0, 90_000), min_size=1, max_size=5))
def test_blocks_of_any_size_give_the_same_bytes(name: str, places: list[int]) -> None:
    assert_any_block_size(name, 48_000, places)


@pytest.mark.slow
@pytest.mark.parametrize("name", UPMIXERS)
@pytest.mark.parametrize("rate", [22_050, 44_100])
@settings(max_examples=5)
@given(places=st.lists(st.integers(0, 90_000), min_size=1, max_size=5))
def test_blocks_of_any_size_give_the_same_bytes_with_all_methods(
    name: str, rate: int, places: list[int]
) -> None:
    assert_any_block_size(name, rate, places)


def test_blocks_of_a_few_samples_give_the_same_bytes() -> None:
    assert_any_block_size("nearest", 44_100, list(range(0, 83_790, 97)))


@pytest.mark.parametrize("name", UPMIXERS)
def test_a_take_is_the_same_alone_and_among_others(name: str) -> None:
    mono, controls = long_song(48_000), Controls(1.5, 120, 0.3)
    together = run_takes(mono, name, 48_000, controls=controls, seeds=[3, 4])
    for seed, take in zip([3, 4], together, strict=True):
        alone = run(mono, name, 48_000, controls=controls, seed=seed)
        assert np.array_equal(take.side, alone.side)
        assert np.array_equal(take.mid, alone.mid)
    assert decibels(together[0].side - together[1].side, together[0].side) > -20


@pytest.mark.parametrize("name", UPMIXERS)
def test_the_number_of_threads_changes_no_byte(name: str) -> None:
    mono, before = long_song(48_000), torch.get_num_threads()
    sides = []
    try:
        for threads in (1, 4):  # with four, long transforms round differently
            torch.set_num_threads(threads)
            sides.append(run(mono, name, 48_000).side)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*sides)


def test_concurrent_calls_give_the_bytes_of_calls_one_by_one_and_leave_torch_as_it_was() -> None:
    sounds = [(long_song(seconds=0.3 + 0.1 * index), 44_100) for index in range(8)]
    methods = [UPMIXERS[name] for name in ("masked", "diffusion", "nearest", "decorrelate")] * 2

    def call(index: int) -> np.ndarray:
        return upmix(sounds[index], method=methods[index], seed=index).samples

    one_by_one = [call(index) for index in range(8)]
    threads, state = torch.get_num_threads(), torch.get_rng_state()

    def settings_of_torch() -> tuple:
        return torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(call, range(8)))
        in_threads = list(pool.map(lambda _: settings_of_torch(), range(8)))
    assert all(np.array_equal(*pair) for pair in zip(one_by_one, together, strict=True))
    assert {*in_threads, settings_of_torch()} == {(threads, True, torch.float32)}
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["nearest", "decorrelate"])
def test_blocks_equal_the_method_in_one_piece(name: str) -> None:
    """With the silence that the engine adds; to −90 dB, since sums of frames round differently in
    blocks of another length."""
    mono = torch.from_numpy(long_song(seconds=3.3))
    assert mono.shape[0] > 2 * METHOD_BLOCK
    silence = torch.zeros(int(FLUSH * 44_100))
    side = make_side(UPMIXERS[name], torch.cat([mono, silence]))[0, : mono.shape[0]]
    assert decibels(run(mono.numpy(), name).side - side.numpy(), side) < -90


@pytest.mark.parametrize("name", UPMIXERS)
def test_silence_stays_silent_and_returns_after_a_sound(name: str) -> None:
    silence = np.zeros(50_000, np.float32)
    assert not run(silence, name, 48_000, controls=Controls(center_focus=0.5)).left_right().any()
    after = run(np.concatenate([long_song(seconds=0.5), silence]), name)
    assert not after.side[-20_000:].any()  # from 0.7 s after its end


@pytest.mark.parametrize("name", ["nearest", "comb"])
def test_width_scales_the_side_alone(name: str) -> None:
    mono = long_song()
    results = {width: run(mono, name, controls=Controls(width)) for width in (0, 0.5, 1, 2)}
    assert not results[0].side.any()
    for width, result in results.items():
        assert np.array_equal(result.mid, mono)
        np.testing.assert_allclose(result.side, width * results[1].side, atol=1e-8)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
def test_the_side_has_no_delay_and_its_level(rate: int) -> None:
    mono = sum(tone(rate, hz=hz, rate=rate) for hz in (110.0, 997.0, 2_000.0)).numpy()
    inside = slice(rate // 10, -rate // 10)  # away from the clicks of its ends
    error = run(mono, Identity(), rate).side[inside] - mono[inside]
    assert decibels(error, mono[inside]) < (-250 if rate == 44_100 else -90)


@pytest.mark.parametrize(
    ("hz", "controls", "gain_db"),
    [
        (40, Controls(bass_mono=120), -38.3),
        (120, Controls(bass_mono=120), -6.0),
        (3_000, Controls(bass_mono=100), 0.0),
        (1_000, Controls(center_focus=0.5), -6.0),
        (1_000, Controls(center_focus=0.5, width=0.5), -12.0),
    ],
)
def test_controls_attenuate_the_side(hz: float, controls: Controls, gain_db: float) -> None:
    mono = tone(88_200, hz=hz).numpy()
    side = run(mono, Identity(), controls=controls).side
    inside = slice(20_000, -20_000)
    assert decibels(side[inside], mono[inside]) == pytest.approx(gain_db, abs=0.5)
    in_phase = 10 ** (gain_db / 20) * mono[inside]
    assert decibels(side[inside] - in_phase, mono[inside]) < gain_db - 20


def test_above_the_band_of_the_method_the_result_is_mono() -> None:
    high = tone(96_000, hz=30_000, rate=96_000).numpy()
    result = run(high, Identity(), 96_000)
    assert decibels(result.side[10_000:-10_000], high[10_000:-10_000]) < -100
    assert np.array_equal(result.mid, high)


def test_double_precision_is_kept_in_the_mid() -> None:
    mono = noise(60_000).double().numpy() / 3
    result = run(mono)
    assert result.mid.dtype == np.float64
    assert np.array_equal(result.mid, mono)
    assert fold_down_error(torch.tensor(result.left_right()), torch.tensor(mono)) < -290


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_caller_may_reuse_its_buffer(rate: int) -> None:
    mono, buffer = long_song(rate)[: 80 * 1_000], np.zeros(1_000, np.float32)
    stream, parts = UpmixStream(UPMIXERS["nearest"], rate, seeds=[0]), []
    for start in range(0, mono.size, 1_000):
        buffer[:] = mono[start : start + 1_000]
        parts.append(stream.push(buffer)[0])
    buffer[:] = 0
    parts.append(stream.finish()[0])
    found, expected = concatenate(parts), run(mono, rate=rate)
    assert np.array_equal(found.mid, expected.mid)
    assert np.array_equal(found.side, expected.side)


def test_a_read_only_input_is_neither_changed_nor_returned() -> None:
    mono = long_song(seconds=0.3)
    kept = mono.copy()
    mono.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run(mono, Identity())
    result.side[:] = 7
    result.left_right()[:] = 7
    assert np.array_equal(mono, kept)


@pytest.mark.parametrize("rate", [8_000, 44_100])
@pytest.mark.parametrize(
    ("controls", "seconds"), [(Controls(), 3.0), (Controls(bass_mono=20), 4.2)]
)
def test_a_stream_lags_by_a_few_seconds(rate: int, controls: Controls, seconds: float) -> None:
    """A block of the method, one of the decorrelator and one of the side filter."""
    stream = UpmixStream(UPMIXERS["decorrelate"], rate, seeds=[0], controls=controls)
    pushed = returned = 0
    for block in cut(long_song(rate, seconds=9), list(range(0, 9 * rate, rate // 10))):
        pushed += block.size
        returned += stream.push(block)[0].mid.size
        assert returned <= pushed
        assert pushed - returned <= seconds * rate


@pytest.mark.parametrize("name", UPMIXERS)
@pytest.mark.parametrize(
    "mono",
    [
        np.full(30_000, 0.5, np.float32),
        np.full(30_000, 1e-40, np.float32),
        1e4 * noise(30_000).numpy(),
        np.eye(1, 30_000, 15_000, dtype=np.float32)[0],
    ],
    ids=["constant", "denormal", "far too loud", "one sample"],
)
def test_unusual_sounds_give_finite_samples(name: str, mono: np.ndarray) -> None:
    result = run(mono, name)
    assert np.isfinite(result.left_right()).all()
    assert np.abs(result.side).max() < 20 * np.abs(mono).max()


@pytest.mark.parametrize("name", UPMIXERS)
def test_an_empty_signal_stays_empty(name: str) -> None:
    for blocks in ([], [np.zeros(0, np.float32)]):
        takes = list(upmix_blocks(blocks, UPMIXERS[name], 48_000, seeds=[0, 1]))[-1]
        assert [take.left_right().shape for take in takes] == [(2, 0)] * 2
