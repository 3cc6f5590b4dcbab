import json
import sys

import pytest

from soundstage import parallel
from soundstage.cli.main import main


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command line in this process: (exit code, standard output, standard error).

    By default there is a single job; worker processes take a second to start.
    """

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["soundstage", *map(str, arguments)])
        monkeypatch.setattr(parallel, "available_cores", lambda: 1)
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def records():
    """Parses the lines of `--json`: records by status, checked against the summary."""

    def parse(text):
        *lines, summary = (
            json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()
        )
        assert summary.pop("status") == "summary"
        found = {"done": [], "skipped": [], "failed": []}
        for line in lines:
            found.setdefault(line.pop("status"), []).append(line)
        sources = {status: {each["source"] for each in found[status]} for status in summary}
        assert summary == {status: len(sources[status]) for status in sources}
        return found

    return parse


@pytest.fixture
def refused(command):
    """Runs a command that has to refuse in one sentence, and returns it."""

    def run(*arguments):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("soundstage: ")
        assert err.count("\n") == 1
        assert len(err) < 500
        assert "`" not in err
        return err

    return run


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of half a megabyte, where one can be mounted."""
    import subprocess

    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user cannot mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
