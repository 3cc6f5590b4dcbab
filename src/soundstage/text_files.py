"""Text files from outside: JSON, YAML and CSV, within limits that hold before they are parsed.

Parsers trust their input: a kilobyte of YAML can unfold to gigabytes, 20,000 nested brackets
exhaust the stack, an integer of 5,000 digits is an exception of its own, and JSON takes NaN and the
last of two equal keys. Here a file has at most so many bytes, levels, digits, rows and columns; it
is UTF-8, with or without a byte order mark; and what breaks a rule is one sentence with file and
line.
"""

import csv
import json
import math
import os
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from soundstage.errors import InputError, SoundstageError, missing_extra, quoted, reason, shortened

if TYPE_CHECKING:
    from yaml import Mark, SafeLoader

MAX_DEPTH = 32  # lists and mappings in each other, in YAML; in JSON as many as the parser takes
MAX_DIGITS = 40  # of an integer
MAX_COLUMNS = 256
MAX_ROWS = 2_000_000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

Error = type[SoundstageError]


class TextKind(NamedTuple):
    """What a file is expected to be."""

    noun: str
    """With its article, such as "a recipe"."""
    most_bytes: int
    error: Error = InputError


class Line(NamedTuple):
    """A row of a CSV file."""

    number: int
    """Of its last line in the file."""
    cells: list[str]


class Row(NamedTuple):
    """A row of a CSV file with column names."""

    number: int
    """Of its last line in the file."""
    cells: dict[str, str]


def read_text(path: Path, kind: TextKind) -> str:
    """The text of a file, without its byte order mark.

    Raises:
        SoundstageError: of the kind: the file is missing, too large, or not UTF-8 text.
    """
    try:
        if path.is_file():
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                content = file.read(kind.most_bytes + 1) if size <= kind.most_bytes else b""
        elif path.exists():  # a pipe could keep us waiting for ever
            raise OSError(0, "it is no plain file")
        else:
            raise OSError(0, "there is no such file")
    except OSError as error:
        raise kind.error(f"{path}: cannot be read ({error.strerror}).") from error
    if max(size, len(content)) > kind.most_bytes:
        raise kind.error(
            f"{path}: has {max(size, len(content)):,} bytes; {kind.noun} has at most "
            f"{kind.most_bytes:,}."
        )
    return decode_text(content, str(path), kind.error)


def decode_text(content: bytes, source: str, error: Error = InputError) -> str:
    """UTF-8 text, without its byte order mark.

    Args:
        content: of the file.
        source: name of the file, which begins the sentence.
        error: class of the error.

    Raises:
        SoundstageError: of this class: it is in another encoding, or has a null byte.
    """
    if content.startswith(_UTF_16):
        raise error(f"{source}: is in UTF-16; save it as UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as failed:
        line = content.count(b"\n", 0, failed.start) + 1
        raise error(f"{source}, line {line}: is not text in UTF-8; save it as UTF-8.") from failed
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(f"{source}, line {line}: has a null byte, so it is not text.")
    return text


def read_json(path: Path, kind: TextKind) -> Any:
    """The content of a JSON file; see `parse_json`."""
    return parse_json(read_text(path, kind), str(path), kind.error)


def parse_json(text: str | bytes, source: str, error: Error = InputError) -> Any:
    """The content of JSON: keys are unique, numbers finite and of at most 40 digits.

    Args:
        text: UTF-8 if it is bytes.
        source: name of the file, which begins the sentence.
        error: class of the error.

    Raises:
        SoundstageError: of this class: it is not JSON, or breaks a rule.
    """
    if isinstance(text, bytes):
        text = decode_text(text, source, error)
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_float,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as failed:
        raise error(f"{source}, line {failed.lineno}: is not JSON ({failed.msg}).") from failed
    except RecursionError as failed:
        raise error(f"{source}: is nested too deeply.") from failed
    except _InvalidError as failed:
        line = text.count("\n", 0, text.find(failed.token)) + 1
        raise error(f"{source}, line {line}: {failed}.") from failed


class _InvalidError(Exception):
    """JSON that breaks a rule of ours, first at a token."""

    def __init__(self, problem: str, token: str) -> None:
        super().__init__(problem)
        self.token = token


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _InvalidError(f"a number has at most {MAX_DIGITS} digits", digits)
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _InvalidError(f"{quoted(digits)} is not a finite number", digits)
    return value


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise _InvalidError(f"the key {quoted(twice)} appears twice", json.dumps(twice))
    return content


def read_yaml(path: Path, kind: TextKind) -> Any:
    """The content of a YAML file: plain values only, no aliases, tags, dates or equal keys.

    Raises:
        SoundstageError: of the kind: as `read_text`, or it is not YAML, or breaks a rule.
    """
    try:
        from yaml import MarkedYAMLError, YAMLError
    except ModuleNotFoundError as missing:
        raise missing_extra("train", "PyYAML", "Reading YAML") from missing

    text = read_text(path, kind)
    try:
        return _yaml_loader()(text).get_single_data()
    except _RefusedError as refused:
        raise kind.error(f"{path}, line {refused.line}: {refused}.") from refused
    except YAMLError as failed:
        mark = failed.problem_mark if isinstance(failed, MarkedYAMLError) else None
        problem = failed.problem if isinstance(failed, MarkedYAMLError) else reason(failed)
        place = f"{path}, line {mark.line + 1}" if mark else f"{path}"
        raise kind.error(f"{place}: is not YAML ({shortened(problem or '')}).") from failed


class _RefusedError(Exception):
    """YAML that breaks a rule of ours."""

    def __init__(self, problem: str, mark: "Mark") -> None:
        super().__init__(problem)
        self.line = mark.line + 1


def _yaml_loader() -> "type[SafeLoader]":
    """A loader of plain values; a class of its own, so that PyYAML's stays as it is."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Checks each event before a node is made of it, and each value."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent) or event.anchor:
                self.refuse(event, "aliases are not supported: write the value again")
            if getattr(event, "tag", None):
                self.refuse(event, f"the tag {quoted(event.tag)} is not supported")
            self.depth += 1
            if self.depth > MAX_DEPTH:
                self.refuse(event, f"is nested more than {MAX_DEPTH} levels deep")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            content = super().construct_mapping(node, deep)
            if len(content) < len(node.value):
                self.refuse(node, "a key appears twice")
            return content

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            is_number = node.tag.endswith((":int", ":float"))
            if is_number and len(node.value) > MAX_DIGITS:
                self.refuse(node, f"a number has at most {MAX_DIGITS} digits")
            try:
                value = super().construct_object(node, deep)
            except (ValueError, IndexError):  # what looks like a number and is none, such as 0x_
                value = math.nan
            if isinstance(value, float) and not math.isfinite(value):
                self.refuse(node, f"{quoted(node.value)} is not a finite number")
            return value

        def refuse(self, at: Any, problem: str) -> None:
            raise _RefusedError(problem, at.start_mark)

    Loader.yaml_implicit_resolvers = {
        first: [each for each in resolvers if not each[0].endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def csv_lines(text: str, source: str, error: Error = InputError) -> Iterator[Line]:
    """The lines of a CSV file that are not empty.

    Args:
        text: of the file.
        source: name of the file, which begins the sentence.
        error: class of the error.

    Raises:
        SoundstageError: of this class: it is not CSV, or has too many rows or columns.
    """
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    count = 0
    try:
        for cells in reader:
            if not any(cells):
                continue
            count += 1
            if count > MAX_ROWS or len(cells) > MAX_COLUMNS:
                raise error(
                    f"{source}, line {reader.line_num}: more than {MAX_ROWS:,} rows or "
                    f"{MAX_COLUMNS} columns are not read."
                )
            yield Line(reader.line_num, cells)
    except csv.Error as failed:
        raise error(f"{source}, line {reader.line_num}: is not CSV ({reason(failed)}).") from failed


def read_table(path: Path, kind: TextKind) -> list[Row]:
    """The rows of a CSV file whose first line names the columns.

    Raises:
        SoundstageError: of the kind: as `read_text` and `csv_lines`, a column has no name or that
            of another, or a row has more or fewer values than there are columns.
    """
    lines = csv_lines(read_text(path, kind), str(path), kind.error)
    header = next(lines, None)
    if header is None:
        return []
    names = [cell.strip() for cell in header.cells]
    for at, name in enumerate(names):
        if not name or name in names[:at]:
            problem = f"{quoted(name)} appears twice" if name else "a column has no name"
            raise kind.error(f"{path}, line {header.number}: {problem}.")
    rows = []
    for number, cells in lines:
        if len(cells) != len(names):
            raise kind.error(
                f"{path}, line {number}: has {len(cells)} values for {len(names)} columns."
            )
        rows.append(Row(number, dict(zip(names, cells, strict=True))))
    return rows
