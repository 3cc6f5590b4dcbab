"""Input files of a command, and the names of its outputs."""

import os
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from soundstage.audio.formats import READABLE_SUFFIXES, WRITABLE_SUFFIXES, container_of
from soundstage.errors import InputError, OptionError, OutputError

FIELDS = ("stem", "method", "seed", "take", "ext")
"""Fields in the name template of an output, in braces."""


def expand_inputs(paths: Iterable[str | Path], recursive: bool = True) -> list[Path]:
    """The sound files among files and folders, each once, in the order given.

    A folder stands for its files with a suffix of sound, sorted by name, without hidden and
    unfinished ones. A file named by itself may have any suffix.

    Args:
        paths: files and folders.
        recursive: whether to include subfolders.

    Raises:
        InputError: a path does not exist, or a folder has no sound in it.
    """
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        if path.is_dir():
            files = _sound_files(path, recursive)
            if not files:
                raise InputError(f"{path} has no sound files in it: name another folder.")
        elif os.path.lexists(path):
            files = [path]
        else:
            raise InputError(f"{path} does not exist: check its name and folder.")
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def output_path(
    source: Path,
    output: str | Path | None,
    name_template: str,
    suffix: str | None = None,
    *,
    fields: Mapping[str, object] | None = None,
) -> Path:
    """The path of the output for one source.

    Args:
        source: the input file.
        output: a file; a folder, which exists, ends in a separator or has no suffix; or None,
            beside the source.
        name_template: of files in a folder, such as "{stem}-stereo{ext}".
        suffix: of the output, with or without its dot; by default that of the source, or ".wav" if
            files like the source cannot be written.
        fields: values of {method}, {seed} and {take}.

    Raises:
        OptionError: the template has an unknown field, or names no file in the folder; or the
            suffix cannot be written.
        OutputError: the output would replace the source.
    """
    if output is not None and not _is_folder(output):
        target = Path(output)
        container_of(target.suffix)
    else:
        folder = source.parent if output is None else Path(output)
        target = folder / _file_name(source, name_template, suffix, fields or {})
    if is_same_file(source, target):
        raise OutputError(f"{target} is the source itself: choose another name or folder.")
    return target


def check_collisions(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Refuse a batch in which files would overwrite one another.

    Args:
        pairs: source and target of each output.

    Raises:
        OptionError: two outputs would have the same name.
        OutputError: an output would replace one of the sources.
    """
    sources = {os.path.realpath(source): source for source, _ in pairs}
    taken: dict[str, Path] = {}
    for source, target in pairs:
        place = os.path.realpath(target)
        if place in sources or is_same_file(source, target):
            raise OutputError(f"{target} is one of the sources: choose another name or folder.")
        if place in taken:
            raise OptionError(
                f"{taken[place]} and {source} would both be written to {target}: name a folder, or "
                "a name with {stem}, {seed} or {take} in it."
            )
        taken[place] = source


def is_same_file(source: Path | None, target: Path) -> bool:
    """Whether both paths lead to one file, also through links; None is no file."""
    if source is None:
        return False
    try:
        return source.samefile(target)
    except OSError:
        return os.path.realpath(source) == os.path.realpath(target)


def _sound_files(folder: Path, recursive: bool) -> list[Path]:
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if recursive else []
        files += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in READABLE_SUFFIXES
        ]
    return sorted(files)


def _is_folder(output: str | Path) -> bool:
    """Whether it exists as a folder, or cannot be a file: a file has a suffix, for its format."""
    separators = tuple(filter(None, (os.sep, os.altsep)))
    path = Path(output)
    return path.is_dir() or str(output).endswith(separators) or not (path.suffix or path.exists())


def _file_name(
    source: Path, template: str, suffix: str | None, fields: Mapping[str, object]
) -> str:
    if suffix is not None:
        container_of(suffix)
        extension = "." + suffix.lstrip(".")
    else:
        extension = source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".wav"
    known = {"stem": source.stem, "ext": extension, **fields}
    try:
        used = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
        unknown = used - set(FIELDS)
        if unknown:
            raise OptionError(
                f"The name {template!r} has an unknown field {{{min(unknown)}}}: use "
                f"{', '.join('{' + field + '}' for field in FIELDS)}."
            )
        name = template.format(**{field: known.get(field, "") for field in FIELDS})
    except (ValueError, IndexError, KeyError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"The name {template!r} cannot be understood ({error}).") from error
    if not name.strip(".") or Path(name).name != name:
        raise OptionError(f"The name {template!r} gives {name!r}, which is not a file name.")
    return name
