from dataclasses import replace

import pytest
import torch

from making_dualspec import SHAPES, unet_config
from soundstage.diffusion import DiscreteSchedule, FlowSchedule, Parametrization
from soundstage.networks.models.latent_unet import LATENTS

VARIANTS = sorted(LATENTS)


def latents(variant, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, *SHAPES[kind], generator=generator) for kind in LATENTS[variant]]


def network(variant="dualspec"):
    torch.manual_seed(0)
    model = unet_config(variant).build().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def run(model, image, prompts, times=(0.3, 0.7)):
    with torch.no_grad():
        text, used = model.prompt_encoder(model.prompt_encoder.token_ids(prompts))
        return model(image, torch.tensor(times), text, used)


@pytest.mark.parametrize("variant", VARIANTS)
def test_folding_loses_nothing(variant):
    config, parts = unet_config(variant), latents(variant)
    image = config.fold(parts)
    assert image.shape == (2, *config.image_shape)
    for part, again in zip(parts, config.unfold(image), strict=True):
        assert torch.equal(part, again)


def test_both_latents_have_the_same_time_and_frequency_in_a_position():
    config = unet_config("dualspec")
    mel, stft = torch.zeros(1, 2, 16, 80), torch.zeros(1, 2, 32, 40)
    mel[..., 5, 21] = 1  # row 5 of 16, frame 21 of 80
    stft[..., 11, 10] = 1  # row 11 of 32, frame 10 of 40
    image = config.fold([mel, stft]).sum(dim=1)
    assert image.nonzero().tolist() == [[0, 5, 21]]
    assert image.sum() == 4


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_a_target_for_its_image(variant):
    model, image = network(variant), unet_config(variant).fold(latents(variant))
    output = run(model, image, ["EVENT: dog", ""])
    assert output.shape == image.shape
    assert output.dtype == torch.float32
    assert torch.isfinite(output).all()


def test_an_untrained_network_gives_zero():
    model = unet_config("dualspec").build()
    image = unet_config("dualspec").fold(latents("dualspec"))
    assert not run(model, image, ["", ""]).any()


def test_each_latent_and_text_and_time_matter_to_the_other():
    config, model = unet_config("dualspec"), network()
    mel, stft = latents("dualspec")
    prompts = ["EVENT: dog & LOCATION: DOA 90"] * 2
    before = config.unfold(run(model, config.fold([mel, stft]), prompts))
    other_mel = config.unfold(run(model, config.fold([-mel, stft]), prompts))
    other_text = config.unfold(run(model, config.fold([mel, stft]), ["EVENT: dog"] * 2))
    other_time = config.unfold(run(model, config.fold([mel, stft]), prompts, (0.9, 0.1)))
    for after in (other_mel, other_text, other_time):
        assert not torch.allclose(before[1], after[1], atol=1e-3)


def test_examples_do_not_depend_on_each_other():
    config, model = unet_config("dualspec"), network()
    image = config.fold(latents("dualspec"))
    both = run(model, image, ["EVENT: dog", "EVENT: rain"])
    alone = run(model, image[1:], ["EVENT: rain"], (0.7,))
    assert torch.allclose(both[1:], alone, atol=1e-5)


@pytest.mark.parametrize("target", ["v", "noise"])
def test_discrete_targets_have_the_schedule_of_stable_diffusion(target):
    config = replace(unet_config("mel-base"), target=target)
    assert isinstance(config.schedule, DiscreteSchedule)
    assert config.parametrization is Parametrization(target)
    level = config.schedule.level(torch.tensor(1000.0))
    assert level.alpha.item() == pytest.approx(0.0683, abs=0.0005)  # √ᾱ_T of Stable Diffusion


def test_times_of_a_flow_are_stretched_to_those_of_the_embedding():
    flow, discrete = unet_config("mel-base"), replace(unet_config("mel-base"), target="v")
    assert isinstance(flow.schedule, FlowSchedule)
    assert flow.build().time_scale == 1000
    assert discrete.build().time_scale == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": (2,), "rows": (16,), "frames": (80,)}, "dualspec has 2 latents"),
        ({"rows": (16, 20)}, "no common grid"),
        ({"rows": (15, 30)}, "cannot be halved"),
        ({"frames": (80, 20)}, "no common grid"),
        ({"attention": (1,)}, "one number for each level"),
        ({"heads": 3}, "no multiple of 3 heads"),
    ],
)
def test_a_configuration_that_fits_nothing_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(unet_config("dualspec"), **changes)
