import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import sounds
from soundstage.restyling.directions import DirectionStream
from soundstage.stereo import TRANSFORM

LENGTH = 88_200


def split(stereo, *, has_center=True, cut=None):
    frames = TRANSFORM.analyze(stereo)
    stream = DirectionStream(has_center=has_center)
    cut = frames.shape[-1] if cut is None else cut
    parts = [stream.push(frames[..., :cut]), stream.push(frames[..., cut:]), stream.finish()]
    return frames, torch.cat(parts, dim=-1)


def switched():
    """A tone with partials left, another one in the center, a third one right."""
    tones = (
        [220.0 * k for k in (1, 2, 3, 5)],
        [277.0 * k for k in (1, 2, 3)],
        [349.0, 698.0, 1745.0],
    )
    left, center, right = (sum(sounds.tone(LENGTH, hz=hz) for hz in partials) for partials in tones)
    return torch.stack([2 * left + center, 2 * right + center]), (left, center, right)


def test_every_source_is_found_in_its_direction():
    stereo, sources = switched()
    parts = TRANSFORM.synthesize(split(stereo)[1], LENGTH)
    inner = slice(8_192, -8_192)
    for part, source in zip(parts, sources, strict=True):
        error = (part - source)[inner].square().mean() / source[inner].square().mean()
        assert 10 * error.log10() < -15


def test_without_a_center_the_channels_are_the_directions():
    stereo = torch.stack([sounds.song(LENGTH), sounds.drums(LENGTH, seed=3)])
    frames, parts = split(stereo, has_center=False)
    torch.testing.assert_close(parts[::2], frames / 2, rtol=0, atol=0)
    assert not parts[1].abs().any()


def test_the_directions_add_up_to_what_is_not_at_a_moderate_pan():
    stereo, _ = switched()
    frames, parts = split(stereo)
    missing = frames.mean(dim=0) - parts.sum(dim=0)
    assert (missing.abs() <= frames.mean(dim=0).abs() + 1e-4).all()
    side = (frames[0] - frames[1]) / 2
    beside = (side - (parts[0] - parts[2])).abs()
    assert (beside <= side.abs() + 1e-4).all()


@pytest.mark.parametrize("gain", [0.25, -0.5])
def test_a_source_at_a_moderate_pan_stays(gain):
    source = sounds.noise(LENGTH)
    stereo = torch.stack([(1 + gain) * source, (1 - gain) * source])
    parts = split(stereo)[1]
    assert parts.abs().max() < 1e-3 * TRANSFORM.analyze(source).abs().max()


def test_a_dull_crosstalk_leaves_a_hard_panned_source_on_its_side():
    source = sounds.noise(LENGTH)
    _, parts = split(torch.stack([source, 0.05 * source]))
    energy = parts.abs().square().sum(dim=(1, 2))
    assert energy[0] > 50 * energy[1] > 0
    assert energy[2] < 1e-3 * energy[0]


@given(st.integers(0, 87))
def test_frames_are_the_same_in_any_blocks(cut):
    stereo, _ = switched()
    whole, parts = split(stereo)[1], split(stereo, cut=cut)[1]
    assert whole.shape == parts.shape
    assert (whole - parts).abs().max() < 1e-3


@pytest.mark.parametrize("length", [0, 1, 1_024, 5_000])
def test_short_sounds_have_all_their_frames(length):
    frames, parts = split(torch.zeros(2, length), cut=0)
    assert parts.shape[-1] == frames.shape[-1]
    assert not parts.abs().any()
