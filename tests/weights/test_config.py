import json
from dataclasses import dataclass
from typing import Literal

import pytest

from soundstage.weights.config import Config, bounded, config_from_json, config_to_json


@dataclass(frozen=True, kw_only=True)
class Part(Config):
    channels: int = bounded(1, 64)
    scale: float = bounded(0.5, 2.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Whole(Config):
    depth: int = bounded(1, 8)
    sizes: tuple[int, ...] = bounded(1, 9, (3,))
    pair: tuple[int, int] = bounded(1, 9, (1, 2))
    kind: Literal["plain", "fancy"] = "plain"
    causal: bool = False
    part: Part | None = None


FULL = Whole(
    depth=8, sizes=(1, 9), pair=(2, 1), kind="fancy", causal=True, part=Part(channels=4, scale=0.7)
)


@pytest.mark.parametrize("config", [FULL, Whole(depth=1)])
def test_a_config_comes_back_from_its_json(config):
    assert config_from_json(Whole, json.loads(json.dumps(config_to_json(config)))) == config


def test_a_missing_field_takes_its_default():
    assert config_from_json(Whole, {"depth": 2}) == Whole(depth=2)
    nested = {"depth": 2, "part": {"channels": 3}}
    assert config_from_json(Whole, nested) == Whole(depth=2, part=Part(channels=3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 9}, "depth is 1 to 8, not 9"),
        ({"depth": 1 << 80}, "depth is 1 to 8"),
        ({"sizes": [3, 0]}, "sizes is 1 to 9, not 0"),
        ({"part": {"channels": 3, "scale": float("nan")}}, "scale is 0.5 to 2.0, not nan"),
        ({"depth": 2.0}, "depth is int"),
        ({"depth": True}, "depth is int"),
        ({"depth": "2"}, "depth is int"),
        ({"causal": 1}, "causal is bool"),
        ({"kind": "odd"}, "kind is 'plain' or 'fancy', not 'odd'"),
        ({"kind": ["plain"]}, "kind is"),
        ({"pair": [1, 2, 3]}, "pair has 2 elements, not 3"),
        ({"pair": 1}, "pair is a list"),
        ({"part": {"scale": 1}}, "the field 'part.channels' is missing"),
        ({"part": {"channels": 1, "new": 0}}, "the field 'part.new' is unknown"),
        ({"part": [1]}, "part. is no JSON object"),
        ({"later": 1}, "'later' is unknown; a newer version"),
    ],
)
def test_fields_outside_of_the_declaration_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        config_from_json(Whole, {"depth": 2, **changes})


def test_limits_hold_in_code_too():
    with pytest.raises(ValueError, match="channels is 1 to 64, not 65"):
        Part(channels=65)
