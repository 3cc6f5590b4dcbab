"""Reading HRTF sets from SOFA files (AES69), conventions SimpleFreeFieldHRIR and FreeFieldHRIR.

A SOFA file is an HDF5 file, and a damaged or malicious one can make the HDF5 library run for ever,
take any amount of memory, or crash. So it is read in a process of its own, with limits on time and
memory, which hands back an `HrtfSet`.
"""

import os
from pathlib import Path

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.sofa_file import load_sofa
from soundstage.errors import InputError
from soundstage.limited_process import run_with_limit

SECONDS = 10.0  # of processor time; the largest known set takes 1
MEMORY = 3 << 29  # bytes
_FAILURES = {
    TimeoutError: f"takes more than {SECONDS:g} s",
    MemoryError: f"takes more than {MEMORY / 1e9:.1f} GB of memory",
    ChildProcessError: "crashes the HDF5 library",
}


def read_hrtf(path: str | Path) -> HrtfSet:
    """Read an HRTF set from a SOFA file.

    Raises:
        InputError: the file is missing, damaged, too large, or of another convention.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise InputError(f"{path}: file not found.")
    try:
        return run_with_limit(load_sofa, path, seconds=SECONDS, memory=MEMORY)
    except (TimeoutError, MemoryError, ChildProcessError) as error:
        raise InputError(f"{path}: is damaged, reading it {_FAILURES[type(error)]}.") from error
