"""Configs of networks: frozen dataclasses that state their limits and are stored as JSON.

A config class stands beside its network and names all that decides its layers. Each field has its
limits where it is declared, `depth: int = bounded(1, 64)`; they are checked whenever a config is
made, by a recipe or from a file, so before any network is built:

    {"depth": 5, "dim": 256, "memory": {"n_vectors": 64, "dim": 196, "hop": 16}}

A field that a file does not name takes its default, so that a new field with a default leaves
existing files valid; a field that the class does not have is an error.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)
from typing import (
    get_type_hints as type_hints,
)

from soundstage.errors import quoted

if TYPE_CHECKING:
    from torch import Tensor, nn

C = TypeVar("C")
Limit = int | float


def bounded(least: Limit, most: Limit, default: Any = MISSING) -> Any:
    """A field with limits, those of every element for a tuple; None is exempt."""
    return dataclasses.field(default=default, metadata={"limits": (least, most)})


@dataclass(frozen=True, kw_only=True)
class Config:
    """A config, or a part of one.

    Raises:
        ValueError: a field is outside its limits.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            value, limits = getattr(self, field.name), field.metadata.get("limits")
            if limits is None or value is None:
                continue
            for each in value if isinstance(value, tuple) else (value,):
                if not limits[0] <= each <= limits[1]:
                    raise ValueError(f"{field.name} is {limits[0]:,} to {limits[1]:,}, not {each}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Config):
    """The config of one network."""

    family: ClassVar[str]
    """Name of the network in files of weights."""

    def build(self) -> "nn.Module":
        """The network, with random weights.

        Raises:
            ValueError: the fields do not fit together.
        """
        raise NotImplementedError

    def low_rank(self, state: Mapping[str, "Tensor"]) -> "LowRank | None":
        """Matrices of the network that files store as products of two, if any.

        Args:
            state: the `state_dict` of the network.
        """
        return None


@dataclass(frozen=True)
class LowRank:
    """Matrices that multiply vectors of one low-dimensional subspace only."""

    names: list[str]
    """Of the matrices, (outputs, inputs) each."""
    vectors: "Tensor"
    """(vectors, inputs): samples of the subspace."""
    rank: int
    """Its dimensions."""


def config_to_json(config: Config) -> dict[str, Any]:
    """Every field by its name, as `json.dumps` takes it."""
    return dataclasses.asdict(config)


def config_from_json(kind: type[C], values: object, path: str = "") -> C:
    """A config from its JSON.

    Args:
        kind: its class.
        values: the parsed JSON.
        path: of the object inside the whole config, for messages.

    Raises:
        ValueError: a field is unknown, missing without a default, of another type, or outside its
            limits.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{path or 'config'} is no JSON object")
    hints, known = type_hints(kind), {field.name for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ValueError(
            f"the field {quoted(path + unknown[0])} is unknown; a newer version of Soundstage "
            "wrote it"
        )
    missing = [
        field.name
        for field in fields(kind)  # type: ignore[arg-type]
        if field.default is field.default_factory is MISSING and field.name not in values
    ]
    if missing:
        raise ValueError(f"the field {path + missing[0]!r} is missing")
    return kind(**{name: _value(hints[name], value, path + name) for name, value in values.items()})


def _value(hint: Any, value: object, name: str) -> Any:
    """A value of JSON as the type that a field has."""
    origin, choices = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in choices:
            return None
        (hint,) = (each for each in choices if each is not NoneType)
        return _value(hint, value, name)
    if origin is Literal:
        if value in choices and not isinstance(value, bool):
            return value
        raise ValueError(f"{name} is {' or '.join(map(repr, choices))}, not {quoted(value)}")
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{name} is a list, not {quoted(value)}")
        if choices[-1] is not Ellipsis and len(value) != len(choices):
            raise ValueError(f"{name} has {len(choices)} elements, not {len(value)}")
        return tuple(_value(choices[0], each, name) for each in value)
    if dataclasses.is_dataclass(hint):
        return config_from_json(hint, value, f"{name}.")  # type: ignore[arg-type]
    accepted = (int, float) if hint is float else hint
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise ValueError(f"{name} is {hint.__name__}, not {quoted(value)}")
    return hint(value)
