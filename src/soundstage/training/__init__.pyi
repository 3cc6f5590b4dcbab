from .recipes import (
    DecorrelateRecipe as DecorrelateRecipe,
    LoopRecipe as LoopRecipe,
    NearestRecipe as NearestRecipe,
    Recipe as Recipe,
    TaggerRecipe as TaggerRecipe,
    load_recipe as load_recipe,
)
from .run import train as train
