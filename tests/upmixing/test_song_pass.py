from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, song
from soundstage.audio import Audio
from soundstage.upmixing import Upmixer, fit_to_song, make_side, plans_of, upmix_blocks
from soundstage.upmixing.engine import METHOD_BLOCK


class Loudest:
    """Its side is the mid over the peak of the whole song; before a survey it is silent."""

    rate, n_outputs = 22_050, 1

    def __init__(self, gain: float = 0.0) -> None:
        self.gain = gain

    def stream(self, seeds: Sequence[int]) -> "Loudest":
        self.takes = len(seeds)
        return self

    def push(self, mid: torch.Tensor) -> torch.Tensor:
        return self.gain * mid.expand(self.takes, 1, -1)

    def finish(self) -> torch.Tensor:
        return torch.zeros(self.takes, 1, 0)


class OfSong(Loudest):
    """Surveys the song for its peak."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[int] = []

    def survey(self) -> "Peak":
        self.blocks.clear()
        return Peak(self.blocks)


class Peak:
    def __init__(self, blocks: list[int]) -> None:
        self.peak, self.blocks = 0.0, blocks

    def push(self, mid: torch.Tensor) -> None:
        self.blocks.append(len(mid))
        self.peak = max(self.peak, float(mid.abs().max())) if len(mid) else self.peak

    def finish(self) -> Loudest:
        return Loudest(0.5 / self.peak if self.peak else 0.0)


@settings(max_examples=10)
@given(places=st.lists(st.integers(0, 200_000), max_size=5), rate=st.sampled_from([22_050, 48_000]))
def test_a_survey_gets_equal_blocks_whatever_comes_in(places: list[int], rate: int) -> None:
    sound, method = song(200_000).numpy(), OfSong()
    whole = fit_to_song(method, [sound], rate)
    blocks = list(method.blocks)
    fitted = fit_to_song(method, cut(sound, places), rate)
    assert blocks == method.blocks
    assert set(blocks[:-1]) <= {METHOD_BLOCK}
    assert sum(blocks) == round(200_000 * 22_050 / rate)
    assert fitted.gain == whole.gain > 0


def test_a_method_without_a_survey_reads_nothing() -> None:
    method = Loudest(1.0)
    assert (
        fit_to_song(method, iter(lambda: pytest.fail("a block was read"), None), 44_100) is method
    )
    assert plans_of(method, [0]) is None


def test_the_buffer_of_a_caller_may_change() -> None:
    buffer, method = np.zeros(1000, np.float32), OfSong()

    def blocks():
        for _ in range(100):
            buffer[:] = 0.25
            yield buffer
            buffer[:] = 1

    assert fit_to_song(method, blocks(), method.rate).gain == 2


def test_file_array_and_whole_side_are_fitted_alike(tmp_path: Path) -> None:
    sound = song(100_000, rate=22_050)
    sound[90_000] = 3.0  # the peak comes late
    upmixer = Upmixer(OfSong())
    audio = Audio(sound.numpy()[None], 22_050)
    audio.write(tmp_path / "mono.wav", bit_depth="float")
    stereo = upmixer(audio, width=1.0, spread_noise=True)
    upmixer.file(tmp_path / "mono.wav", tmp_path / "out.wav", width=1.0, spread_noise=True)
    written = Audio.read(tmp_path / "out.wav")
    assert written == stereo
    side = (stereo.samples[0] - stereo.samples[1]) / 2
    np.testing.assert_allclose(side, sound.numpy() / 6, atol=1e-6)
    torch.testing.assert_close(make_side(OfSong(), sound)[0], sound / 6)


def test_progress_counts_the_survey_and_never_falls(tmp_path: Path) -> None:
    Audio(song(400_000).numpy()[None], 44_100).write(tmp_path / "mono.wav")
    done: list[float] = []
    upmixer = Upmixer(OfSong())
    upmixer.file(tmp_path / "mono.wav", tmp_path / "out.flac", progress=done.append)
    assert done == sorted(done)
    assert 0 < done[0] < 0.3
    assert done[-1] == 1


def test_a_stream_runs_without_a_survey() -> None:
    blocks = list(upmix_blocks([song(30_000).numpy()], OfSong(), 22_050, seeds=[0]))
    assert not any(block[0].side.any() for block in blocks)
