"""The shipped models: NAME.safetensors beside NAME.json, its card, and their loader.

A file of weights says in its own header what it is, under `soundstage`: the family of the model and
the version of the layout, as in "nearest/1". A stranger's file is refused before anything is
computed.
Nothing is ever unpickled. Measured heads lie the same way in `heads/`, apart: nobody trained them.
"""

from soundstage.weights.model import (
    Card,
    Weights,
    factored,
    load_card,
    load_weights,
    save_weights,
    shipped,
    weights_path,
)

__all__ = [
    "Card",
    "Weights",
    "factored",
    "load_card",
    "load_weights",
    "save_weights",
    "shipped",
    "weights_path",
]
