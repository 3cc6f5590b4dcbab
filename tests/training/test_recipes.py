import json
from pathlib import Path

import pytest

from soundstage.errors import OptionError
from soundstage.training import load_recipe
from soundstage.training.recipes import (
    BinauralGradRecipe,
    DiffStereoRecipe,
    MaskedRecipe,
    NearestRecipe,
    WarpNetRecipe,
    parse_recipe,
)
from soundstage.weights.cards import FOLDER

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
OTHER_FAMILIES = {
    "music": "parameter-pool",
    **dict.fromkeys(("mel-vae", "mono-mel-vae", "stft-vae", "dual-vae"), "spectrogram-vae"),
    **dict.fromkeys(("mono-mel", "mel-base", "stft-base"), "dualspec"),
}
"""Of recipes without the name of their family."""
LOOP = {"epochs": 1, "batch_size": 2, "learning_rate": 0.001}


def write(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def parse(family, **content):
    return parse_recipe({"family": family, "loop": LOOP, **content}, source="recipe.yaml")


def test_the_family_selects_the_recipe_class_and_changes_override_the_file(tmp_path):
    path = write(tmp_path, "family: nearest\npairs: 7\n")
    assert load_recipe(path) == NearestRecipe(family="nearest", pairs=7, seed=0)
    assert load_recipe(path, pairs=9).pairs == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: nearest\npairs: 7\npears: 8\n", "unknown key 'pears'"),
        ("family: nearest\n", "pairs: Field required"),
        ("family: nearest\npairs: 0\n", "pairs"),
        ("family: unknown\n", "unknown"),
        ("pairs: 7\n", "family"),
        ("- a list\n", "mapping of keys and values"),
        ("family: [unclosed\n", "line 2: is not YAML"),
        ("family: 2020-01-01\n", "there is no family '2020-01-01': choose one of 'tagger', "),
        ("family: [nearest]\n", "family"),
        ("family: &a [x, x]\nother: [*a, *a]\n", "line 1: aliases are not supported"),
        ("family: nearest\npairs: " + "9" * 5000 + "\n", "line 2: a number has at most 40 digits"),
        ("[" * 20_000, "line 1: is nested more than 32 levels deep"),
        ("family: nearest\nfamily: tagger\npairs: 7\n", "a key appears twice"),
        ("family: " + "x" * 40_000 + "\n", r"there is no family 'x{97}\.\.\.': choose one of"),
    ],
)
def test_an_invalid_file_is_refused_in_one_sentence(tmp_path, text, message):
    with pytest.raises(OptionError, match=message) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(OptionError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")


def test_all_recipes_of_the_repository_are_valid():
    families = {path.stem: load_recipe(path).family for path in RECIPES}
    assert len(families) == 52
    for name, family in families.items():
        network = name.removesuffix("-paper")
        assert family == OTHER_FAMILIES.get(network, network.split("-")[0])


def test_the_card_of_every_pretrained_model_has_the_recipe_of_its_file():
    cards = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
    recipes = {path.stem: path for path in RECIPES}
    assert cards
    for name, card in cards.items():
        recipe = load_recipe(recipes[name])
        expected = recipe.model_copy(update={"card": None})
        assert parse_recipe(card["recipe"], source=name) == expected
        assert recipe.card is not None
        assert (card["paper"], card["limits"]) == (recipe.card.paper, recipe.card.limits)


def test_the_defaults_are_those_of_the_papers():
    masked = parse("masked")
    assert isinstance(masked, MaskedRecipe)
    assert tuple(masked.size.model_dump().values()) == (7, 512, 16, 3)
    assert (masked.context_frames, masked.stride, masked.codebook_sizes) == (258, 1, (248,))
    assert (masked.cond_dropout, masked.memory, masked.structured_masks) == (0.1, False, False)
    diffstereo = parse("diffstereo")
    assert isinstance(diffstereo, DiffStereoRecipe)
    assert tuple(diffstereo.size.model_dump().values()) == (12, 384, 6, 4)
    warpnet = parse("warpnet")
    assert isinstance(warpnet, WarpNetRecipe)
    assert tuple(warpnet.size.model_dump().values()) == (3, 10, 64, 2)
    grad = parse("binauralgrad", stage="common")
    assert isinstance(grad, BinauralGradRecipe)
    assert tuple(grad.size.model_dump().values()) == (3, 10, 128, 3)
    assert (grad.frames, grad.noise, grad.pose_encoding) == (None, "ddpm", "published")


@pytest.mark.parametrize(
    ("family", "content", "message"),
    [
        ("masked", {"codebook_sizes": [8, 31]}, "codebook_sizes must be"),
        ("masked", {"context_frames": 7}, "context_frames"),
        ("masked", {"cond_dropout": 1.0}, "cond_dropout"),
        ("masked", {"form": "fast"}, "unknown key 'form'"),
        ("masked", {"augmentation": {"style_prob": 1.5}}, "augmentation.style_prob"),
        ("masked", {"size": {"dim": 30, "heads": 4}}, "not divisible"),
        ("masked", {"loop": {"epochs": 1, "batch": 3}}, "unknown key 'loop.batch'"),
        ("diffusion", {"size": {"dim": 20, "heads": 2}}, "not divisible by 4"),
        ("diffusion", {"patch_size": [4, 35]}, "patch_size"),
        ("diffusion", {"cond_channels": 0}, "cond_channels"),
        ("tagger", {"train_folds": [1], "test_folds": [1], "licenses": ["CC0"]}, "training fold"),
        ("tagger", {"train_folds": [1], "licenses": []}, "licenses"),
        ("wavenet", {"rank": 8}, "unknown key 'rank'"),
        ("warpnet", {"size": {"layers": 17}}, "size.layers"),
    ],
)
def test_an_invalid_value_is_refused_in_one_sentence(family, content, message):
    with pytest.raises(OptionError, match=message) as caught:
        parse(family, **content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pure_noise_prob": 0.5}, "require noise: flow"),
        ({"zero_noise_prob": 0.5}, "require noise: flow"),
        ({"common_weights": "first.safetensors"}, "requires stage: specific"),
        ({"size": {"kernel_size": 2}}, "kernel_size must be odd"),
        ({"frames": {"taps": 32}}, "taps must be odd"),
        ({"frames": {"hop": 63}}, "hop"),
        ({"time_features": 9}, "time_features"),
    ],
)
def test_settings_of_binauralgrad_that_contradict_are_refused(content, message):
    with pytest.raises(OptionError, match=message):
        parse("binauralgrad", stage="common", **content)
