"""The stems that a user has of a recording: files of a folder, with the kind that their names tell.

A stem of one source stands at one place. A stem of several, such as "accompaniment" or the "other"
of a stem splitter, cannot: it is no source here but belongs to the rest, which is separated.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from soundstage.audio.file_paths import expand_inputs
from soundstage.errors import InputError, quoted

if TYPE_CHECKING:
    from soundstage.separation.separator import Kind

MAX_STEMS = 64  # each is an open file and a spectrogram in memory

_KINDS: "tuple[tuple[Kind, str], ...]" = (
    ("voice", "backing|bv|bvs|bgv|bvox|choir|choirs|chorus|harmony|harmonies|adlib|adlibs|doubles"),
    ("lead", "lead|vocal|vocals|vox|voice|voices|singer|sing|singing|speech|narration"),
    (
        "drums",
        "drum|drums|drumkit|kick|snare|hat|hats|hihat|hihats|cymbal|cymbals|tom|toms|percussion|"
        "perc|beat|beats|clap|claps|overhead|overheads|shaker|tambourine|conga|congas|bongos",
    ),
    ("bass", "bass|sub|subbass|808|upright|contrabass"),
    ("ambience", "ambience|ambient|room|rooms|reverb|atmosphere|atmo|audience|crowd|applause"),
)  # the first whose word is in the name
_INSTRUMENTS = "guitar|guitars|synth|synths|piano|keys|organ|violin|sax|saxophone|trumpet|flute"
_SEVERAL = (
    "accompaniment|instrumental|instrumentals|other|others|rest|residual|novocals|karaoke|mix|"
    "mixture|master|playback"
)  # names of stems that hold several sources
_NUMBERING = re.compile(r"^\d{1,3}[\s._-]+")  # of tracks: "03 - Bass"
_AFTER_TITLE = re.compile(r"\s[-–—]\s|--|_-_")
_WORDS = re.compile(r"[a-z]+|\d+")


class StemFile(NamedTuple):
    """A stem of one source."""

    name: str
    """Of the source: that of the file, without suffix, number and the title of the song."""
    kind: "Kind"
    path: Path


def find_stems(folder: str | os.PathLike[str]) -> list[StemFile]:
    """The stems of one source each in a folder, sorted by name; subfolders are left out.

    Raises:
        InputError: it is no folder, has no such stem or too many, or two files have one name.
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is no folder: put the stems into one, and name it.")
    paths = expand_inputs([place], recursive=False)
    stems: dict[str, StemFile] = {}
    for path, name in zip(paths, source_names([path.stem for path in paths]), strict=True):
        if holds_several(name):
            continue
        other = stems.setdefault(name.casefold(), StemFile(name, kind_of(name), path))
        if other.path != path:
            raise InputError(
                f"{place} has two files for the stem {quoted(name)}, {other.path.name} and "
                f"{path.name}: leave one of them."
            )
    if not stems:
        raise InputError(
            f"{place} has no stem of a single source, such as lead.wav: a file named "
            f"{quoted(paths[0].stem)} holds several."
        )
    if len(stems) > MAX_STEMS:
        raise InputError(f"{place} has {len(stems)} stems: give at most {MAX_STEMS}.")
    return list(stems.values())


def source_names(stems: Sequence[str]) -> list[str]:
    """Names of sources from those of files: without numbers, and without a title before all.

    >>> source_names(["The Song - 01 Bass", "The Song - 02 Lead Vocals"])
    ['Bass', 'Lead Vocals']
    """
    first = stems[0] if len(stems) > 1 else ""
    ends = [match.end() for match in _AFTER_TITLE.finditer(first)]
    titles = [first[:end] for end in ends if all(stem.startswith(first[:end]) for stem in stems)]
    start = len(titles[-1]) if titles else 0
    return [_NUMBERING.sub("", stem[start:]).strip() or stem for stem in stems]


def kind_of(name: str) -> "Kind":
    """The kind of source that a name tells; "object" if it tells none.

    >>> [kind_of(name) for name in ("Lead Vox", "backing vocals", "Bass Drum", "E-Guitar 2")]
    ['lead', 'voice', 'drums', 'object']
    """
    words = set(_WORDS.findall(name.lower()))
    if words & set(_INSTRUMENTS.split("|")) and not words & {"vocal", "vocals", "vox", "voice"}:
        words -= {"lead"}  # a lead guitar is an instrument beside the voice
    kinds = [kind for kind, known in _KINDS if words & set(known.split("|"))]
    return kinds[0] if kinds else "object"


def holds_several(name: str) -> bool:
    """Whether a name is that of a stem with several sources.

    >>> [holds_several(name) for name in ("Song (no vocals)", "other", "other-2", "piano")]
    [True, True, False, False]
    """
    words = _WORDS.findall(name.lower())
    return any("".join(words[-count:]) in _SEVERAL.split("|") for count in (1, 2))
