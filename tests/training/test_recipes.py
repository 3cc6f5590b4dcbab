import pytest

from soundstage.errors import OptionError
from soundstage.training import DecorrelateRecipe, NearestRecipe, load_recipe
from soundstage.training.recipes import AutoregressiveRecipe, MaskedRecipe


def write(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def test_the_family_chooses_the_kind_of_recipe(tmp_path):
    nearest = load_recipe(write(tmp_path, "family: nearest\npairs: 7\n"))
    assert nearest == NearestRecipe(family="nearest", pairs=7, seed=0)
    assert isinstance(load_recipe(write(tmp_path, "family: decorrelate\n")), DecorrelateRecipe)


def test_a_change_replaces_the_value_of_the_file(tmp_path):
    path = write(tmp_path, "family: nearest\npairs: 7\n")
    assert load_recipe(path, pairs=9).pairs == 9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("family: nearest\npairs: 7\npears: 8\n", "pears"),
        ("family: nearest\n", "pairs"),
        ("family: nearest\npairs: 0\n", "pairs"),
        ("family: unheard\n", "unheard"),
        ("pairs: 7\n", "family"),
        ("- a list\n", "keys and values"),
        ("family: [unclosed\n", "cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path, text, says):
    with pytest.raises(OptionError, match=says) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(OptionError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")


def test_the_shipped_recipes_are_valid():
    from pathlib import Path

    recipes = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
    families = {path.stem: load_recipe(path).family for path in recipes}
    assert families == {
        "autoregressive": "autoregressive",
        "autoregressive-paper": "autoregressive",
        "decorrelate": "decorrelate",
        "diffstereo": "diffstereo",
        "diffstereo-paper": "diffstereo",
        "diffusion": "diffusion",
        "masked": "masked",
        "masked-paper": "masked",
        "music": "parameter-pool",
        "nearest": "nearest",
        "regression": "regression",
        "regression-paper": "regression",
        "tagger": "tagger",
    }


LOOP = "loop: {epochs: 1, batch: 2, learning_rate: 0.001}\n"


def test_generative_recipes_are_the_paper_s_unless_told(tmp_path):
    masked = load_recipe(write(tmp_path, f"family: masked\n{LOOP}"))
    assert isinstance(masked, MaskedRecipe)
    assert (masked.patch, masked.stride, masked.groups, masked.rank) == (258, 1, (248,), 0)
    assert (masked.deaf, masked.memory, masked.patterned) == (0.1, False, False)
    assert (masked.augmentation.styled, masked.augmentation.gain) == (0, 10)
    told = load_recipe(write(tmp_path, f"family: autoregressive\nform: fast\n{LOOP}"))
    assert isinstance(told, AutoregressiveRecipe)
    assert (told.form, told.head) == ("fast", 128)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("groups: [8, 31]", "groups"),
        ("groups: [248, 1]", "groups"),
        ("stride: 0", "stride"),
        ("stride: 9", "stride"),
        ("patch: 7", "patch"),
        ("rank: -1", "rank"),
        ("deaf: 1.0", "deaf"),
        ("dropout: 1.0", "dropout"),
        ("memory: perhaps", "memory"),
        ("form: fast", "form"),
        ("epoch_steps: -1", "epoch_steps"),
        ("augmentation: {styled: 1.5}", "styled"),
        ("augmentation: {hiss: 0.5}", "hiss"),
        ("size: {width: 30, heads: 4}", "cannot share"),
    ],
)
def test_what_does_not_fit_a_generative_model_is_refused(tmp_path, line, says):
    with pytest.raises(OptionError, match=says) as caught:
        load_recipe(write(tmp_path, f"family: masked\n{line}\n{LOOP}"))
    assert "\n" not in str(caught.value)
