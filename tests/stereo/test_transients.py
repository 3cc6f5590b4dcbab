import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import chord, cut, drums, noise, song, tone
from soundstage.stereo import TransientStream
from soundstage.stereo.decorrelator import BLOCK, RECOVERY

START = 3_000  # samples after which the beginning of the sound, an attack too, is forgotten


def gain(mid: torch.Tensor) -> torch.Tensor:
    stream = TransientStream()
    return torch.cat([stream.push(mid), stream.finish()])


@pytest.mark.parametrize("sound", [noise, tone, chord])
def test_steady_sounds_are_left_alone(sound) -> None:
    steady = gain(sound(100_000))[START:]
    assert torch.all(steady == 1)


def test_swelling_music_is_left_alone() -> None:
    swell = 10 ** (torch.arange(88_200) / 88_200 * 40 / 20 - 2)  # 20 dB a second
    assert torch.all(gain(noise(88_200, level=1.0) * swell)[START:] == 1)


def test_silence_is_left_alone() -> None:
    assert torch.all(gain(torch.zeros(5_000)) == 1)


@pytest.mark.parametrize("place", [44_032, 44_033, 44_100, 44_287])
def test_a_click_closes_the_gain_at_once_and_no_earlier_than_two_blocks_before(place: int) -> None:
    mid = noise(88_200, level=0.01)
    mid[place] += 1
    found = gain(mid)
    assert found[place] < 0.01
    open_before, open_after = place - 2 * BLOCK, place + (RECOVERY + 3) * BLOCK
    assert torch.all(found[START:open_before] == 1)
    assert torch.all(found[open_after:] == 1)


def test_drum_onsets_close_the_gain_and_their_decay_opens_it() -> None:
    found = gain(drums(88_200) + noise(88_200, seed=5, level=0.001))
    for onset in (22_050, 44_100, 66_150):
        assert found[onset : onset + 128].max() < 0.05
        assert torch.all(found[onset - 8_000 : onset - 2 * BLOCK] == 1)
        assert torch.all(found[onset + (RECOVERY + 4) * BLOCK : onset + 8_000] == 1)


def test_a_first_note_after_silence_is_an_attack() -> None:
    found = gain(torch.cat([torch.zeros(10_000), chord(10_000)]))
    assert found[10_000] == 0


@pytest.mark.parametrize("level_db", [-40, -20, 20])
def test_what_counts_does_not_depend_on_the_level(level_db: float) -> None:
    mid = song(60_000)
    quieter = gain(10 ** (level_db / 20) * mid)
    assert (quieter - gain(mid)).abs().max() < 0.05


@given(length=st.integers(0, 6_000), places=st.lists(st.integers(0, 6_000), max_size=6))
def test_streamed_gains_equal_whole(length: int, places: list[int]) -> None:
    mid = song(22_050)[20_000 : 20_000 + length]
    stream = TransientStream()
    parts = [*map(stream.push, cut(mid, places)), stream.finish()]
    streamed = torch.cat(parts)
    assert streamed.shape == mid.shape
    torch.testing.assert_close(streamed, gain(mid), rtol=0, atol=1e-6)


def test_gains_lie_between_zero_and_one_and_never_jump() -> None:
    found = gain(song(88_200))
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.diff().abs().max() <= 1 / BLOCK + 1e-6
