"""Small trainings that tests run, interrupt and resume."""

import csv
from pathlib import Path

import pytest

from soundstage.training.recipes import Recipe, parse_recipe
from soundstage.training.run import TrainingResult, train


class Interrupted(Exception):
    """The training is interrupted."""


def recipe_with(content: dict, loop: dict | None = None, **changes) -> Recipe:
    """The recipe of `content` with some of its keys changed, those of the loop separately."""
    whole = {**content, **changes}
    return parse_recipe({**whole, "loop": {**whole["loop"], **(loop or {})}}, source="recipe")


def log_of(result: TrainingResult) -> list[dict[str, str]]:
    """The entries of its log."""
    with result.weights.with_suffix(".csv").open() as lines:
        return list(csv.DictReader(lines))


def scores_of(result: TrainingResult) -> list[float]:
    """The validation scores in its log."""
    return [float(row["validation"]) for row in log_of(result) if row["validation"]]


def interrupt(recipe: Recipe, data: Path, output: Path, *, step: int) -> None:
    """Leave a training after some steps."""
    steps = 0

    def count(fraction: float) -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(recipe, data, output, device="cpu", progress=count)


def check_resuming(recipe: Recipe, data: Path, folder: Path, *, step: int) -> None:
    """An interrupted and resumed training writes the same weights as an uninterrupted one."""
    recipe = recipe.model_copy(
        update={"loop": recipe.loop.model_copy(update={"checkpoint_seconds": 0})}
    )
    whole = train(recipe, data, folder / "whole.safetensors", device="cpu")
    output = folder / "resumed.safetensors"
    interrupt(recipe, data, output, step=step)
    resumed = train(recipe, data, output, device="cpu")
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    assert not list(folder.glob("*.checkpoint.*"))
