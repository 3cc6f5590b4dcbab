import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, decibels, noise, song, tone
from soundstage.metrics import fold_down_error, normalized_width
from soundstage.upmixing import Controls, MidSide, Upmixer, UpmixStream, make_side, upmix_blocks
from soundstage.upmixing.engine import FLUSH, METHOD_BLOCK
from tiny import EXACT, UPMIXERS

RATES = [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]
FOLD_DOWN_DB = -120  # measured: −150 or less, the rounding of float32


class Same:
    """An upmixer whose side is the mid: what comes out is what the engine did."""

    rate, rows = 44_100, 1

    def stream(self, *, seed: int) -> "Same":
        return self

    def push(self, mid: torch.Tensor) -> torch.Tensor:
        return mid[None]

    def finish(self) -> torch.Tensor:
        return torch.zeros(1, 0)


def whole(blocks: list[MidSide]) -> MidSide:
    return MidSide(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def made(
    mono: np.ndarray,
    upmixer: Upmixer | str = "nearest",
    rate: int = 44_100,
    *,
    places: tuple[int, ...] | list[int] = (),
    controls: Controls | None = None,
    seed: int = 0,
) -> MidSide:
    """Mid and side of a sound that comes in blocks cut at `places`."""
    method = UPMIXERS[upmixer] if isinstance(upmixer, str) else upmixer
    blocks = cut(mono, list(places))
    return whole(list(upmix_blocks(blocks, method, rate, controls=controls, seed=seed)))


def long_song(rate: int = 44_100, seconds: float = 1.9) -> np.ndarray:
    """Longer than one block of the method."""
    return song(int(seconds * rate), rate=rate).numpy()


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("length", [1, 2, 3, 100, 5_000, "1.9 s"])
def test_the_fold_down_returns_the_input(name: str, rate: int, length: int | str) -> None:
    mono = long_song(rate) + np.float32(0.01)
    mono = mono if isinstance(length, str) else mono[:length]
    result = made(mono, name, rate, places=[mono.size // 3, mono.size // 2])
    stereo = result.left_right()
    assert stereo.shape == (2, mono.size)
    assert np.isfinite(stereo).all()
    assert fold_down_error(torch.tensor(stereo), torch.tensor(mono)) < FOLD_DOWN_DB
    if isinstance(length, str):
        assert normalized_width(torch.tensor(stereo)) > 0.3  # and it is not simply mono


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_mixing_makes_a_mid_of_its_own_near_the_input(rate: int) -> None:
    mono = long_song(rate)
    result = made(mono, "mixing", rate, controls=Controls(bass_mono_hz=100))
    assert result.mid.size == result.side.size == mono.size
    error = fold_down_error(torch.tensor(result.left_right()), torch.tensor(mono))
    assert -40 < error < -3  # random values, unlike music's


@pytest.mark.parametrize("name", UPMIXERS)
@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@settings(max_examples=5)
@given(places=st.lists(st.integers(0, 90_000), min_size=1, max_size=5))
def test_any_cut_gives_the_same_bytes(name: str, rate: int, places: list[int]) -> None:
    mono = long_song(rate)
    one, other = made(mono, name, rate), made(mono, name, rate, places=places)
    assert np.array_equal(one.mid, other.mid)
    assert np.array_equal(one.side, other.side)


def test_blocks_of_a_few_samples_give_the_same_bytes() -> None:
    mono, controls = long_song(), Controls(bass_mono_hz=120, center_focus=0.5)
    places = list(range(0, mono.size, 97))
    one, other = (made(mono, places=p, controls=controls) for p in ([], places))
    assert np.array_equal(one.side, other.side)


@pytest.mark.parametrize("name", UPMIXERS)
def test_any_number_of_threads_gives_the_same_bytes(name: str) -> None:
    mono, before = long_song(48_000), torch.get_num_threads()
    sides = []
    try:
        for threads in (1, 2, 4):  # four is where long transforms begin to round differently
            torch.set_num_threads(threads)
            sides.append(made(mono, name, 48_000).side)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(sides[0], side) for side in sides)


@pytest.mark.parametrize("name", EXACT)
def test_blocks_equal_the_method_in_one_piece(name: str) -> None:
    """With the silence that the engine lets follow; to −90 dB, since sums of frames round
    differently in blocks of another length."""
    mono = torch.from_numpy(long_song(seconds=3.3))
    assert mono.shape[0] > 2 * METHOD_BLOCK
    silence = torch.zeros(int(FLUSH * 44_100))
    side = make_side(UPMIXERS[name], torch.cat([mono, silence]))[0, : mono.shape[0]]
    assert decibels(made(mono.numpy(), name).side - side.numpy(), side) < -90


@pytest.mark.parametrize("name", UPMIXERS)
@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
def test_silence_in_is_silence_out(name: str, rate: int) -> None:
    result = made(np.zeros(50_000, np.float32), name, rate, controls=Controls(center_focus=0.5))
    assert not result.left_right().any()


@pytest.mark.parametrize("name", UPMIXERS)
def test_silence_after_a_sound_becomes_silence(name: str) -> None:
    mono = np.concatenate([long_song(seconds=0.5), np.zeros(60_000, np.float32)])
    assert not made(mono, name).side[-30_000:].any()  # from 0.7 s after its end


@pytest.mark.parametrize("name", EXACT)
def test_width_scales_the_side_and_nothing_else(name: str) -> None:
    mono = long_song()
    wide = {width: made(mono, name, controls=Controls(width)) for width in (0, 0.5, 1, 2)}
    assert not wide[0].side.any()
    for width, result in wide.items():
        assert np.array_equal(result.mid, mono)
        np.testing.assert_allclose(result.side, width * wide[1].side, atol=1e-8)


@pytest.mark.parametrize("name", UPMIXERS)
def test_a_seed_repeats_and_another_differs(name: str) -> None:
    mono = long_song()
    takes = [made(mono, name, seed=seed).side for seed in (1, 1, 2)]
    assert np.array_equal(takes[0], takes[1])
    assert decibels(takes[0] - takes[2], takes[0]) > -20


@pytest.mark.parametrize("rate", RATES)
def test_the_side_comes_back_in_time_and_at_its_level(rate: int) -> None:
    mono = sum(tone(rate, hz=hz, rate=rate) for hz in (110.0, 997.0, 2_000.0)).numpy()
    inside = slice(rate // 10, -rate // 10)  # away from the clicks of its ends
    error = made(mono, Same(), rate).side[inside] - mono[inside]
    assert decibels(error, mono[inside]) < (-250 if rate == 44_100 else -90)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_side_filter_neither_delays_nor_touches_what_it_passes(rate: int) -> None:
    mono = tone(2 * rate, hz=3_000, rate=rate).numpy()
    inside = slice(rate // 2, -rate // 2)
    side = made(mono, Same(), rate, controls=Controls(bass_mono_hz=100)).side
    assert decibels(side[inside] - mono[inside], mono[inside]) < -90


@pytest.mark.parametrize(
    ("hz", "controls", "wanted_db"),
    [
        (40, Controls(bass_mono_hz=120), -38.3),
        (120, Controls(bass_mono_hz=120), -6.0),
        (240, Controls(bass_mono_hz=120), -0.53),
        (1_000, Controls(center_focus=0.5), -6.0),
        (10_000, Controls(center_focus=0.5), 0.0),
        (1_000, Controls(center_focus=0.5, width=0.5), -12.0),
    ],
)
def test_a_tone_loses_what_the_controls_ask(
    hz: float, controls: Controls, wanted_db: float
) -> None:
    mono = tone(88_200, hz=hz).numpy()
    side = made(mono, Same(), controls=controls).side
    found = decibels(side[20_000:-20_000], mono[20_000:-20_000])
    assert found == pytest.approx(wanted_db, abs=0.5)


def test_above_the_methods_band_the_result_is_mono() -> None:
    high = tone(96_000, hz=30_000, rate=96_000).numpy()
    result = made(high, Same(), 96_000)
    assert decibels(result.side[10_000:-10_000], high[10_000:-10_000]) < -100
    assert np.array_equal(result.mid, high)


def test_double_precision_stays_in_the_mid() -> None:
    mono = noise(60_000).double().numpy() / 3
    result = made(mono)
    assert result.mid.dtype == np.float64
    assert np.array_equal(result.mid, mono)
    assert fold_down_error(torch.tensor(result.left_right()), torch.tensor(mono)) < -290


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_caller_may_use_its_buffer_again(rate: int) -> None:
    mono, buffer = long_song(rate), np.zeros(1_000, np.float32)
    stream, parts = UpmixStream(UPMIXERS["nearest"], rate), []
    for start in range(0, mono.size - mono.size % 1_000, 1_000):
        buffer[:] = mono[start : start + 1_000]
        parts.append(stream.push(buffer))
    buffer[:] = 0
    parts.append(stream.finish())
    wanted = made(mono[: mono.size - mono.size % 1_000], rate=rate)
    assert np.array_equal(whole(parts).mid, wanted.mid)
    assert np.array_equal(whole(parts).side, wanted.side)


def test_an_array_that_cannot_be_written_is_taken_without_a_warning() -> None:
    mono = long_song(seconds=0.1)
    mono.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(mono, "comb")


def test_the_result_is_new_memory() -> None:
    mono = long_song(seconds=0.3)
    kept = mono.copy()
    result = made(mono, Same())
    result.side[:] = 7
    result.left_right()[:] = 7
    assert np.array_equal(mono, kept)


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize(
    ("controls", "seconds"), [(Controls(), 3.0), (Controls(bass_mono_hz=20), 4.2)]
)
def test_a_stream_lags_by_a_few_seconds_and_no_more(
    rate: int, controls: Controls, seconds: float
) -> None:
    """A block of the method, one of the decorrelator and one of the side filter."""
    stream = UpmixStream(UPMIXERS["decorrelate"], rate, controls=controls)
    went_in = came_out = 0
    for block in cut(long_song(rate, seconds=9), list(range(0, 9 * rate, rate // 10))):
        went_in += block.size
        came_out += stream.push(block).mid.size
        assert came_out <= went_in
        assert went_in - came_out <= seconds * rate


@pytest.mark.parametrize("name", UPMIXERS)
@pytest.mark.parametrize(
    "mono",
    [
        np.full(30_000, 0.5, np.float32),
        np.resize(np.float32([1, -1]), 30_000),
        np.full(30_000, 1e-40, np.float32),
        1e4 * noise(30_000).numpy(),
        np.eye(1, 30_000, 15_000, dtype=np.float32)[0],
    ],
    ids=["constant", "nyquist", "denormal", "far too loud", "one sample"],
)
def test_odd_sounds_give_finite_numbers(name: str, mono: np.ndarray) -> None:
    result = made(mono, name)
    assert np.isfinite(result.left_right()).all()
    assert np.abs(result.side).max() < 20 * np.abs(mono).max()


@pytest.mark.parametrize("name", UPMIXERS)
def test_nothing_in_is_nothing_out(name: str) -> None:
    for blocks in ([], [np.zeros(0, np.float32)]):
        result = whole(list(upmix_blocks(blocks, UPMIXERS[name], 48_000)))
        assert result.left_right().shape == (2, 0)
