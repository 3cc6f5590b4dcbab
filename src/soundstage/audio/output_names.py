"""Names of the outputs of a command: where each result goes, all at once, for any number of files.

A result keeps its place: the subfolders of an input folder are made again in the output folder.
Results that would have one name get distinct ones, which are the same in every run: with the suffix
of their sources (`a.wav-stereo.flac`, `a.flac-stereo.flac`), in a folder named after that of their
sources (`disc1/a-stereo.wav`), or with a number. Names that differ in their case or in the form of
their accents only count as one, for file systems that do not tell them apart.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundstage.audio.file_paths import FoundFile, find_inputs
from soundstage.audio.formats import READABLE_SUFFIXES, container_of
from soundstage.audio.name_templates import SEPARATORS, Names, file_names
from soundstage.errors import OptionError


@dataclass(frozen=True)
class OutputPlan:
    """Sources with their outputs."""

    found: list[FoundFile]
    targets: list[tuple[Path, ...]]
    """Of each source."""
    results: list[Path]
    """Files among the inputs that are results of the same command, and no sources."""


def plan_outputs(
    inputs: Iterable[str | Path],
    output: str | os.PathLike[str] | None,
    *,
    name: str | None,
    default_name: str,
    suffix: str | None = None,
    fields: Sequence[Mapping[str, object]] = ({},),
    own_names: str | None = None,
) -> OutputPlan:
    """Find the inputs, and name their outputs.

    Args:
        inputs: files and folders.
        output: a file, for a single input; a folder; or None, beside each source. It is a folder if
            there are several inputs or one is a folder, if it exists as one, ends in a separator,
            or has no suffix.
        name: template of file names in a folder, such as "{stem}-{method}{ext}".
        default_name: template if `name` is None.
        suffix: of the outputs, with or without its dot; by default that of the source, or ".wav" if
            files like the source cannot be written.
        fields: values of {method}, {seed} and {take}, once for each output of a source.
        own_names: pattern of the stems of results, with the stem of their source as group 1. A file
            in an input folder that is named so, and whose source is there, is a result of an
            earlier run. So is a file that has the name of an output.

    Raises:
        InputError: an input does not exist, or cannot be listed.
        OptionError: the template is not understood, two outputs would have one name, there are
            several inputs for one file, or the suffix cannot be written.
    """
    inputs = list(inputs)
    found = find_inputs(inputs)
    several = len(inputs) > 1 or any(file.folder is not None for file in found)
    if output is not None and not _is_folder(output, several=several):
        if name is not None:
            raise OptionError(f"`name` is for files in a folder, and {output} is a file.")
        return OutputPlan(found, [_file_outputs(Path(output), suffix, len(fields))], [])
    names = file_names(name or default_name, suffix, fields)
    key = _Key()
    results = _named_as_results(found, output, own_names, key) if own_names else []
    while True:
        left_out = {*results}
        found = [file for file in found if file not in left_out]
        table = _Table(found, _places(found, output), names, key)
        made = table.made() or (table.tell_apart() and table.made())
        if not made:
            return OutputPlan(found, table.paths(), [file.path for file in results])
        results += made


def distinct_paths(
    found: Sequence[FoundFile], folders: Sequence[str], names: Names
) -> list[tuple[Path, ...]]:
    """The outputs of every source, with distinct names.

    Args:
        found: the sources.
        folders: of the outputs of each source.
        names: gives their file names.

    Raises:
        OptionError: outputs would have one name, whatever the stem.
    """
    table = _Table(found, folders, names, _Key())
    table.tell_apart()
    return table.paths()


class _Table:
    """Sources, a row each, with the folder and the names of their outputs."""

    def __init__(
        self, found: Sequence[FoundFile], folders: Sequence[str], names: Names, key: "_Key"
    ) -> None:
        self._found, self._folders, self._names, self._key = found, folders, names, key
        self._rows = [
            (folder, names(*os.path.splitext(file.name)))
            for file, folder in zip(found, folders, strict=True)
        ]
        self._makers: dict[str, int] = {}
        """The row that makes a file, by key."""
        self._clashes: dict[str, list[int]] = {}
        """Rows that would make the same file."""
        for row in range(len(found)):
            self._enter(row)

    def made(self) -> list[FoundFile]:
        """Sources that are an output of another one."""
        makers, key = self._makers, self._key
        return [
            file
            for row, file in enumerate(self._found)
            if makers.get(key(file.real, file.name), row) != row
        ]

    def tell_apart(self) -> bool:
        """Give outputs of equal names distinct ones; returns whether there were any.

        Raises:
            OptionError: outputs have one name, whatever the stem.
        """
        groups = list(_joined_groups(self._clashes.values()))
        self._clashes = {}
        clashing = {row for rows in groups for row in rows}
        self._makers = {key: row for key, row in self._makers.items() if row not in clashing}
        for rows in groups:
            for candidate in self._candidates(rows):
                keys = [self._key(folder, name) for folder, names in candidate for name in names]
                if len({*keys}) == len(keys) and self._makers.keys().isdisjoint(keys):
                    break
            else:
                one, other = (self._found[row].path for row in rows[:2])
                folder, names = self._rows[rows[0]]
                raise OptionError(
                    f"{one} and {other} would both be written to {os.path.join(folder, names[0])}: "
                    "use a name with {stem} in it."
                )
            for row, entry in zip(rows, candidate, strict=True):
                self._rows[row] = entry
                self._enter(row)
        return bool(groups)

    def paths(self) -> list[tuple[Path, ...]]:
        """The outputs of every source."""
        parents = {folder: Path(folder) for folder, _ in self._rows}
        return [tuple([parents[folder] / name for name in names]) for folder, names in self._rows]

    def _enter(self, row: int) -> None:
        folder, names = self._rows[row]
        keys = [self._key(folder, name) for name in names]
        if len({*keys}) < len(keys):
            raise OptionError(
                f"All results of {self._found[row].path} would be written to "
                f"{os.path.join(folder, names[0])}: use a name with {{seed}} or {{take}} in it."
            )
        for key in keys:
            maker = self._makers.setdefault(key, row)
            if maker != row:
                self._clashes.setdefault(key, [maker]).append(row)

    def _candidates(self, rows: Sequence[int]) -> Iterator[list[tuple[str, tuple[str, ...]]]]:
        """Entries for rows whose names are equal, the best ones first."""
        files = [self._found[row] for row in rows]
        folders = [self._folders[row] for row in rows]
        stems, suffixes = zip(*(os.path.splitext(file.name) for file in files), strict=True)

        def entries(
            folders: Sequence[str], stems: Sequence[str]
        ) -> list[tuple[str, tuple[str, ...]]]:
            return [
                (folder, self._names(stem, suffix))
                for folder, stem, suffix in zip(folders, stems, suffixes, strict=True)
            ]

        full = [file.name for file in files]
        yield entries(folders, full)
        parents = [Path(os.path.abspath(file.place)).parts[1:] for file in files]
        for depth in range(1, 1 + max(map(len, parents))):
            tails = [os.sep.join(parent[-depth:]) for parent in parents]
            if len({*tails}) > 1:
                below = list(map(os.path.join, folders, tails))
                yield entries(below, stems)
                yield entries(below, full)
        order = sorted(files, key=lambda file: (file.real, file.name))
        numbers = {file: number for number, file in enumerate(order, start=1)}
        yield entries(
            folders, [f"{stem}-{numbers[f]}" for stem, f in zip(stems, files, strict=True)]
        )


def _joined_groups(groups: Iterable[list[int]]) -> Iterator[list[int]]:
    """Rows that are together in a group, also through others, in order."""
    together: dict[int, list[int]] = {}
    for members in groups:
        merged = sorted({row for each in members for row in together.get(each, [each])})
        together.update(dict.fromkeys(merged, merged))
    for row, members in sorted(together.items()):
        if members[0] == row:
            yield members


def _named_as_results(
    found: Sequence[FoundFile], output: str | os.PathLike[str] | None, pattern: str, key: "_Key"
) -> list[FoundFile]:
    """Files in input folders that have the name of a result of another one."""
    fits = re.compile(pattern, re.DOTALL).fullmatch
    named = [
        (file, match[1])
        for file in found
        if file.folder is not None and (match := fits(os.path.splitext(file.name)[0]))
    ]
    if not named:
        return []
    sources = set()
    for file in found:
        folder, stem = key.folder(file.real), os.path.splitext(file.name)[0]
        sources |= {(folder, stem), (folder, file.name)}
    top = None if output is None else key.folder(os.fspath(output))
    results = []
    for file, stem in named:
        places = [key.folder(file.real)]
        if top is not None and (places[0] + os.sep).startswith(top + os.sep):
            below = os.path.relpath(places[0], top)
            places.append(os.path.normpath(os.path.join(key.folder(file.folder or ""), below)))
        if any((place, stem) in sources for place in places):
            results.append(file)
    return results


def _places(found: Sequence[FoundFile], output: str | os.PathLike[str] | None) -> list[str]:
    """The folder of the outputs of each source."""
    if output is None:
        return [file.place for file in found]
    places = {sub: os.path.join(output, sub) for sub in {file.subfolder for file in found}}
    return [places[file.subfolder] for file in found]


class _Key:
    """A text that is equal for paths of one file, on any file system; links to files are kept."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, folder: str, name: str) -> str:
        return f"{self.folder(folder)}{os.sep}{_folded(name)}"

    def folder(self, path: str) -> str:
        """The real path of a folder, which need not exist."""
        folded = self._folders.get(path)
        if folded is None:
            folded = self._folders[path] = _folded(os.path.realpath(path))
        return folded


def _folded(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _is_folder(output: str | os.PathLike[str], *, several: bool) -> bool:
    """Whether it exists as a folder, or cannot be a file: a file has a suffix, for its format."""
    path = Path(output)
    if os.path.isdir(path) or str(output).endswith(SEPARATORS):
        return True
    is_file = path.suffix.lower() in READABLE_SUFFIXES or os.path.exists(path)
    if several and is_file:
        raise OptionError(
            f"{output} is a file, and the inputs are several or a folder: name a folder for the "
            "results."
        )
    return several or not (path.suffix or is_file)


def _file_outputs(output: Path, suffix: str | None, takes: int) -> tuple[Path, ...]:
    """The outputs of a single source in the file named by the user, or beside it with numbers."""
    if container_of(output.suffix) and suffix is not None:
        container_of(suffix)
        if "." + suffix.lstrip(".").lower() != output.suffix.lower():
            raise OptionError(f"`output` is {output}: leave out `suffix`, which says {suffix}.")
    if takes == 1:
        return (output,)
    numbers = range(1, takes + 1)
    return tuple(output.with_name(f"{output.stem}-{take}{output.suffix}") for take in numbers)
