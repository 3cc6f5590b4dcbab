"""Unfinished files of runs that were killed are removed; those of living runs never."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from soundstage import hidden_files
from soundstage.atomic_files import check_target, write_atomically
from soundstage.hidden_files import create_locked, hidden_name, open_unnamed, remove_abandoned

RUN = """
import sys, time
from soundstage.atomic_files import AtomicFile
with AtomicFile(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    hidden_files._next_listings.clear()
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def running(tmp_path):
    """A run that is in the middle of `a.txt`."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "a.txt")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_next_run_removes_what_a_killed_one_left_and_no_file_of_a_living_one(tmp_path, running):
    (hidden,) = names(tmp_path)
    write_atomically(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == [hidden, "a.txt"]
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert names(tmp_path) == [hidden, "a.txt"]
    write_atomically(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == ["a.txt"]


def test_a_refused_run_also_removes_it(tmp_path, running):
    running.kill()
    running.wait()
    assert len(names(tmp_path)) == 1
    check_target(tmp_path / "b.txt", overwrite=False)
    assert names(tmp_path) == []


def test_files_that_are_not_known_to_be_abandoned_are_kept(tmp_path):
    target = tmp_path / "a.txt"
    mine = hidden_name(target)
    kept = [".a.txt.1234abcd.part", ".a.txt.part", "a.part", ".part", "a.0123456789abcdef.part"]
    foreign = mine.name.replace("".join(hidden_files._machine()), "0" * 8)
    for name in [*kept, foreign, mine.name]:
        (tmp_path / name).touch()
    (tmp_path / mine.name.replace(".a.txt", ".folder")).mkdir()
    (tmp_path / mine.name.replace(".a.txt", ".link")).symlink_to(tmp_path / "a.part")
    remove_abandoned(tmp_path)
    assert mine.name not in names(tmp_path)
    assert len(names(tmp_path)) == len(kept) + 3


def test_where_files_cannot_be_locked_none_is_removed(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(hidden_files.fcntl, "flock", refuse)
    abandoned = hidden_name(tmp_path / "a.txt")
    abandoned.touch()
    write_atomically(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == [abandoned.name, "a.txt"]


def test_a_file_that_another_run_removed_before_it_was_locked_is_created_again(
    tmp_path, monkeypatch
):
    path = hidden_name(tmp_path / "a.txt")
    lock = hidden_files._lock

    def late(descriptor):
        monkeypatch.undo()
        remove_abandoned(tmp_path)  # of the other run
        assert not path.exists()
        return lock(descriptor)

    monkeypatch.setattr(hidden_files, "_lock", late)
    descriptor = create_locked(path)
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    os.close(descriptor)


def test_a_large_folder_is_not_listed_for_every_target(tmp_path, monkeypatch):
    listed = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(folder) or scan(folder))
    monkeypatch.setattr(hidden_files, "_SHARE", 1e-9)
    for index in range(20):
        write_atomically(tmp_path / f"{index}.txt", "")
    assert len(listed) == 1


def test_an_unnamed_file_is_not_in_the_folder(tmp_path):
    with open_unnamed(tmp_path / "a.txt") as file:
        assert names(tmp_path) == []
        file.write(b"content")
        file.seek(0)
        assert file.read() == b"content"


@pytest.mark.parametrize(
    "name", ["é" * 125 + ".wav", "a" * 255, os.fsdecode(b"a\xff\xfe.wav"), "a\nb\x1b.wav", "a.part"]
)
def test_the_hidden_name_of_any_target_is_utf_8_and_can_be_created(tmp_path, name):
    path = hidden_name(tmp_path / name)
    path.name.encode()
    assert len(path.name.encode()) <= 255
    os.close(create_locked(path))
    remove_abandoned(tmp_path)
    assert names(tmp_path) == []


def test_a_forked_process_leaves_the_unfinished_file_to_its_parent(tmp_path):
    program = """
import os, sys
from soundstage.atomic_files import AtomicFile
with AtomicFile(sys.argv[1]) as temporary:
    child = os.fork()
    if child == 0:
        sys.exit()  # runs the finalizers
    os.waitpid(child, 0)
    temporary.write_text("whole")
"""
    target = tmp_path / "a.txt"
    subprocess.run([sys.executable, "-c", program, str(target)], check=True)
    assert names(tmp_path) == ["a.txt"]
    assert target.read_text() == "whole"
