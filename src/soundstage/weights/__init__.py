"""Pretrained models, their cards, and the format of weights.

`cards` lists the models without importing torch, `model` reads and writes files of weights,
`config` is the base of all configs of networks, and `external` reads weights of other projects.
HRTF sets are stored in the same format in `hrtf/`.
"""

from soundstage.weights.cards import (
    Card,
    list_models,
    model_card,
    model_path,
    weights_digest,
)

__all__ = ["Card", "list_models", "model_card", "model_path", "weights_digest"]
