"""Checkpoints of other projects: plain tensors are taken, everything else is refused unopened."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from soundstage.errors import WeightsError
from soundstage.weights.external import load_checkpoint_tensors


def refused(path: Path, says: str, key: str | None = None) -> None:
    with pytest.raises(WeightsError) as caught:
        load_checkpoint_tensors(path, key)
    message = str(caught.value)
    assert says in message
    assert message.endswith(".")
    assert "\n" not in message


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_tensors_of_a_checkpoint_are_read_in_single_precision(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.arange(3.0).half(), "steps": torch.tensor(7)}
    torch.save(tensors, tmp_path / "a.pt")
    found = load_checkpoint_tensors(tmp_path / "a.pt")
    assert found["a.weight"].dtype == torch.float32
    assert found["a.weight"].tolist() == [0, 1, 2]
    assert found["steps"].item() == 7


def test_an_entry_of_a_checkpoint_is_selected_by_its_key(tmp_path: Path) -> None:
    torch.save({"generator": {"a": torch.ones(2)}, "epoch": 3}, tmp_path / "g.ckpt")
    assert load_checkpoint_tensors(tmp_path / "g.ckpt", "generator")["a"].tolist() == [1, 1]
    refused(tmp_path / "g.ckpt", "no table of named tensors")
    refused(tmp_path / "g.ckpt", "'discriminator'", "discriminator")


def test_a_safetensors_file_is_read_as_well(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    assert load_checkpoint_tensors(tmp_path / "a.safetensors")["a"].tolist() == [1, 1]


def test_a_checkpoint_with_a_program_is_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    torch.save({"a": Trap(target)}, tmp_path / "trap.pt")
    refused(tmp_path / "trap.pt", "no checkpoint of plain tensors")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Trap(target)))
    refused(tmp_path / "old.pth", "no checkpoint of plain tensors")
    assert not target.exists()


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"PK\x03\x04broken"])
def test_a_damaged_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    refused(tmp_path / "a.pt", "no checkpoint of plain tensors")


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.pt", "There are no weights at")
