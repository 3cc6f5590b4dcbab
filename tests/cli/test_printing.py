"""Printing that has nowhere to go, or cannot say a character, never costs a result."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import soundstage.cli

RATE = 8_000
COMMANDS = Path(soundstage.cli.__file__).parent
LISTED = """
import soundstage.cli.main, typer
@soundstage.cli.main.app.command()
def list_(text: str, error: bool = False) -> None:
    soundstage.cli.main.say(*text.split("|"), error=error)
soundstage.cli.main.run_and_exit()
"""


def run(*words, shell="", **environment):
    """Runs `say` in a process: (code, output, errors); `shell` redirects its streams."""
    line = f'"$0" -c "$1" list- "$2" {shell}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, LISTED, "|".join(words)],
        capture_output=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


def test_characters_that_the_terminal_lacks_are_escaped():
    for encoding, said in (("cp1252", rb"\u65e5.wav"), ("ascii", rb"\u65e5.wav")):
        code, out, err = run("日.wav", PYTHONIOENCODING=encoding)
        assert (code, out.strip(), err) == (0, said, b"")
    assert run("日.wav", PYTHONIOENCODING="utf-8")[1].decode().strip() == "日.wav"


def test_control_characters_do_not_reach_the_terminal():
    code, out, _ = run("\x1b]0;title\x07.wav", "a\u202eb\nc")
    assert code == 0
    assert out.splitlines() == [rb"\x1b]0;title\x07.wav", rb"a\u202eb\nc"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_device_is_one_sentence_and_a_closed_stream_none():
    code, _, err = run("a", shell=">/dev/full")
    assert code == 2
    assert err.startswith(b"soundstage: standard output cannot be written (No space left")
    assert err.count(b"\n") == 1
    assert run("a", "--error", shell="2>/dev/full")[0] == 0
    for closed in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        code, out, err = run("a", shell=closed)
        assert (code, err) == (0, b""), closed
        assert out == (b"" if ">&- " in closed + " " and closed != "2>&-" else b"a\n"), closed


def test_a_reader_that_is_gone_ends_the_program_without_a_word():
    line = '{ "$0" -c "$1" list- "$2"; echo $? >&2; } | true'
    words = [sys.executable, LISTED, "|".join(["line"] * 3_000)]  # more than a buffer
    done = subprocess.run(["sh", "-c", line, *words], capture_output=True, check=True)
    assert done.stderr == b"141\n"  # 128 + SIGPIPE


def test_no_command_prints_foreign_text_raw():
    """`say` escapes it; the others print JSON, whose strings are escaped, or constants."""
    allowed = {"console.py": 1, "streams.py": 1, "main.py": 1, "batch.py": 3, "analyze.py": 4}
    for path in COMMANDS.glob("*.py"):
        count = len(re.findall(r"(?<![_\w])print\(", path.read_text(encoding="utf-8")))
        assert count <= allowed.get(path.name, 0), path.name


@pytest.mark.slow
def test_results_are_whole_where_nothing_can_be_printed(tmp_path):
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, 2 * RATE)
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    for name, streams, code in (("one", ">&- 2>&-", 0), ("two", ">/dev/full 2>/dev/full", 2)):
        line = f'"$0" -m soundstage upmix a.wav -m comb -o {name}.wav {streams}'
        run = subprocess.run(["sh", "-c", line, sys.executable], cwd=tmp_path)
        assert run.returncode == code
    assert soundfile.info(tmp_path / "one.wav").frames == len(sound)
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "one.wav", "two.wav"]
