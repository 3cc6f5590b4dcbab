from dataclasses import astuple, fields, replace

import pytest
import torch
from soundstage.upmixing.diffusion_weights import (
    LARGEST,
    DiffusionShape,
    load_diffusion_network,
    network_tensors,
)

from soundstage.errors import WeightsError
from soundstage.stereo.style_prior import STYLE_FEATURES
from soundstage.weights.model import save_weights
from tiny import DIFFUSION, diffusion_network, diffusion_tensors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "own.safetensors"


def saved(path, **changes):
    save_weights(path, "diffusion", {**diffusion_tensors(), **changes})


def test_what_was_saved_is_loaded(path):
    saved(path)
    shape, network, prior = load_diffusion_network(str(path))
    assert shape == DIFFUSION
    assert prior is not None
    for name, value in diffusion_network().state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


def test_a_network_without_styles_has_no_prior(path):
    shape = replace(DIFFUSION, styled=0)
    save_weights(path, "diffusion", network_tensors(shape, shape.network().state_dict(), None))
    assert load_diffusion_network(str(path)).prior is None


def test_every_number_has_a_largest():
    assert len(LARGEST) == len(fields(DiffusionShape))


@pytest.mark.parametrize(
    "changes",
    [
        {"blocks": 0},
        {"blocks": 1 << 40},
        {"width": 0},
        {"width": 18},
        {"width": 1 << 62},
        {"heads": 3},
        {"expansion": 0},
        {"vector_positions": 0},
        {"vector_positions": 8},
        {"vector_bands": 35},
        {"hearing": 0},
        {"patch": 1},
        {"patch": 1 << 40},
        {"stride": 0},
        {"styled": 2},
        {"blocks": 3},
    ],
)
def test_shapes_that_the_tensors_do_not_have_are_refused(path, changes):
    saved(path, shape=torch.tensor(astuple(replace(DIFFUSION, **changes)), dtype=torch.int64))
    with pytest.raises(WeightsError, match=r"own\.safetensors") as caught:
        load_diffusion_network(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("shape", torch.tensor(astuple(DIFFUSION)[:-1])),
        ("style_covariance", -torch.eye(len(STYLE_FEATURES))),
        ("transformer.noisy.weight", torch.zeros(16, 15, dtype=torch.float16)),
        ("transformer.noisy.weight", torch.full((16, 16), torch.nan, dtype=torch.float16)),
    ],
)
def test_tensors_that_do_not_fit_are_refused(path, name, tensor):
    saved(path, **{name: tensor})
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        load_diffusion_network(str(path))


def test_tensors_that_are_missing_are_refused(path):
    tensors = diffusion_tensors()
    del tensors["hearing.mixing.weight"]
    save_weights(path, "diffusion", tensors)
    with pytest.raises(WeightsError):
        load_diffusion_network(str(path))
