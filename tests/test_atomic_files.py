import errno
import gc
import os
import signal
from pathlib import Path

import pytest

from soundstage import atomic_files, interruption
from soundstage.atomic_files import AtomicFile, check_target, write_atomically
from soundstage.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(error: Exception):
    def refusing(*_args, **_more):
        raise error

    return refusing


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    with AtomicFile(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        (hidden,) = names(tmp_path)
        assert hidden.startswith(".a.txt.")
        assert hidden.endswith(".part")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_everything_unchanged(tmp_path, failure):
    (tmp_path / "a.txt").write_text("old")

    def fail():
        with AtomicFile(tmp_path / "a.txt") as temporary:
            temporary.write_text("new")
            raise failure

    with pytest.raises(failure):
        fail()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_dropped_file_leaves_nothing(tmp_path):
    file = AtomicFile(tmp_path / "a.txt")
    file.create()
    assert names(tmp_path)
    del file
    gc.collect()
    assert names(tmp_path) == []


def test_an_interrupt_before_the_block_leaves_nothing(tmp_path, monkeypatch):
    create = atomic_files.create_locked

    def interrupted(path):
        os.close(create(path))
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_files, "create_locked", interrupted)
    with pytest.raises(KeyboardInterrupt), AtomicFile(tmp_path / "a.txt"):
        pass
    monkeypatch.undo()
    gc.collect()
    assert names(tmp_path) == []


@pytest.mark.parametrize("links", [True, False])
def test_without_overwriting_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", refuse(OSError(errno.EPERM, "no links here")))
    with AtomicFile(tmp_path / "a.txt", overwrite=False) as temporary:
        temporary.write_text("first")
    with (
        pytest.raises(OutputError, match="exists"),
        AtomicFile(tmp_path / "a.txt", overwrite=False) as temporary,
    ):
        temporary.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


def test_after_a_signal_nothing_gets_its_name(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(interruption._state, "number", signal.SIGTERM)
    with pytest.raises(interruption.Interrupted) as stop:
        write_atomically(tmp_path / "a.txt", "new")
    assert stop.value.code == 128 + signal.SIGTERM
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", refuse(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OutputError, match=r"a\.txt cannot be written: the disk is full"):
        write_atomically(tmp_path / "a.txt", "text")
    assert names(tmp_path) == []


def test_names_of_the_greatest_length_can_be_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".txt")
    write_atomically(path, "é")
    assert path.read_text(encoding="utf-8") == "é"


def test_a_new_file_has_the_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.txt", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_missing_folders_are_made_with_the_file(tmp_path):
    write_atomically(tmp_path / "new" / "folders" / "a.txt", "text")
    assert (tmp_path / "new" / "folders" / "a.txt").read_text() == "text"


def test_impossible_targets_are_refused_beforehand(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").touch()
    for target, said in (
        ("sub", "is a folder"),
        ("a.txt/b.txt", "is not a folder"),
        ("a.txt", "exists"),
    ):
        with pytest.raises(OutputError, match=said):
            check_target(tmp_path / target, overwrite=False)
    check_target(tmp_path / "a.txt", overwrite=True)
    check_target(tmp_path / "new" / "folders" / "a.txt", overwrite=False)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(OutputError, match="read-only"):
        check_target(tmp_path / "b.txt", overwrite=True)
