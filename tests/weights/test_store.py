import contextlib
import hashlib
import json
import pickle
import random
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from soundstage.errors import OutputError, SoundstageError, WeightsError
from soundstage.weights import list_models, model_card
from soundstage.weights.model import factored, load_weights, save_weights, store


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    tensors = {
        "keys": torch.arange(12, dtype=torch.uint8).reshape(3, 4),
        "gains": torch.tensor([0.5, -1.0]),
    }
    save_weights(path, "tiny", tensors)
    return path


def refused(path: str | Path, *says: str, family: str = "tiny") -> None:
    """Loading fails with one sentence that holds each of `says`."""
    with pytest.raises(WeightsError) as caught:
        load_weights(path, family)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    for part in says:
        assert part in message


def test_weights_come_back_as_they_were_saved(saved: Path) -> None:
    weights = load_weights(saved, "tiny")
    keys = weights.tensor("keys", torch.uint8, (None, 4))
    assert torch.equal(keys, torch.arange(12, dtype=torch.uint8).reshape(3, 4))
    assert weights.tensor("gains", torch.float32, (2,)).tolist() == [0.5, -1.0]
    assert weights.source == str(saved)


def test_a_path_may_be_a_string(saved: Path) -> None:
    assert load_weights(str(saved), "tiny").family == "tiny"


def test_the_same_tensors_make_the_same_file(saved: Path) -> None:
    before, tensors = saved.read_bytes(), load_weights(saved, "tiny").tensors
    save_weights(saved, "tiny", dict(reversed(tensors.items())))
    assert saved.read_bytes() == before


def test_a_view_is_saved_as_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "view.safetensors"
    save_weights(path, "tiny", {"turned": torch.arange(6).reshape(2, 3).T})
    turned = load_weights(path, "tiny").tensor("turned", torch.int64, (3, 2))
    assert turned.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    digest = save_weights(path, "tiny", {"a": torch.zeros(3)})
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_saving_leaves_nothing_else_and_replaces_the_old(saved: Path) -> None:
    save_weights(saved, "tiny", {"keys": torch.zeros(1)})
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert list(load_weights(saved, "tiny").tensors) == ["keys"]


def test_saving_into_no_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        save_weights(tmp_path / "none" / "a.safetensors", "tiny", {"a": torch.zeros(1)})


def test_another_family_is_refused(saved: Path) -> None:
    refused(saved, "'nearest/1'", "'tiny/1'", family="nearest")


def test_a_strangers_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stranger.safetensors"
    save_file({"keys": torch.zeros(3, 4)}, path)
    refused(path, "'nothing'", str(path))


def test_another_layout_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LAYOUT_VERSION", "2")
    refused(saved, "'tiny/2'", "'tiny/1'")


def test_a_missing_tensor_is_named(saved: Path) -> None:
    with pytest.raises(WeightsError, match="no tensor 'values'"):
        load_weights(saved, "tiny").tensor("values", torch.uint8, (3, 4))


@pytest.mark.parametrize("shape", [(4, 3), (3,), (3, 4, 1), (None,), (None, 5), ()])
def test_a_wrong_shape_is_refused(saved: Path, shape: tuple[int | None, ...]) -> None:
    with pytest.raises(WeightsError, match="3 × 4"):
        load_weights(saved, "tiny").tensor("keys", torch.uint8, shape)


def test_a_wrong_type_is_refused(saved: Path) -> None:
    with pytest.raises(WeightsError, match=r"torch\.int64.*torch\.uint8"):
        load_weights(saved, "tiny").tensor("keys", torch.int64, (3, 4))


def test_an_empty_tensor_is_no_any_length(tmp_path: Path) -> None:
    path = tmp_path / "empty.safetensors"
    save_weights(path, "tiny", {"keys": torch.zeros(0, 4)})
    with pytest.raises(WeightsError, match="any × 4"):
        load_weights(path, "tiny").tensor("keys", torch.float32, (None, 4))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "nan.safetensors"
    save_weights(path, "tiny", {"gains": torch.tensor([0.0, value])})
    with pytest.raises(WeightsError, match="no number"):
        load_weights(path, "tiny").tensor("gains", torch.float32, (2,))


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 40, -1])
def test_a_truncated_file_is_refused(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    refused(saved, "cannot be read")


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_are_refused(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "random.safetensors"
    path.write_bytes(random.Random(seed).randbytes(10 ** (seed % 4)))
    refused(path, "cannot be read")


@pytest.mark.parametrize("seed", range(30))
def test_a_file_with_a_flipped_byte_is_refused_or_read_and_never_worse(
    saved: Path, seed: int
) -> None:
    draw, content = random.Random(seed), bytearray(saved.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    saved.write_bytes(content)
    with contextlib.suppress(WeightsError):  # any other exception fails the test
        load_weights(saved, "tiny").tensor("keys", torch.uint8, (None, 4))


class _Bomb:
    def __reduce__(self):
        return (Path("/nowhere/unpickled").write_text, ("it was run",))


def test_a_pickle_under_another_name_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "pickle.safetensors"
    path.write_bytes(pickle.dumps(_Bomb()))
    refused(path, "cannot be read")
    torch.save({"keys": torch.zeros(3, 4)}, path)
    refused(path, "cannot be read")


@pytest.mark.parametrize("length", [1 << 40, (1 << 63) - 1, (1 << 64) - 1, 100_000_001])
def test_a_huge_header_is_refused_without_being_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    refused(path, "cannot be read")


def test_offsets_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "beyond.safetensors"
    header = json.dumps(
        {
            "__metadata__": {"soundstage": "tiny/1"},
            "keys": {"dtype": "F32", "shape": [1 << 30], "data_offsets": [0, 1 << 32]},
        }
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    refused(path, "cannot be read")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "There are no weights at")
    refused(tmp_path, "There are no weights at")


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    refused("unheard-of", "'unheard-of'", *list_models())
    with pytest.raises(WeightsError, match="'unheard-of'"):
        model_card("unheard-of")


def test_a_weights_error_is_one_of_ours() -> None:
    assert issubclass(WeightsError, SoundstageError)


@pytest.mark.parametrize("name", list_models())
def test_the_card_of_a_shipped_model_fits_its_file(name: str) -> None:
    card, content = model_card(name), (store.FOLDER / f"{name}.safetensors").read_bytes()
    assert card["name"] == name
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content)
    weights = load_weights(name, card["family"])
    assert card["parameters"] == sum(tensor.numel() for tensor in weights.tensors.values())


@pytest.mark.parametrize("name", list_models())
def test_a_card_says_what_a_user_must_know(name: str) -> None:
    card = model_card(name)
    for key in ("paper", "data", "recipe", "trained", "limits"):
        assert card.get(key), key


def test_every_card_has_its_weights_and_every_weights_a_card() -> None:
    assert {path.stem for path in store.FOLDER.glob("*.json")} == set(list_models())
    assert list_models()


def test_factors_give_the_matrices_again_where_they_are_read(tmp_path):
    generator = torch.Generator().manual_seed(0)
    read = torch.randn(40, 3, generator=generator) @ torch.randn(3, 64, generator=generator)
    tensors = {
        name: torch.randn(16, 64, generator=generator).half() for name in ("one", "two", "whole")
    }
    path = tmp_path / "mine.safetensors"
    save_weights(path, "mine", factored(tensors, ["one", "two"], read, 3))
    save_weights(tmp_path / "plain.safetensors", "mine", tensors)
    assert path.stat().st_size < 0.5 * (tmp_path / "plain.safetensors").stat().st_size
    again = load_weights(path, "mine").tensors
    assert sorted(again) == sorted(tensors)
    assert torch.equal(again["whole"], tensors["whole"])
    for name in ("one", "two"):
        wanted, found = (read @ each[name].float().T for each in (tensors, again))
        assert (found - wanted).abs().max() < 0.01 * wanted.abs().max()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (torch.zeros(4, 3), torch.zeros(2, 4)),
        (torch.zeros(4), torch.zeros(2, 4)),
        (torch.zeros(4, 2), torch.zeros(2)),
        (torch.zeros(1 << 16, 1), torch.zeros(1, 1 << 16)),
    ],
)
def test_factors_that_do_not_fit_or_would_fill_the_memory_are_refused(tmp_path, left, right):
    save_weights(tmp_path / "mine.safetensors", "mine", {"one.left": left, "right": right})
    with pytest.raises(WeightsError, match="factors of 'one' do not fit"):
        load_weights(tmp_path / "mine.safetensors", "mine")
