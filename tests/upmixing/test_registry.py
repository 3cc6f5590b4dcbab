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
from soundstage.upmixing.registry import DECODERS
from soundstage.weights import list_models, model_card
from soundstage.weights.model import save_weights
from tiny import (
    coherences,
    pairs,
    save_ambisonic,
    save_diffusion,
    save_generative,
    save_regression,
)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    """Paths of small weights, by family."""
    paths = {family: tmp_path / f"{family}.safetensors" for family in {*_families()}}
    save_weights(paths["nearest"], "nearest", pairs())
    save_weights(paths["decorrelate"], "decorrelate", {"coherence": coherences()})
    save_regression(paths["regression"])
    save_generative(paths["masked"], "masked")
    save_generative(paths["autoregressive"], "autoregressive")
    save_diffusion(paths["diffusion"])
    save_ambisonic(paths["ambisonic"])
    return {family: str(path) for family, path in paths.items()}


def _families() -> list[str]:
    return [method.weights for method in READY_METHODS.values()]


@pytest.mark.parametrize("name", READY_METHODS)
def test_every_method_has_pretrained_weights_with_a_card(name: str) -> None:
    method = METHODS[name]
    assert method.name == name
    assert method.weights in list_models()
    assert model_card(method.weights)["paper"]
    mid = song(20_000)
    side = make_side(load_method(name), mid)
    assert side.shape == (1, 20_000)
    assert 0.05 < side[0].norm() / mid.norm() < 2


@pytest.mark.parametrize("name", READY_METHODS)
def test_every_method_loads_other_weights_of_its_family(name: str, weights: dict[str, str]) -> None:
    own = load_method(name, weights=weights[METHODS[name].weights])
    assert (own.rate, own.n_outputs) == (RATE, 1)
    one, other = (make_side(method, song(20_000)) for method in (own, load_method(name)))
    assert not torch.equal(one, other)
    another = (set(weights) - {METHODS[name].weights}).pop()
    with pytest.raises(WeightsError, match="these are weights of"):
        load_method(name, weights=weights[another])


def test_generative_methods_and_no_others_have_settings() -> None:
    generative = {name for name, method in METHODS.items() if method.settings is not None}
    assert generative == {"masked", "placed", "autoregressive", "diffusion", "diffstereo"}


def test_an_unknown_method_is_refused_with_the_list() -> None:
    assert find_method(DEFAULT_METHOD).name == DEFAULT_METHOD
    for call in (find_method, load_method):
        with pytest.raises(OptionError) as caught:
            call("magic")
        assert all(name in str(caught.value) for name in ["'magic'", *METHODS])


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_decoders_that_the_table_says(name: str, weights: dict[str, str]) -> None:
    if METHODS[name].has_decoder:
        own = weights[METHODS[name].weights]
        n_outputs = [load_method(name, weights=own, decoder=each).n_outputs for each in DECODERS]
        assert n_outputs == [1, 2]
    else:
        with pytest.raises(OptionError, match=f"{name} has no choice of decoder"):
            load_method(name, weights="some.safetensors", decoder="mixing")
    with pytest.raises(OptionError, match="'analog'"):
        load_method(name, weights="some.safetensors", decoder="analog")


@pytest.mark.parametrize("name", READY_METHODS)
def test_a_method_takes_a_style_if_the_table_says_so(name: str, weights: dict[str, str]) -> None:
    own = weights[METHODS[name].weights]
    if METHODS[name].takes_style:
        plain, wide = (
            make_side(load_method(name, weights=own, style=style), song(20_000))
            for style in (None, "very wide")
        )
        assert not torch.equal(plain, wide)
    else:
        with pytest.raises(OptionError, match=f"{name} takes no style"):
            load_method(name, weights=own, style="wide")


def test_a_method_without_pretrained_weights_names_its_recipe() -> None:
    assert set(METHODS) - set(READY_METHODS) == {"diffstereo"}
    with pytest.raises(OptionError, match="soundstage train diffstereo"):
        load_method("diffstereo")
    assert (Path(__file__).parents[2] / "recipes" / "diffstereo.yaml").exists()
