import pytest

from soundstage.errors import OptionError
from soundstage.training import DecorrelateRecipe, NearestRecipe, load_recipe
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    BinauralGradRecipe,
    MaskedRecipe,
    WarpNetRecipe,
    WaveNetRecipe,
)


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
        "binauralgrad-common": "binauralgrad",
        "binauralgrad-common-paper": "binauralgrad",
        "binauralgrad-single": "binauralgrad",
        "binauralgrad-single-paper": "binauralgrad",
        "binauralgrad-specific": "binauralgrad",
        "binauralgrad-specific-paper": "binauralgrad",
        "binauralgrad-tuned": "binauralgrad",
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
        "warpnet": "warpnet",
        "warpnet-paper": "warpnet",
        "wavenet": "wavenet",
        "wavenet-paper": "wavenet",
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


def test_binaural_recipes_are_the_papers_unless_told(tmp_path):
    warp = load_recipe(write(tmp_path, f"family: warpnet\n{LOOP}"))
    assert isinstance(warp, WarpNetRecipe)
    assert tuple(warp.size.model_dump().values()) == (3, 10, 64, 2)
    assert (warp.rank, warp.warp_layers, warp.warp_channels) == (32, 4, 64)
    grad = load_recipe(write(tmp_path, f"family: binauralgrad\nstage: common\n{LOOP}"))
    assert isinstance(grad, BinauralGradRecipe)
    assert tuple(grad.size.model_dump().values()) == (3, 10, 128, 3)
    assert (grad.frames, grad.noise, grad.samples, grad.view) == (
        None,
        "paper",
        32_000,
        "published",
    )
    wave = load_recipe(write(tmp_path, f"family: wavenet\nview: directions\n{LOOP}"))
    assert isinstance(wave, WaveNetRecipe)
    assert (wave.view, wave.gain, wave.emphasis, wave.phase) == ("directions", 0, 0, 0)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("pure: 0.5", "pure and silent: are for a flow"),
        ("silent: 0.5", "pure and silent: are for a flow"),
        ("noise: flow\nsilent: -1", "silent"),
        ("noise: flow\npure: 1.5", "pure"),
        ("common: first.safetensors", "common: is for the specific stage"),
        ("stage: single\ncommon: first.safetensors", "common: is for the specific stage"),
        ("stage: specific\ngolden: 2", "golden"),
        ("stage: both", "stage"),
        ("noise: pink", "noise"),
        ("size: {kernel: 2}", "the kernel of this network is an odd number"),
        ("size: {blocks: 2}", "the kernel of this network is an odd number"),
        ("size: {kernel: 4}\nframes: {frame: 64}", "the kernel of this network is an odd number"),
        ("frames: {taps: 32}", "taps are an odd number"),
        ("frames: {frame: 63}", "frame"),
        ("frames: {frame: 0}", "frame"),
        ("frames: {rank: 0}", "rank"),
        ("frames: {frames: 64}", "frames"),
        ("step: 9", "step"),
        ("condition: 0", "condition"),
        ("view: above", "view"),
        ("samples: 799", "samples"),
        ("gain: -1", "gain"),
        ("emphasis: -1", "emphasis"),
        ("phase: -0.01", "phase"),
        ("rank: 8", "rank"),
    ],
)
def test_what_does_not_fit_a_network_of_binauralgrad_is_refused(tmp_path, lines, says):
    stage = "" if "stage" in lines else "stage: common\n"
    with pytest.raises(OptionError, match=says) as caught:
        load_recipe(write(tmp_path, f"family: binauralgrad\n{stage}{lines}\n{LOOP}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("family", "line"),
    [
        ("wavenet", "rank: 8"),
        ("wavenet", "stage: common"),
        ("wavenet", "size: {layers: 17}"),
        ("warpnet", "rank: 0"),
        ("warpnet", "warp_layers: 0"),
        ("warpnet", "size: {channels: 0}"),
        ("warpnet", "frames: {frame: 64}"),
    ],
)
def test_what_does_not_fit_a_network_of_one_pass_is_refused(tmp_path, family, line):
    with pytest.raises(OptionError, match=line.split(":")[0]) as caught:
        load_recipe(write(tmp_path, f"family: {family}\n{line}\n{LOOP}"))
    assert "\n" not in str(caught.value)


def test_a_second_stage_may_learn_from_a_first_one(tmp_path):
    lines = "stage: specific\ncommon: first.safetensors\ngolden: 0.5\nnoise: flow\npure: 1\n"
    told = load_recipe(write(tmp_path, f"family: binauralgrad\n{lines}{LOOP}"))
    assert isinstance(told, BinauralGradRecipe)
    assert (told.common, told.golden, told.pure) == ("first.safetensors", 0.5, 1)
