"""Recipes: everything needed to train a model again, in one YAML file.

A recipe is checked as it is read; a key that its family does not know is refused, so that a
misspelt one cannot pass for a default.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from soundstage.errors import OptionError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardText(_Strict):
    """What the card of the model says in words, whatever records it is trained on."""

    paper: str
    limits: str


class NearestRecipe(_Strict):
    """Pairs of key and value out of stereo records, for the method `nearest`."""

    family: Literal["nearest"]
    pairs: Annotated[int, Field(ge=1, le=20_000_000)]
    """How many in all, shared equally among the records."""
    seed: int = 0
    """Draws the frames."""
    card: CardText | None = None


class DecorrelateRecipe(_Strict):
    """The mean coherence of stereo records in each band, for `decorrelate` and `comb`."""

    family: Literal["decorrelate"]
    card: CardText | None = None


Recipe = NearestRecipe | DecorrelateRecipe
_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="family")])


def load_recipe(path: Path, **changes: int) -> Recipe:
    """The recipe in a YAML file.

    Args:
        path: the file.
        changes: values that replace those of the file, such as `pairs=500_000`.

    Raises:
        OptionError: the file is missing, is not YAML, or its keys and values do not fit.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"{path}: the recipe cannot be read ({reason}).") from error
    if not isinstance(content, dict):
        raise OptionError(f"{path}: a recipe is a list of keys and values.")
    try:
        return _ADAPTER.validate_python({**content, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "family"
        raise OptionError(f"{path}: {place}: {first['msg']}.") from error
