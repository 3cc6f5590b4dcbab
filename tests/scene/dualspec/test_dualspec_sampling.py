import pytest
import torch

from making_dualspec import unet_config
from soundstage.diffusion import Denoiser, DiscreteSchedule, FlowSchedule, Parametrization
from soundstage.errors import OptionError
from soundstage.scene.dualspec.sampling import (
    SAMPLERS,
    Conditions,
    SamplingOptions,
    sample_latents,
    sampling_times,
)

CONFIG = unet_config("dualspec")
TEXT = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
USED = torch.ones(2, 3, dtype=torch.bool)
CONDITIONS = Conditions((TEXT, USED), (0.5 * TEXT, USED), (torch.zeros(1, 3, 16), USED[:1]))


class Counting:
    """A flow towards an image that depends on the text, and the number of its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, state, times, text, used):
        self.calls += 1
        level = text.mean(dim=(1, 2))[:, None, None, None]
        return (state - level) / times[:, None, None, None]  # ε − x with x = level


def sampled(options, seeds=(0, 1), model=None, conditions=CONDITIONS):
    denoiser = Denoiser(model or Counting(), Parametrization.FLOW, FlowSchedule())
    return sample_latents(CONFIG, denoiser, conditions, seeds, options)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_end_at_the_guided_estimate(sampler):
    image = sampled(SamplingOptions(steps=8, guidance=3.0, sampler=sampler))
    assert image.shape == (2, *CONFIG.image_shape)
    expected = 3.0 * TEXT.mean(dim=(1, 2))
    assert torch.allclose(image.mean(dim=(1, 2, 3)), expected, atol=1e-4)


def test_the_direction_has_a_scale_of_its_own():
    image = sampled(SamplingOptions(steps=4, guidance=2.0, direction_guidance=5.0))
    level = TEXT.mean(dim=(1, 2))
    expected = 2.0 * 0.5 * level + 5.0 * (level - 0.5 * level)
    assert torch.allclose(image.mean(dim=(1, 2, 3)), expected, atol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_steps_are_evaluations_of_the_network(sampler, steps):
    model = Counting()
    sampled(SamplingOptions(steps=steps, sampler=sampler), model=model)
    assert model.calls == steps


def test_a_seed_gives_the_same_image_in_any_batch():
    both = sampled(SamplingOptions(steps=2, guidance=1.0), seeds=(3, 4))
    one = Conditions(
        *((text[1:], used[1:]) for text, used in (CONDITIONS.whole,) * 2), CONDITIONS.empty
    )
    alone = sampled(SamplingOptions(steps=2, guidance=1.0), seeds=(4,), conditions=one)
    assert torch.allclose(both[1:], alone, atol=1e-6)


def test_times_of_a_flow_are_dense_near_the_noise():
    times = sampling_times(FlowSchedule(), 8)
    assert times[0] == 1
    assert times[-1] == 0
    assert (times.diff().abs().diff() > 0).all()


def test_times_of_a_discrete_schedule_are_trained_steps():
    times = sampling_times(DiscreteSchedule([0.01] * 100), 7)
    assert torch.equal(times, times.round())
    assert times[0] == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "`steps` is from 1"),
        ({"guidance": -1.0}, "`guidance` is from 0"),
        ({"direction_guidance": 31.0}, "`guidance` is from 0"),
        ({"sampler": "euler"}, "`sampler` is one of"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        SamplingOptions(**options)
