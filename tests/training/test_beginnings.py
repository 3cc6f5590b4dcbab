import hashlib

import pytest
import torch
from torch import nn

from soundstage.errors import OptionError, WeightsError
from soundstage.training.init_from import begin_at, weights_digest
from soundstage.training.loop import run_loop
from soundstage.training.recipes import LoopRecipe
from soundstage.weights import save_weights, weights_path


class Net(nn.Module):
    """A layer, and a counter that files of weights leave out."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layer = nn.Linear(3, width)
        self.counted = nn.BatchNorm1d(width)


class Task:
    """Learns nothing in one step."""

    steps_per_epoch = 1

    def __init__(self) -> None:
        self.model = Net()

    def batch(self, step):
        return (torch.ones(2, 3),)

    def loss(self, x):
        return self.model.layer(x).square().mean()

    def validate(self, model):
        return None


@pytest.fixture
def file(tmp_path) -> str:
    """Weights of a net, in half precision."""
    torch.manual_seed(3)
    tensors = {k: v.half() for k, v in Net().state_dict().items() if v.is_floating_point()}
    save_weights(tmp_path / "net.safetensors", "net", tensors)
    return str(tmp_path / "net.safetensors")


def test_a_model_is_filled_and_keeps_its_types(file) -> None:
    torch.manual_seed(3)
    written, model = Net(), Net()
    assert not torch.allclose(model.layer.weight, written.layer.weight)
    begin_at(file, model, "net")
    torch.testing.assert_close(model.layer.weight, written.layer.weight, atol=1e-3, rtol=0)
    assert model.layer.weight.dtype == torch.float32
    assert model.layer.weight.requires_grad
    assert model.counted.num_batches_tracked == 0


@pytest.mark.parametrize("width", [3, 5])
def test_weights_of_another_size_are_refused(file, width) -> None:
    with pytest.raises(WeightsError, match="layer"):
        begin_at(file, Net(width), "net")


def test_weights_of_another_family_are_refused(file) -> None:
    with pytest.raises(WeightsError, match="not weights for 'other/1'"):
        begin_at(file, Net(), "other")


def test_weights_that_leave_something_out_are_refused(tmp_path) -> None:
    path = tmp_path / "part.safetensors"
    save_weights(path, "net", {"layer.weight": torch.zeros(4, 3).half()})
    with pytest.raises(WeightsError, match=r"layer\.bias"):
        begin_at(str(path), Net(), "net")


def test_the_digest_is_that_of_the_file(file) -> None:
    shipped = hashlib.sha256(weights_path("tagger").read_bytes()).digest()
    assert weights_digest("tagger") == shipped
    assert weights_digest(file) != shipped


def run(folder, begin: str, **changes):
    recipe = LoopRecipe(
        epochs=changes.get("epochs", 1), batch=2, learning_rate=1e-9, warmup=0, begin=begin
    )
    output, cpu = folder / "out.safetensors", torch.device("cpu")
    return run_loop(Task(), recipe, output, family="net", fingerprint=bytes(32), device=cpu)


def test_a_run_begins_there(tmp_path, file) -> None:
    torch.manual_seed(3)
    written = Net()
    best = run(tmp_path, file).best
    torch.testing.assert_close(best["layer.weight"], written.layer.weight, atol=1e-3, rtol=0)


def test_a_checkpoint_of_another_beginning_is_refused(tmp_path, file) -> None:
    run(tmp_path, file)
    torch.manual_seed(4)
    tensors = {k: v.half() for k, v in Net().state_dict().items() if v.is_floating_point()}
    other = tmp_path / "other.safetensors"
    save_weights(other, "net", tensors)
    with pytest.raises(OptionError, match="another recipe"):
        run(tmp_path, str(other))
