from .recipe_base import LoopRecipe
from .recipes import DecorrelateRecipe, NearestRecipe, Recipe, TaggerRecipe, load_recipe
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
