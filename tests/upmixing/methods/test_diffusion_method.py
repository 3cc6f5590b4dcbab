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
from soundstage.upmixing.generative.style import Style
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


def predicted(
    predictor: DiffusionPredictor, seeds=(0,), places=(), frames=FRAMES
) -> list[Parameters]:
    """All takes of the first frames, cut at places."""
    stream = predictor.stream(seeds)
    ends = [0, *sorted(place for place in places if place < frames), frames]
    with torch.inference_mode():
        parts = [stream.push(WHOLE[:, start:stop]) for start, stop in pairwise(ends)]
        parts.append(stream.finish())
    whole = [torch.cat(values, dim=-1) for values in zip(*parts, strict=True)]
    return [Parameters(*take) for take in zip(*whole, strict=True)]


@given(
    frames=st.integers(1, FRAMES),
    places=st.lists(st.integers(1, FRAMES), max_size=6),
    stride=st.sampled_from([1, 2, 3]),
)
def test_blocks_of_any_size_give_the_same_parameters(frames, places, stride) -> None:
    config = replace(DIFFUSION, stride=stride)
    predictor = DiffusionPredictor(diffusion_network(), config, QUICK)
    cut, whole = (predicted(predictor, (3,), each, frames)[0] for each in (places, ()))
    assert cut.iid.shape == cut.coherence.shape == (BANDS, frames)
    # Levels of a block differ in their last bits with its length; the engine's have all one length
    torch.testing.assert_close(cut.iid, whole.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(cut.coherence, whole.coherence, rtol=0, atol=1e-4)


def test_a_window_is_held_back_at_most() -> None:
    stream = diffusion().stream([0])
    with torch.inference_mode():
        ready = stream.push(WHOLE).iid.shape[-1]
    assert FRAMES - ready <= DIFFUSION.context_frames * DIFFUSION.stride


def possible(picture: torch.Tensor) -> torch.Tensor:
    """Where nothing is clamped on the way to parameters and back."""
    level, direction = picture + torch.tensor([MEAN_LEVEL, (0.0,) * BANDS])[..., None]
    audible = (level > math.log(MIN_SIDE_GAIN) + 0.1) & (level < math.log(MAX_SIDE_GAIN) - 0.1)
    return audible & (direction.abs() < 1.9)


def test_takes_differ_and_each_is_the_same_alone() -> None:
    together = predicted(diffusion(), (0, 1, 7))
    assert not torch.allclose(together[1].iid, together[2].iid, atol=0.5)
    for seed, take in zip((0, 1, 7), together, strict=True):
        assert torch.equal(predicted(diffusion(), (seed,))[0].iid, take.iid)


@pytest.mark.parametrize("sampler", ["euler", "dpm-solver", "heun", "ancestral"])
def test_every_sampler_depends_on_the_seed_alone(sampler) -> None:
    predictor = diffusion(DiffusionDecoding(steps=3, sampler=sampler))
    one, same, other = (
        predicted(predictor, (1,)),
        predicted(predictor, (1,)),
        predicted(predictor, (2,)),
    )
    assert torch.equal(one[0].iid, same[0].iid)
    assert not torch.allclose(one[0].iid, other[0].iid, atol=0.5)


def test_without_noise_all_takes_are_equal() -> None:
    cold = DiffusionDecoding(steps=2, temperature=(0.0, 0.0), style_spread=0.0)
    takes = predicted(diffusion(cold), (1, 2))
    assert torch.equal(takes[0].iid, takes[1].iid)


def test_level_and_direction_have_a_temperature_each() -> None:
    def spread(*temperature: float) -> torch.Tensor:
        settings = DiffusionDecoding(steps=2, temperature=temperature, style_spread=0.0)
        one, other = (to_side_parameters(take) for take in predicted(diffusion(settings), (1, 2)))
        return (one - other).square().mean(dim=(1, 2))

    level, direction = spread(1.0, 0.0), spread(0.0, 1.0)
    assert level[0] > 3 * direction[0]
    assert direction[1] > 3 * level[1]


def test_the_common_offset_has_a_temperature_of_its_own() -> None:
    def stage(whole: float) -> torch.Tensor:
        """Difference of two takes over their whole time."""
        settings = DiffusionDecoding(steps=2, temperature=(0.0, 0.0), whole=whole, style_spread=0.0)
        one, other = (to_side_parameters(take) for take in predicted(diffusion(settings), (1, 2)))
        return (one - other).mean(dim=-1).square().mean()

    assert stage(0.0) == 0
    assert stage(1.0) > 0.01


def test_a_gain_changes_the_level_of_the_side_alone() -> None:
    quiet, loud = (
        to_side_parameters(predicted(diffusion(DiffusionDecoding(side_gain=gain)), (3,))[0])
        for gain in (0.0, 1.0)
    )
    inside = possible(quiet) & possible(loud)
    assert inside.float().mean() > 0.5
    expected = torch.full_like(loud[0][inside], math.log(10) / 20)
    torch.testing.assert_close((loud - quiet)[0][inside], expected, rtol=0, atol=0.02)
    torch.testing.assert_close(loud[1][inside], quiet[1][inside], rtol=0, atol=0.02)


def test_parameters_between_positions_are_interpolated() -> None:
    picture = to_side_parameters(predicted(diffusion(), (3,))[0])
    before, inside, after = picture[..., 0:-2:2], picture[..., 1:-1:2], picture[..., 2::2]
    whole = (possible(before) & possible(after)).expand_as(before)
    assert whole.float().mean() > 0.5
    middle = (before + after) / 2
    torch.testing.assert_close(inside[whole], middle[whole], rtol=0, atol=0.02)


@pytest.mark.parametrize("guidance", [0.5, 2.0])
def test_guidance_extrapolates_from_the_unconditioned_estimate(guidance: float) -> None:
    found = {
        w: to_side_parameters(predicted(diffusion(DiffusionDecoding(steps=1, guidance=w)), (0,))[0])
        for w in (0.0, 1.0, guidance)
    }
    expected = found[0.0] + guidance * (found[1.0] - found[0.0])
    near = possible(expected)
    for picture in found.values():
        near &= possible(picture)
    assert near.float().mean() > 0.3
    torch.testing.assert_close(found[guidance][:, near], expected[:, near], rtol=0, atol=0.03)


def test_a_requested_width_and_balance_are_met() -> None:
    style = Style(width=0.8, balance=2)
    take = predicted(diffusion(style=style), (0,))[0]
    found = dict(zip(DESCRIPTORS, descriptors(take, band_energy(WHOLE)).tolist(), strict=True))
    assert found["width"] * DECODED == pytest.approx(0.8, abs=0.08)
    assert found["balance"] == pytest.approx(2, abs=0.3)


def test_the_network_is_conditioned_on_the_other_values_of_a_style() -> None:
    dry, wet = (
        predicted(diffusion(style=Style(diffuseness=value)), (0,))[0] for value in (0.3, 0.9)
    )
    assert not torch.allclose(dry.coherence, wet.coherence, atol=0.02)


def test_silence_is_replaced_by_the_mean_of_the_music() -> None:
    levels = mid_levels(WHOLE).T
    quiet = levels.clone()
    quiet[-20:] = levels.amin() - 60
    found = without_silence(quiet)
    torch.testing.assert_close(found[:-20], levels[:-20])
    assert torch.equal(found[-20:], levels[:-20].mean(dim=0).expand(20, -1))
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
def test_settings_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="must be"):
        DiffusionDecoding(**wrong)
