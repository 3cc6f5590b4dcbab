"""The family of a weights file, read from its header: which network or table the file is for.

A safetensors file begins with the length of its header, 8 bytes, and the header, which is JSON.
Nothing here imports torch, so that a command knows its method before it loads anything.
"""

import json
import struct
from pathlib import Path

from soundstage.errors import WeightsError, quoted, reason

LONGEST = 10_000_000  # bytes of a header; those of the pretrained models have up to 30,000
ENTRY = "soundstage"  # of the header


def read_family(path: str | Path) -> str:
    """The family that a file of `soundstage train` names, such as "nearest".

    Raises:
        WeightsError: the file is missing, damaged, or not made by Soundstage.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"There are no weights at {path}.")
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LONGEST:
                raise WeightsError(f"{path}: these are not weights of Soundstage.")
            family = json.loads(json.loads(file.read(length))["__metadata__"][ENTRY])["family"]
    except OSError as error:
        raise WeightsError(f"{path}: the weights cannot be read ({reason(error)}).") from error
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path}: these are not weights of Soundstage.") from error
    if not isinstance(family, str):
        raise WeightsError(f"{path}: the weights are of no family, but of {quoted(family)}.")
    return family
