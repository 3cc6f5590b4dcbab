"""Files that break the rules of a text format are refused in one short sentence, at once."""

import os
import time
from pathlib import Path

import pytest

from soundstage.errors import InputError, OptionError
from soundstage.text_files import (
    TextKind,
    csv_lines,
    parse_json,
    read_json,
    read_table,
    read_text,
    read_yaml,
)

KIND = TextKind("a list", 100_000, OptionError)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(read, path: Path) -> str:
    """The sentence after the name of the file; it comes at once and is short."""
    start = time.monotonic()
    with pytest.raises(OptionError) as caught:
        read(path, KIND)
    assert time.monotonic() - start < 2
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(str(path))
    assert message.endswith(".")
    message = message.removeprefix(str(path))
    assert len(message) < 200
    return message


@pytest.mark.parametrize("content", ["a é\n", b"\xef\xbb\xbfa \xc3\xa9\n"])
def test_a_byte_order_mark_does_not_matter(path: Path, content: str | bytes) -> None:
    assert read_text(written(path, content), KIND) == "a é\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\n".encode("utf-16"), ": is in UTF-16; save it as UTF-8."),
        (b"a\n\xe9", ", line 2: is not text in UTF-8; save it as UTF-8."),
        (b"a\n\n\0", ", line 3: has a null byte, so it is not text."),
        (b"a" * 100_001, ": has 100,001 bytes; a list has at most 100,000."),
    ],
)
def test_what_is_not_text_is_refused(path: Path, content: bytes, message: str) -> None:
    assert refusal(read_text, written(path, content)) == message


def test_what_is_not_a_plain_file_is_refused(path: Path) -> None:
    assert "no such file" in refusal(read_text, path)
    os.mkfifo(path)  # reading it would wait for ever
    assert "no plain file" in refusal(read_text, path)
    for name in ("a\0b", "a\ud800"):
        with pytest.raises(OptionError, match="no such file"):
            read_text(path / name, KIND)
    loop = path.with_name("loop")
    loop.symlink_to(loop)
    assert "cannot be read" in refusal(read_text, loop)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1,\n]", ", line 2: is not JSON (Expecting value)."),
        ("[" * 50_000, ": is nested too deeply."),
        ('{"a":' * 20_000, ": is nested too deeply."),
        ("[0,\n" + "9" * 5000 + "]", ", line 2: a number has at most 40 digits."),
        ("[0,\nNaN]", ", line 2: 'NaN' is not a finite number."),
        ("-Infinity", ", line 1: '-Infinity' is not a finite number."),
        ("[1e999]", ", line 1: '1e999' is not a finite number."),
        ('{"a": 1, "a": 2}', ", line 1: the key 'a' appears twice."),
        ("", ", line 1: is not JSON (Expecting value)."),
    ],
)
def test_json_out_of_the_rules_is_refused(path: Path, content: str, message: str) -> None:
    assert refusal(read_json, written(path, content)) == message


def test_json_is_read(path: Path) -> None:
    assert read_json(written(path, '\ufeff{"a": [1, 2.5, "é", null]}'), KIND) == {
        "a": [1, 2.5, "é", None]
    }
    assert parse_json(b'"caf\xc3\xa9"', "here") == "café"
    with pytest.raises(InputError, match="here, line 1: is not text"):
        parse_json(b'"caf\xe9"', "here")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: &a [x, x]\nb: *a", ", line 1: aliases are not supported: write the value again."),
        ("a: 1\nb: *a", ", line 2: aliases are not supported: write the value again."),
        ("a: !!python/object:os.system x", "tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: !!timestamp x", "tag 'tag:yaml.org,2002:timestamp' is not supported"),
        ("a: !" + "x" * 50_000, "xxx...' is not supported"),
        ("[" * 20_000, ", line 1: is nested more than 32 levels deep."),
        ("- " * 20_000 + "x", ", line 1: is nested more than 32 levels deep."),
        ("b: 1\na: " + "9" * 5000, ", line 2: a number has at most 40 digits."),
        ("a: 1\na: 2", ", line 1: a key appears twice."),
        ("a: .nan", ", line 1: '.nan' is not a finite number."),
        ("a: -.inf", ", line 1: '-.inf' is not a finite number."),
        ("a: 0x_", ", line 1: '0x_' is not a finite number."),
        ("a: 0b_", ", line 1: '0b_' is not a finite number."),
        ("? [a]\n: b", ", line 1: is not YAML (found unhashable key)."),
        ("a: '", ", line 1: is not YAML (found unexpected end of stream)."),
        ("--- a\n--- b", "another document"),
        ("a: \x01", "is not YAML (unacceptable character #x0001"),
        ("a: =", "is not YAML (could not determine a constructor"),
    ],
)
def test_yaml_out_of_the_rules_is_refused(path: Path, content: str, message: str) -> None:
    pytest.importorskip("yaml")
    assert message in refusal(read_yaml, written(path, content))


def test_an_alias_bomb_is_refused_at_once(path: Path) -> None:
    pytest.importorskip("yaml")
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(12)]
    assert "aliases" in refusal(read_yaml, written(path, "\n".join(lines)))


def test_yaml_is_read_as_plain_values(path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    text = "\ufefffamily: 2020-01-01\nother: [2020-13-41, 1.5, 7, true, ~]\n"
    assert read_yaml(written(path, text), KIND) == {
        "family": "2020-01-01",
        "other": ["2020-13-41", 1.5, 7, True, None],
    }
    assert yaml.safe_load("2020-01-01").year == 2020  # PyYAML's own loader is as it was


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", ", line 3: has 1 values for 2 columns."),
        ("a,b\n1,2,3\n", ", line 2: has 3 values for 2 columns."),
        ("a,a\n1,2\n", ", line 1: 'a' appears twice."),
        ("a,\n1,2\n", ", line 1: a column has no name."),
        ('a,b\n1,"2\n', ", line 2: is not CSV (unexpected end of data)."),
        ("a\n" + "," * 300 + "x\n", ", line 2: more than 2,000,000 rows or 256 columns are not"),
    ],
)
def test_csv_out_of_the_rules_is_refused(path: Path, content: str, message: str) -> None:
    assert message in refusal(read_table, written(path, content))


def test_a_long_cell_is_refused() -> None:
    with pytest.raises(InputError, match=r"line 1: is not CSV \(field larger than field limit"):
        list(csv_lines("x" * 200_000, "here"))


def test_a_table_is_read(path: Path) -> None:
    content = '\ufefffile, title \r\n\r\na.wav,"Lines\r\n, and more"\r\n,\r\nb.wav,\r\n'
    rows = read_table(written(path, content), KIND)
    assert [row.cells for row in rows] == [
        {"file": "a.wav", "title": "Lines\r\n, and more"},
        {"file": "b.wav", "title": ""},
    ]
    assert [row.number for row in rows] == [4, 6]
    assert read_table(written(path, ""), KIND) == []
    assert read_table(written(path, "a\r1\r2"), KIND)[1].cells == {"a": "2"}
