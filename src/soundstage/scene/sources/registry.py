"""The table of sources of sound. A new one is a file with `load`, and one entry here.

A source is named "library", or with the folder that it reads: "library=FOLDER". `auto` tries
`AUTO_ORDER` for every event: recordings first, since their content is real and an HRTF set places
them exactly (`docs/benchmark.md`), then our generator; a fallback is announced.

The table does not import torch, so that options are checked before anything is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

from soundstage.errors import OptionError, WeightsError, quoted

if TYPE_CHECKING:
    from soundstage.scene.sources.source import (
        BinauralSource,
        DrySound,
        SoundSource,
        SourceOptions,
    )

DEFAULT_SOURCE = "auto"
AUTO_ORDER = ("library", "mono")


@dataclass(frozen=True)
class SourceEntry:
    """An entry of the table."""

    name: str
    summary: str
    module: str
    """Of `soundstage.scene.sources`; its `load(name, options)` returns the source."""
    kind: Literal["dry", "binaural"] = "dry"
    """A mono sound that an HRTF set places, or both ears."""
    place: str = ""
    """What "NAME=PLACE" names; empty if the source reads nothing."""
    requires_place: bool = False
    extra: str = ""
    """The extra of this package that installs what it needs beside it."""


_VARIANTS = {
    "mel-base": "mel spectrograms of both ears",
    "stft-base": "complex spectrograms of both ears",
    "dualspec": "mel and complex spectrograms of both ears",
    "dualspec-d": "both spectrograms in one latent",
    "dualspec-p": "mel spectrograms of each ear, and complex ones of both",
}

SOURCES: Mapping[str, SourceEntry] = {
    entry.name: entry
    for entry in (
        SourceEntry(
            "auto",
            "a recording of the library, or else a generated sound",
            "registry",
            place="a folder of sound files",
        ),
        SourceEntry(
            "library",
            "recordings: the built-in ones, or those of a folder",
            "library",
            place="a folder of sound files",
        ),
        SourceEntry("mono", "latent diffusion of a mono mel spectrogram", "mono"),
        *(
            SourceEntry(name, f"latent diffusion of {what}", "dualspec", kind="binaural")
            for name, what in _VARIANTS.items()
        ),
        SourceEntry(
            "diffusers",
            "Stable Audio Open or AudioLDM 2, downmixed to mono",
            "diffusers_source",
            place="the folder of a model in the layout of diffusers",
            requires_place=True,
            extra="generate",
        ),
    )
}
"""All sources by name."""


def check_source(source: str) -> tuple[SourceEntry, str | None]:
    """The entry of "NAME" or "NAME=PLACE", and the place, without loading anything.

    Raises:
        OptionError: the source is unknown, or has no place, or requires one.
    """
    name, separator, place = source.partition("=")
    if name not in SOURCES:
        raise OptionError(f"There is no source {quoted(name)}: choose one of {', '.join(SOURCES)}.")
    entry = SOURCES[name]
    if separator and not entry.place:
        raise OptionError(f"The source {name} reads no folder: leave =FOLDER out.")
    if separator and not place:
        raise OptionError(f"{name}= is followed by no folder: write {name}=FOLDER.")
    if entry.requires_place and not place:
        raise OptionError(f"The source {name} requires {entry.place}: write {name}=FOLDER.")
    return entry, place or None


def load_source(
    source: str = DEFAULT_SOURCE, options: "SourceOptions | None" = None
) -> "SoundSource | BinauralSource":
    """A source, ready for any number of sounds.

    Args:
        source: a name of `SOURCES`, or NAME=PLACE, such as "library=recordings"; with "auto=FOLDER"
            the folder is the library.
        options: settings that sources share; its `place` applies if `source` names none.

    Raises:
        OptionError: the source is unknown, its place is missing, or a library is not installed.
        InputError: the folder cannot be read.
        WeightsError: the weights are missing or damaged.
    """
    from soundstage.scene.sources.source import SourceOptions

    options = options or SourceOptions()
    if options.place and "=" not in source:
        source = f"{source}={options.place}"
    entry, place = check_source(source)
    options = replace(options, place=place)
    if entry.name == "auto":
        return AutoSource(options)
    module = import_module(f"soundstage.scene.sources.{entry.module}")
    loaded: SoundSource | BinauralSource = module.load(entry.name, options)
    return loaded


class AutoSource:
    """The first source of `AUTO_ORDER` that has a sound for the words.

    With a folder of the user's sounds, the built-in library follows it. A source is loaded when it
    is first needed; one that cannot be loaded is passed over, which is logged.

    Args:
        options: for all sources; `place` is the folder of the library.
    """

    name = "auto"

    def __init__(self, options: "SourceOptions") -> None:
        self._log = options.log
        folders = [f"library={options.place}"] if options.place else []
        self._order = [*folders, *AUTO_ORDER]
        self._options = replace(options, place=None)
        self._loaded: dict[str, SoundSource] = {}
        if folders:
            self._source(folders[0])  # a folder that cannot be read is an error at once

    def sound(self, text: str, *, seconds: float | None, seed: int) -> "DrySound":
        """See `SoundSource.sound`.

        Raises:
            OptionError: no source has a sound for the words.
            InputError: a file of the library cannot be read any more.
        """
        errors: list[OptionError | WeightsError] = []
        for tried, source in enumerate(self._order):
            try:
                sound = self._source(source).sound(text, seconds=seconds, seed=seed)
            except (OptionError, WeightsError) as error:
                errors.append(error)
                continue
            if tried:
                without = " or ".join(map(self._described, self._order[:tried]))
                self._log(f"{quoted(text)} is not in {without}: {self._described(source)} is used.")
            return sound
        raise OptionError(str(errors[0])) from errors[0]

    def _described(self, source: str) -> str:
        if source == "library":
            return "the built-in library"
        return "your library" if source.startswith("library=") else f"the source {source}"

    def _source(self, source: str) -> "SoundSource":
        if source not in self._loaded:
            self._loaded[source] = cast("SoundSource", load_source(source, self._options))
        return self._loaded[source]
