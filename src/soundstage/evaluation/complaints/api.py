"""`soundstage.fitness`: what people complain of, measured for every method."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from soundstage.evaluation.complaints.file_rows import METHOD_ROWS, PROGRAM_ROWS
from soundstage.evaluation.complaints.restyle_rows import RESTYLE_ROWS
from soundstage.evaluation.complaints.rows import SOUND_ROWS, Outcome
from soundstage.evaluation.complaints.sounds import Material
from soundstage.evaluation.complaints.subjects import Subject, find_subjects
from soundstage.evaluation.complaints.table import FitnessTable
from soundstage.upmixing import Upmixer

if TYPE_CHECKING:
    from soundstage.parallel import Progress

FAST = "decorrelate"  # of the rows about the program


def fitness(
    methods: Sequence[str] | None = None,
    *,
    stems: str | os.PathLike[str] | None = None,
    speech: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: "Progress | None" = None,
) -> FitnessTable:
    """Measure what people complain of in stereo made from mono, as docs/fitness.md explains.

    Every system runs as its user gets it, with default controls.

    Args:
        methods: names of methods, your own ones too, and of FFmpeg's filters such as "ffmpeg-haas";
            by default all pretrained methods and all filters.
        stems: a collection of songs as separate stems, one of which has a lead, in place of a band
            made by code.
        speech: a file or folder of one voice, in place of one made by code.
        device: "auto", "cpu", "cuda" or "mps", of the methods.
        progress: called with the fraction done, 0 to 1.

    Raises:
        OptionError: a method is unknown, or pyloudnorm is not installed.
        InputError: stems or speech cannot be read, or have no lead.
        MethodError: a method of your own failed.
    """
    material = Material(*(None if each is None else Path(each) for each in (stems, speech)))
    subjects = find_subjects(methods, material, device=device)
    program = Subject("", material, Upmixer.from_pretrained(FAST))
    rows = tuple(sorted((*SOUND_ROWS, *METHOD_ROWS), key=lambda row: row.number))
    cells = [(row, subject) for subject in subjects for row in rows]
    program_rows = tuple(sorted((*PROGRAM_ROWS, *RESTYLE_ROWS), key=lambda row: row.number))
    cells += [(row, program) for row in program_rows]
    outcomes: dict[tuple[int, str], Outcome] = {}
    for done, (row, subject) in enumerate(cells):
        if progress:
            progress(done / len(cells))
        outcomes[row.number, subject.name] = row.measure(subject)
    if progress:
        progress(1.0)
    names = [subject.name for subject in subjects]
    return FitnessTable(names, rows, program_rows, outcomes, _described(material))


def _described(material: Material) -> str:
    band = f"stems of {material.stems.resolve().name}" if material.stems else "a band made by code"
    voice = f"speech of {material.speech.name}" if material.speech else "a voice made by code"
    return f"{band}, {voice}"
