"""Training: recipes in, weights and their card out; one small file a family of models."""

from soundstage.training.recipes import (
    DecorrelateRecipe,
    LoopRecipe,
    NearestRecipe,
    Recipe,
    TaggerRecipe,
    load_recipe,
)
from soundstage.training.run import train

__all__ = [
    "DecorrelateRecipe",
    "LoopRecipe",
    "NearestRecipe",
    "Recipe",
    "TaggerRecipe",
    "load_recipe",
    "train",
]
