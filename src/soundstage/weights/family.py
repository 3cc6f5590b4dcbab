"""The family of a weights file, read from its header: which network or table the file is for.

A safetensors file begins with the length of its header, 8 bytes, and the header, which is JSON.
Nothing here imports torch, so that a command knows its method before it loads anything.
"""

import os
import struct
from pathlib import Path

from soundstage.errors import WeightsError, quoted, reason
from soundstage.text_files import parse_json

LONGEST = 10_000_000  # bytes of a header; those of the pretrained models have up to 30,000
ENTRY = "soundstage"  # of the header


def read_family(path: str | Path) -> str:
    """The family that a file of `soundstage train` names, such as "nearest".

    Raises:
        WeightsError: the file is missing, damaged, or not made by Soundstage.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise WeightsError(f"There are no weights at {path}.")
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LONGEST:
                raise WeightsError(f"{path}: these are not weights of Soundstage.")
            header = parse_json(file.read(length), str(path), WeightsError)
        about = parse_json(header["__metadata__"][ENTRY], str(path), WeightsError)
        family = about["family"]
    except OSError as error:
        raise WeightsError(f"{path}: the weights cannot be read ({reason(error)}).") from error
    except (struct.error, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: these are not weights of Soundstage.") from error
    if not isinstance(family, str):
        raise WeightsError(f"{path}: the weights are of no family, but of {quoted(family)}.")
    return family
