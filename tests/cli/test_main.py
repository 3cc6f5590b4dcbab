"""The command line as a whole: help, version, usage errors, options in messages."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from soundstage.cli.main import app


def test_help_lists_every_command_with_a_sentence(command):
    code, out, _ = command("--help")
    assert code == 0
    lines = [line.split() for line in out.partition("Commands:")[2].splitlines() if line]
    assert [words[0] for words in lines] == [each.name for each in app.registered_commands]
    assert all(len(words) > 3 for words in lines)


def test_every_option_has_a_help_text_and_one_spelling(command):
    flags: dict[str, set[str]] = {}
    for each in app.registered_commands:
        code, out, _ = command(each.name, "--help")
        assert code == 0
        for line in out.partition("Options:")[2].splitlines():
            words = line.split()
            if words and words[0].startswith("-"):
                flags.setdefault(each.name, set()).add(next(w for w in words if w[:2] == "--"))
    assert {"--device", "--jobs", "--overwrite", "--dry-run"} <= flags["upmix"] & flags["binaural"]
    assert "--jobs" in flags["analyze"] & flags["evaluate"] & flags["simulate"] & flags["prepare"]
    assert not {"--workers", "--heads"} & set.union(*flags.values())


def test_version_is_that_of_the_package():
    run = [sys.executable, "-m", "soundstage", "--version"]
    out = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert out == f"soundstage {version('soundstage')}\n"


def test_an_unknown_option_is_a_usage_error(command):
    code, _, err = command("upmix", "--frobnicate")
    assert code == 2
    assert "frobnicate" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--fly-by", 3, "--elevation", 3), "--fly-by passes at ear height: leave out --elevation"),
        (("--rt60", 0.4), "such as --room 6x4x3"),
    ],
)
def test_messages_name_options_instead_of_parameters(refused, arguments, sentence):
    assert sentence in refused("binaural", "voice.wav", *arguments)


def test_completion_can_be_installed(command):
    code, out, _ = command("--help")
    assert code == 0
    assert "--install-completion" in out
