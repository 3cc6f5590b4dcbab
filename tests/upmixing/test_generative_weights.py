from dataclasses import astuple, fields, replace

import pytest
import torch
from soundstage.upmixing.generative_weights import (
    LARGEST,
    TokenModelConfig,
    load_network,
    network_tensors,
)

from soundstage.errors import WeightsError
from soundstage.networks.models.stereo_autoregression import StereoAutoregression
from soundstage.networks.models.stereo_tokens import StereoTokens
from soundstage.stereo import BANDS, TOKENS
from soundstage.stereo.features import LEVELS, STATISTICS
from soundstage.stereo.style_prior import STYLE_FEATURES
from soundstage.weights.model import save_weights
from tiny import MASKED as SHAPE, style_prior

PLAIN = replace(SHAPE, head=0, stride=1, split=0, styled=0, remembers=0, hearing=0)
FAST = replace(SHAPE, fast=1)


def saved(path, built=SHAPE, family="masked", changes=None):
    state = built.network().state_dict()
    save_weights(path, family, {**network_tensors(built, state, style_prior()), **(changes or {})})
    return state


@pytest.fixture
def path(tmp_path):
    return tmp_path / "own.safetensors"


@pytest.mark.parametrize(
    ("shape", "family", "kind"),
    [
        (SHAPE, "masked", StereoTokens),
        (PLAIN, "masked", StereoTokens),
        (PLAIN, "autoregressive", StereoTokens),
        (FAST, "autoregressive", StereoAutoregression),
    ],
)
def test_what_is_saved_is_loaded_in_half_precision(path, shape, family, kind):
    state = saved(path, shape, family)
    found, network, _ = load_network(str(path), family)
    assert found == shape
    assert type(network) is kind
    assert not network.training
    assert not any(each.requires_grad for each in network.parameters())
    loaded = network.state_dict()
    assert loaded.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(loaded[name], value.half().float())


def test_a_loaded_network_computes_what_the_saved_one_does(path):
    torch.manual_seed(0)
    network = SHAPE.network().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half())
    save_weights(path, "masked", network_tensors(SHAPE, network.state_dict(), style_prior()))
    _, loaded, _ = load_network(str(path), "masked")
    levels, tokens = torch.randn(1, 16, LEVELS) - 58, torch.randint(TOKENS + 1, (1, 16, BANDS))
    told = {
        "style": torch.zeros(1, len(STYLE_FEATURES)),
        "memory": torch.zeros(1, 64, LEVELS + 2 * BANDS),
    }
    with torch.inference_mode():  # in which a convolution is computed in another way
        assert torch.equal(loaded(levels, tokens, **told), network(levels, tokens, **told))


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("style_mean", torch.zeros(7)),
        ("style_covariance", -torch.eye(len(STYLE_FEATURES))),
        ("style_summary", torch.zeros(2, STATISTICS)),
        ("style_slope", torch.zeros(len(STYLE_FEATURES), STATISTICS)),
    ],
)
def test_a_prior_of_styles_that_is_none_is_refused(path, name, tensor):
    saved(path, changes={name: tensor})
    with pytest.raises(WeightsError):
        load_network(str(path), "masked")


def test_every_number_has_a_largest():
    assert len(LARGEST) == len(fields(TokenModelConfig))


@pytest.mark.parametrize(
    "changes",
    [
        {"blocks": 0},
        {"blocks": -1},
        {"blocks": 1 << 40},
        {"width": 0},
        {"width": 18, "heads": 4},
        {"width": 1 << 62},
        {"heads": 0},
        {"heads": 3},
        {"expansion": 0},
        {"head": -8},
        {"head": 9},
        {"head": 0},
        {"patch": 0},
        {"patch": -16},
        {"patch": 1 << 40},
        {"stride": 0},
        {"stride": 5},
        {"stride": 64},
        {"split": 2},
        {"split": 0},
        {"split": -1},
        {"styled": 0, "remembers": 2},
        {"fast": 1},
        {"blocks": 2},
    ],
)
def test_shapes_that_the_tensors_do_not_have_are_refused(path, changes):
    numbers = torch.tensor(astuple(replace(SHAPE, **changes)), dtype=torch.int64)
    saved(path, changes={"shape": numbers})
    with pytest.raises(WeightsError, match=r"own\.safetensors") as caught:
        load_network(str(path), "masked")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("shape", torch.tensor(astuple(SHAPE)[:-1])),
        ("shape", torch.tensor(astuple(SHAPE)).int()),
        ("head.shared.weight", torch.zeros(TOKENS, 8)),
        ("head.shared.weight", torch.zeros(TOKENS, 7, dtype=torch.float16)),
        ("head.shared.weight", torch.full((TOKENS, 8), torch.nan, dtype=torch.float16)),
        ("transformer.style.0.weight", torch.zeros(16, 14, dtype=torch.float16)),
    ],
)
def test_tensors_that_do_not_fit_are_refused(path, name, tensor):
    saved(path, changes={name: tensor})
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        load_network(str(path), "masked")


def test_tensors_that_are_missing_are_refused(path):
    tensors = network_tensors(SHAPE, SHAPE.network().state_dict(), style_prior())
    del tensors["transformer.no_sound"]
    save_weights(path, "masked", tensors)
    with pytest.raises(WeightsError, match="no_sound"):
        load_network(str(path), "masked")


def test_weights_of_another_family_are_refused(path):
    saved(path, family="autoregressive")
    with pytest.raises(WeightsError, match="autoregressive"):
        load_network(str(path), "masked")


def test_a_masked_network_has_no_fast_form(path):
    saved(path, FAST, family="masked")
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        load_network(str(path), "masked")
