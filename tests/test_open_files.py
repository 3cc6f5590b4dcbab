"""The number of open files that takes need."""

import os

import pytest

from soundstage.errors import OptionError
from soundstage.open_files import ENOUGH, allow_open_files, check_open_files

resource = pytest.importorskip("resource")


@pytest.fixture
def few_files():
    """The usual limit of an old system, for this process."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(100, len(os.listdir("/dev/fd"))), limits[1]))
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_more_takes_than_open_files_are_one_sentence(few_files):
    check_open_files(1)
    with pytest.raises(OptionError, match=r"32 takes at once need \d+ open files"):
        check_open_files(32)


def test_the_command_line_asks_for_what_it_needs(few_files):
    allow_open_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == few_files[1]
    assert soft in (ENOUGH, hard)
    check_open_files(32)
