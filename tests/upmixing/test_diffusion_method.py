import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import song
from soundstage.stereo import BANDS, TRANSFORM, Parameters, band_energy
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.stereo.features import mid_levels
from soundstage.stereo.prediction import MAX_SIDE_GAIN
from soundstage.stereo.side_parameters import MEAN_LEVEL, MIN_SIDE_GAIN, to_side_parameters
from soundstage.upmixing.generative.stage_constraints import DECODED
from soundstage.upmixing.generative.style import parse_style
from soundstage.upmixing.methods.diffusion import (
    DiffusionDecoding,
    DiffusionPredictor,
    without_silence,
)
from tiny import DIFFUSION, diffusion, diffusion_network

HOP = TRANSFORM.hop
WHOLE = TRANSFORM.analyze(song(160 * HOP))
FRAMES = WHOLE.shape[1]
QUICK = DiffusionDecoding(steps=2)


def through(
    predictor: DiffusionPredictor, seeds=(0,), places=(), frames=FRAMES
) -> list[Parameters]:
    """All takes of the first frames, cut at places."""
    stream = predictor.takes(list(seeds))
    ends = [0, *sorted(place for place in places if place < frames), frames]
    with torch.inference_mode():
        parts = [stream.push(WHOLE[:, start:stop]) for start, stop in pairwise(ends)]
        parts.append(stream.finish())
    return [
        Parameters(*(torch.cat(each, dim=-1) for each in zip(*take, strict=True)))
        for take in zip(*parts, strict=True)
    ]


@given(
    frames=st.integers(1, FRAMES),
    places=st.lists(st.integers(1, FRAMES), max_size=6),
    stride=st.sampled_from([1, 2, 3]),
)
def test_a_stream_cut_anywhere_tells_every_frame_alike(frames, places, stride) -> None:
    shape = replace(DIFFUSION, stride=stride)
    predictor = DiffusionPredictor(diffusion_network(), shape, QUICK)
    cut, whole = (through(predictor, (3,), each, frames)[0] for each in (places, ()))
    assert cut.iid.shape == cut.coherence.shape == (BANDS, frames)
    # Levels of a block differ in their last bits with its length; the engine's have all one length
    torch.testing.assert_close(cut.iid, whole.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(cut.coherence, whole.coherence, rtol=0, atol=1e-4)


def test_what_is_held_back_is_a_window_at_most() -> None:
    stream = diffusion().takes([0])
    with torch.inference_mode():
        ready = stream.push(WHOLE)[0].iid.shape[1]
    assert FRAMES - ready <= DIFFUSION.patch * DIFFUSION.stride


def possible(picture: torch.Tensor) -> torch.Tensor:
    """Where nothing was cut off on the way to parameters and back."""
    level, direction = picture + torch.tensor([MEAN_LEVEL, (0.0,) * BANDS])[..., None]
    heard = (level > math.log(MIN_SIDE_GAIN) + 0.1) & (level < math.log(MAX_SIDE_GAIN) - 0.1)
    return heard & (direction.abs() < 1.9)


def test_takes_differ_and_each_is_the_same_alone() -> None:
    together = through(diffusion(), (0, 1, 7))
    assert not torch.allclose(together[1].iid, together[2].iid, atol=0.5)
    for seed, take in zip((0, 1, 7), together, strict=True):
        assert torch.equal(through(diffusion(), (seed,))[0].iid, take.iid)


@pytest.mark.parametrize("sampler", ["euler", "dpm-solver", "heun", "ancestral"])
def test_every_sampler_draws_from_its_seed(sampler) -> None:
    predictor = diffusion(DiffusionDecoding(steps=3, sampler=sampler))
    one, same, other = through(predictor, (1,)), through(predictor, (1,)), through(predictor, (2,))
    assert torch.equal(one[0].iid, same[0].iid)
    assert not torch.allclose(one[0].iid, other[0].iid, atol=0.5)


def test_without_noise_all_takes_are_the_likeliest() -> None:
    cold = DiffusionDecoding(steps=2, temperature=(0.0, 0.0), style_spread=0.0)
    takes = through(diffusion(cold), (1, 2))
    assert torch.equal(takes[0].iid, takes[1].iid)


def test_each_temperature_is_of_its_own_half_of_the_picture() -> None:
    def spread(*temperature: float) -> torch.Tensor:
        settings = DiffusionDecoding(steps=2, temperature=temperature, style_spread=0.0)
        one, other = (to_side_parameters(take) for take in through(diffusion(settings), (1, 2)))
        return (one - other).square().mean(dim=(1, 2))

    level, direction = spread(1.0, 0.0), spread(0.0, 1.0)
    assert level[0] > 3 * direction[0]
    assert direction[1] > 3 * level[1]


def test_the_whole_has_a_temperature_of_its_own() -> None:
    def stage(whole: float) -> torch.Tensor:
        """What two takes differ by over all of their time."""
        settings = DiffusionDecoding(steps=2, temperature=(0.0, 0.0), whole=whole, style_spread=0.0)
        one, other = (to_side_parameters(take) for take in through(diffusion(settings), (1, 2)))
        return (one - other).mean(dim=-1).square().mean()

    assert stage(0.0) == 0
    assert stage(1.0) > 0.01


def test_a_gain_makes_the_side_louder_and_leaves_its_direction() -> None:
    quiet, loud = (
        to_side_parameters(through(diffusion(DiffusionDecoding(side_gain=gain)), (3,))[0])
        for gain in (0.0, 1.0)
    )
    inside = possible(quiet) & possible(loud)
    assert inside.float().mean() > 0.5
    wanted = torch.full_like(loud[0][inside], math.log(10) / 20)
    torch.testing.assert_close((loud - quiet)[0][inside], wanted, rtol=0, atol=0.02)
    torch.testing.assert_close(loud[1][inside], quiet[1][inside], rtol=0, atol=0.02)


def test_parameters_go_in_a_straight_line_between_positions() -> None:
    picture = to_side_parameters(through(diffusion(), (3,))[0])
    before, inside, after = picture[..., 0:-2:2], picture[..., 1:-1:2], picture[..., 2::2]
    whole = (possible(before) & possible(after)).expand_as(before)
    assert whole.float().mean() > 0.5
    middle = (before + after) / 2
    torch.testing.assert_close(inside[whole], middle[whole], rtol=0, atol=0.02)


@pytest.mark.parametrize("guidance", [0.5, 1.0, 2.0])
def test_guidance_leads_away_from_what_the_deaf_would_say(guidance: float) -> None:
    told = {
        w: to_side_parameters(through(diffusion(DiffusionDecoding(steps=1, guidance=w)), (0,))[0])
        for w in (0.0, 1.0, guidance)
    }
    wanted = told[0.0] + guidance * (told[1.0] - told[0.0])
    near = possible(wanted)
    for picture in told.values():
        near &= possible(picture)
    assert near.float().mean() > 0.3
    torch.testing.assert_close(told[guidance][:, near], wanted[:, near], rtol=0, atol=0.03)


def test_an_asked_width_and_balance_are_held() -> None:
    style = parse_style("width=0.8, balance=2").numbers()
    made = through(diffusion(style=style), (0,))[0]
    found = dict(zip(DESCRIPTORS, descriptors(made, band_energy(WHOLE)).tolist(), strict=True))
    assert found["width"] * DECODED == pytest.approx(0.8, abs=0.08)
    assert found["balance"] == pytest.approx(2, abs=0.3)


def test_a_style_that_cannot_be_held_is_told_to_the_network() -> None:
    dry, wet = (
        through(diffusion(style=parse_style(f"diffuseness={value}").numbers()), (0,))[0]
        for value in (0.3, 0.9)
    )
    assert not torch.allclose(dry.coherence, wet.coherence, atol=0.02)


def test_silence_after_the_end_is_heard_as_nothing_new() -> None:
    levels = mid_levels(WHOLE).T
    quiet = levels.clone()
    quiet[-20:] = levels.amin() - 60
    heard = without_silence(quiet)
    torch.testing.assert_close(heard[:-20], levels[:-20])
    assert torch.equal(heard[-20:], levels[:-20].mean(dim=0).expand(20, -1))
    nothing = torch.full((5, levels.shape[1]), -100.0)
    assert torch.equal(without_silence(nothing), nothing)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"sampler": "leap"},
        {"temperature": (-0.1, 1.0)},
        {"whole": -0.1},
        {"overlap": 0.0},
        {"overlap": 0.6},
    ],
)
def test_settings_that_make_nothing_are_refused(wrong) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        DiffusionDecoding(**wrong)
