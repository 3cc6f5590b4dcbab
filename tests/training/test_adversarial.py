import pytest
import torch
from torch import nn

from network_checks import noise
from soundstage.training.adversarial import (
    AdversarialModel,
    adversarial_share,
    discriminator_loss,
    generator_loss,
    generator_state,
)


def model() -> AdversarialModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AdversarialModel(nn.Linear(3, 4), nn.Linear(4, 1))


def test_the_loss_of_the_generator_leaves_the_discriminator_alone():
    both = model()
    generator_loss(both.judge(both.generator(noise(5, 3)))).mean().backward()
    assert both.generator.weight.grad.any()
    assert both.discriminator.weight.grad is None


def test_a_judgement_is_that_of_the_discriminator():
    both, x = model(), noise(5, 4)
    assert torch.equal(both.judge(x)[0], both.discriminator(x))


def test_several_discriminators_are_averaged():
    logits = [noise(2, 1, 6), noise(2, 1, 3, 3, seed=1)]
    mean = (generator_loss(logits[:1]) + generator_loss(logits[1:])) / 2
    assert torch.allclose(generator_loss(logits), mean)


@pytest.mark.parametrize(("real", "fake", "loss"), [(2.0, -3.0, 0.0), (0.0, 0.0, 2.0), (-1, 1, 4)])
def test_the_discriminator_is_content_beyond_its_margins(real, fake, loss):
    logits = [torch.full((2, 1, 3), float(real))], [torch.full((2, 1, 3), float(fake))]
    assert discriminator_loss(*logits).tolist() == [loss, loss]


def test_the_saved_state_is_that_of_the_generator():
    both = model()
    assert generator_state(both.state_dict()).keys() == both.generator.state_dict().keys()


def test_the_adversarial_terms_begin_at_their_step():
    shares = [adversarial_share(step, 2, 3).tolist() for step in range(4)]
    assert shares == [[0] * 3, [0] * 3, [1] * 3, [1] * 3]
