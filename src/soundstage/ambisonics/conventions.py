"""Conventions of ambisonic channels: AmbiX, N3D and FuMa, to order 3.

| convention | order of channels                | gain of a harmonic                          |
| ambix      | ACN: l² + l + m                  | SN3D                                        |
| n3d        | ACN                              | N3D: √(2l + 1) times SN3D                   |
| fuma       | W X Y Z R S T U V K L M N O P Q  | maxN: a maximum of 1, but W of √½           |

FuMa is the convention of Furse and Malham (Malham 2003, "Higher order Ambisonic systems").
"""

import math
from typing import Literal, get_args

import numpy as np

from soundstage.errors import InputError, OptionError, quoted

Convention = Literal["ambix", "n3d", "fuma"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
DEFAULT_CONVENTION: Convention = "ambix"
ORDERS = (1, 2, 3)
_NAMES = {"ambix": "AmbiX (ACN, SN3D)", "n3d": "ACN and N3D", "fuma": "Furse-Malham (FuMa)"}


_FUMA_CHANNELS = (0, 3, 1, 2, 6, 7, 5, 8, 4, 12, 13, 11, 14, 10, 15, 9)
"""ACN of each FuMa channel."""
_MAX_N = {
    0: math.sqrt(1 / 2),
    **dict.fromkeys((1, 2, 3, 6, 12), 1.0),
    **dict.fromkeys((4, 5, 7, 8), 2 / math.sqrt(3)),
    **dict.fromkeys((11, 13), math.sqrt(45 / 32)),
    **dict.fromkeys((10, 14), 3 / math.sqrt(5)),
    **dict.fromkeys((9, 15), math.sqrt(8 / 5)),
}
"""FuMa gain over SN3D, by ACN."""


def channels_of(order: int) -> int:
    """Number of channels of an order from 1 to 3.

    Raises:
        OptionError: there is no such order.
    """
    if order not in ORDERS:
        raise OptionError(f"The order of ambisonics is 1, 2 or 3, not {order}.")
    return (order + 1) ** 2


def order_of(channels: int) -> int:
    """The order that has so many channels.

    Raises:
        InputError: there is none from 1 to 3.
    """
    order = math.isqrt(channels) - 1
    if order not in ORDERS or channels_of(order) != channels:
        raise InputError(f"Ambisonics of order 1, 2 or 3 has 4, 9 or 16 channels, not {channels}.")
    return order


def describe(order: int, convention: str) -> str:
    """Convention and order in words.

    >>> describe(3, "ambix")
    'AmbiX (ACN, SN3D) of order 3'
    """
    return f"{_NAMES[convention]} of order {order}"


def field_label(order: int | None, convention: str | None = None) -> str | None:
    """What the name of a file says of its field; None for no field.

    Raises:
        OptionError: there is no such order or convention, or a convention without an order.

    >>> field_label(3), field_label(1, "fuma")
    ('ambix3', 'fuma1')
    """
    if order is None:
        if convention is not None:
            raise OptionError("`convention` is that of a sound field: give its order as `ambix`.")
        return None
    convention = convention or DEFAULT_CONVENTION
    _convention(channels_of(order), convention)
    return f"{convention}{order}"


def check_convention(convention: str) -> Convention:
    """The convention of that name.

    Raises:
        OptionError: there is none.
    """
    for known in CONVENTIONS:
        if convention == known:
            return known
    raise OptionError(
        f"There is no convention {quoted(convention)}: choose one of {', '.join(CONVENTIONS)}."
    )


def to_ambix(samples: np.ndarray, convention: str) -> np.ndarray:
    """AmbiX channels of those of another convention.

    Args:
        samples: (*batch, channels, frames); their precision is kept.
        convention: of `samples`.
    """
    positions, gains = _convention(samples.shape[-2], convention)
    channels = np.empty_like(samples)
    channels[..., positions, :] = samples
    return channels / gains[:, None].astype(samples.dtype)


def from_ambix(samples: np.ndarray, convention: str) -> np.ndarray:
    """Channels of a convention from those of AmbiX.

    Args:
        samples: (*batch, channels, frames); their precision is kept.
        convention: of the result.
    """
    positions, gains = _convention(samples.shape[-2], convention)
    return (samples * gains[:, None].astype(samples.dtype))[..., positions, :]


def _convention(channels: int, convention: str) -> tuple[np.ndarray, np.ndarray]:
    """ACN of each channel in the file, and gains over SN3D by ACN."""
    order_of(channels)
    acn = np.arange(channels)
    match check_convention(convention):
        case "ambix":
            return acn, np.ones(channels)
        case "n3d":
            return acn, np.sqrt(2 * np.sqrt(acn).astype(int) + 1)
        case "fuma":
            gains = np.array([_MAX_N[n] for n in range(channels)])
            return np.array(_FUMA_CHANNELS[:channels]), gains
