from dataclasses import replace
from pathlib import Path

import pytest
import torch

from soundstage.errors import WeightsError
from soundstage.networks.models.side_diffusion import SideDiffusionConfig
from soundstage.networks.models.stereo_tokens import StereoTokensConfig
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.weights.model import save_model
from tiny import DIFFUSION, MASKED, diffusion_network, generative_network, style_prior


def state_of(config: StereoTokensConfig) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(each) for name, each in config.build().state_dict().items()}


def test_a_network_and_its_style_prior_are_loaded(tmp_path: Path) -> None:
    path, network = tmp_path / "own.safetensors", diffusion_network()
    save_model(path, DIFFUSION, network.state_dict(), style_prior().tensors())
    model, prior = load_generative(path, SideDiffusionConfig)
    assert model.config == DIFFUSION
    for name, value in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], value)
    assert torch.equal(prior.covariance, style_prior().covariance)


def test_a_network_without_style_has_no_prior(tmp_path: Path) -> None:
    path, config = tmp_path / "own.safetensors", replace(MASKED, style_dim=0)
    save_model(path, config, state_of(config))
    assert load_generative(path, StereoTokensConfig)[1] is None


@pytest.mark.parametrize(
    "changes", [{"n_levels": 64}, {"style_dim": 5}, {"memory": replace(MASKED.memory, hop=8)}]
)
def test_a_network_for_another_analysis_is_refused(tmp_path: Path, changes: dict) -> None:
    path, config = tmp_path / "own.safetensors", replace(MASKED, **changes)
    save_model(path, config, state_of(config), style_prior().tensors())
    with pytest.raises(WeightsError, match="another analysis"):
        load_generative(path, StereoTokensConfig)


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_model(path, MASKED, generative_network("masked").state_dict(), style_prior().tensors())
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        load_generative(path, SideDiffusionConfig)
