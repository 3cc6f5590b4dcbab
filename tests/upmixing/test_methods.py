from pathlib import Path

import pytest
import torch

from sounds import song
from soundstage.errors import OptionError, WeightsError
from soundstage.stereo import RATE
from soundstage.upmixing import (
    DEFAULT_METHOD,
    METHODS,
    READY_METHODS,
    find_method,
    load_method,
    make_side,
)
from soundstage.weights import list_models, model_card
from soundstage.weights.model import save_weights
from tiny import coherences, diffusion_tensors, generative_tensors, pairs, regression_tensors


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    """Paths of small weights, by family."""
    tensors = {
        "nearest": pairs(),
        "decorrelate": {"coherence": coherences()},
        "regression": regression_tensors(),
        "masked": generative_tensors("masked"),
        "autoregressive": generative_tensors("autoregressive"),
        "diffusion": diffusion_tensors(),
    }
    for family, content in tensors.items():
        save_weights(tmp_path / f"{family}.safetensors", family, content)
    return {family: str(tmp_path / f"{family}.safetensors") for family in tensors}


@pytest.mark.parametrize("name", READY_METHODS)
def test_every_method_runs_with_the_weights_it_ships(name: str) -> None:
    method = METHODS[name]
    assert method.name == name
    assert method.weights in list_models()
    assert model_card(method.weights)["paper"]
    mid = song(20_000)
    side = make_side(load_method(name), mid)
    assert side.shape == (1, 20_000)
    assert 0.05 < side[0].norm() / mid.norm() < 2


@pytest.mark.parametrize("name", READY_METHODS)
def test_every_method_takes_weights_of_ones_own(name: str, weights: dict[str, str]) -> None:
    upmixer = load_method(name, weights=weights[METHODS[name].weights])
    assert upmixer.rate == RATE
    assert upmixer.rows == 1
    own, shipped_side = (make_side(load, song(20_000)) for load in (upmixer, load_method(name)))
    assert not torch.equal(own, shipped_side)


@pytest.mark.parametrize("name", READY_METHODS)
def test_weights_of_another_family_are_refused(name: str, weights: dict[str, str]) -> None:
    others = set(weights) - {METHODS[name].weights}
    with pytest.raises(WeightsError, match="not weights for"):
        load_method(name, weights=weights[others.pop()])


def test_the_default_is_one_of_the_list() -> None:
    assert find_method(DEFAULT_METHOD).name == DEFAULT_METHOD


@pytest.mark.parametrize("name", ["", "Nearest", "magic"])
def test_an_unknown_method_is_refused_and_the_known_ones_are_told(name: str) -> None:
    for ask in (find_method, load_method):
        with pytest.raises(OptionError) as caught:
            ask(name)
        assert all(known in str(caught.value) for known in [repr(name), *METHODS])


def test_a_parametric_method_has_two_decoders(weights: dict[str, str]) -> None:
    rows = {
        decoder: load_method("nearest", weights=weights["nearest"], decoder=decoder).rows
        for decoder in ("prediction", "mixing")
    }
    assert rows == {"prediction": 1, "mixing": 2}


@pytest.mark.parametrize("name", ["decorrelate", "comb"])
def test_a_method_that_makes_the_side_itself_has_no_other_decoder(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} has no decoder"):
        load_method(name, decoder="mixing")


@pytest.mark.parametrize("name", READY_METHODS)
def test_an_unknown_decoder_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match="'analogue'"):
        load_method(name, decoder="analogue")


def test_a_method_without_weights_says_what_to_do() -> None:
    assert set(METHODS) - set(READY_METHODS) == {"diffstereo"}
    with pytest.raises(OptionError, match=r"diffstereo\.yaml, and give the file with") as one:
        load_method("diffstereo")
    assert "\n" not in str(one.value)
    assert (Path(__file__).parents[2] / "recipes" / "diffstereo.yaml").exists()
