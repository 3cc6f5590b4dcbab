import pytest
import torch

import sounds
from soundstage.restyling.reverberation import ReverberationStream
from soundstage.stereo import RATE, TRANSFORM

LENGTH = 2 * RATE
MIDDLE = slice(20, 60)  # frames, away from the ends
HEARD = slice(20, 1_200)  # bins


def shares(stereo, cut=None):
    frames = TRANSFORM.analyze(stereo)
    stream = ReverberationStream()
    cut = frames.shape[-1] if cut is None else cut
    parts = [stream.push(frames[..., :cut]), stream.push(frames[..., cut:]), stream.finish()]
    return torch.cat(parts, dim=-1)


def decaying(seed, seconds=1.5):
    age = torch.arange(LENGTH) / RATE
    return sounds.noise(LENGTH, seed=seed) * 10 ** (-3 * age / seconds)


def test_a_tail_in_both_channels_is_reverberation():
    share = shares(torch.stack([decaying(0), decaying(1)]))
    assert share[HEARD, MIDDLE].mean() > 0.6


@pytest.mark.parametrize(
    "stereo",
    [
        torch.stack([decaying(0), torch.zeros(LENGTH)]),
        torch.stack([decaying(0), 0.05 * decaying(1)]),
        torch.stack([decaying(0), decaying(0)]),
        torch.stack([sounds.noise(LENGTH), sounds.noise(LENGTH, seed=1)]),
        torch.zeros(2, LENGTH),
    ],
    ids=["one channel", "unequal", "coherent", "steady", "silence"],
)
def test_other_sounds_are_none(stereo):
    assert shares(stereo)[HEARD, MIDDLE].mean() < 0.05


@pytest.mark.parametrize("cut", [0, 1, 5, 50, 87])
def test_frames_are_the_same_in_any_blocks(cut):
    stereo = torch.stack([decaying(0), decaying(1)])
    assert (shares(stereo) - shares(stereo, cut)).abs().max() < 1e-3


@pytest.mark.parametrize("length", [0, 1, 3_000])
def test_short_sounds_have_all_their_frames(length):
    stereo = torch.zeros(2, length)
    assert shares(stereo, 0).shape[-1] == TRANSFORM.frames(length)
