from pathlib import Path

import pytest
import torch

from soundstage.errors import OptionError
from soundstage.networks.models.binaural_wavenet import Calibration
from soundstage.training import load_recipe
from soundstage.training.tasks import (
    binaural_regression,
    binauralgrad,
    diffusion,
    regression,
    stereo_tokens,
    tagger,
)
from soundstage.training.tasks.network_task import build_network
from soundstage.weights import model_card
from soundstage.weights.model import load_model, load_weights

RECIPES = Path(__file__).parents[3] / "recipes"
TASKS = {
    "regression": regression,
    "masked": stereo_tokens,
    "autoregressive": stereo_tokens,
    "diffusion": diffusion,
    "wavenet": binaural_regression,
    "warpnet": binaural_regression,
    "binauralgrad": binauralgrad,
}


def config_of_recipe(name):
    """The configuration of a pretrained network according to its recipe."""
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    if recipe.family == "tagger":
        return tagger.config_of(recipe, len(model_card(name)["classes"]))
    calibration = load_weights(name, recipe.family).config.get("calibration")
    further = [Calibration(**calibration)] if calibration else []
    return TASKS[recipe.family].config_of(recipe, *further)


@pytest.mark.parametrize(
    "name",
    [
        *("regression", "masked", "autoregressive", "diffusion", "tagger", "wavenet", "warpnet"),
        *(f"binauralgrad-{stage}" for stage in ("common", "specific", "tuned", "single")),
    ],
)
def test_a_pretrained_network_has_the_configuration_of_its_recipe(name):
    config = config_of_recipe(name)
    assert load_model(name, type(config)).config == config


def test_the_initial_network_depends_on_its_seed_alone():
    torch.manual_seed(3)
    one, same, other = (
        build_network(lambda: torch.nn.Linear(3, 3), seed).weight for seed in (5, 5, 6)
    )
    after = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_an_unsupported_network_is_refused_in_one_sentence():
    def build():
        raise ValueError("a kernel of 2 has no center")

    with pytest.raises(OptionError, match=r"unsupported configuration: a kernel of 2 .*\.$"):
        build_network(build, 0)
