from .recipes import DecorrelateRecipe, LoopRecipe, NearestRecipe, Recipe, TaggerRecipe, load_recipe
from .run import train

__all__ = [
    "DecorrelateRecipe",
    "LoopRecipe",
    "NearestRecipe",
    "Recipe",
    "TaggerRecipe",
    "load_recipe",
    "train",
]
