import torch
from torch.nn import functional as F

from network_checks import noise
from soundstage.networks.models.patch_discriminator import PatchDiscriminator


def judge(channels: int = 2) -> PatchDiscriminator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PatchDiscriminator(channels, (8, 12)).eval()


def test_there_is_a_logit_for_each_patch():
    assert judge()(noise(3, 2, 64, 80)).shape == (3, 1, 8, 10)


def test_a_logit_depends_on_its_surroundings_only():
    x = noise(1, 2, 64, 80)
    changed = x.clone()
    changed[..., 60:] += 1
    same = (judge()(x) - judge()(changed)).abs()[0, 0].amax(dim=0) == 0
    assert same[:5].all()
    assert not same[-1]


def test_the_frequency_of_a_patch_matters():
    x = noise(1, 2, 8, 80).repeat(1, 1, 8, 1)
    logits = judge()(x)[0, 0, 2:-2]  # away from the borders
    assert not torch.allclose(logits[0], logits[-1], atol=1e-4)


def test_it_learns_to_tell_textures_apart():
    network = judge().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(12):
        real = noise(6, 2, 16, 16, seed=step)
        fake = F.avg_pool2d(noise(6, 2, 18, 18, seed=-step), 3, stride=1)
        loss = F.relu(1 - network(real)).mean() + F.relu(1 + network(fake)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1.2
