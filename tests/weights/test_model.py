import contextlib
import hashlib
import json
import pickle
import random
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from soundstage.errors import OutputError, WeightsError
from soundstage.networks.models.binaural_grad import BinauralGradConfig
from soundstage.networks.models.binaural_wavenet import BinauralWaveNetConfig, WarpNetConfig
from soundstage.networks.models.side_diffusion import SideDiffusionConfig
from soundstage.networks.models.stereo_autoregression import StereoAutoregressionConfig
from soundstage.networks.models.stereo_regression import StereoRegressionConfig
from soundstage.networks.models.stereo_tokens import StereoTokensConfig
from soundstage.networks.models.tagger import TaggerConfig
from soundstage.weights import list_models, model_card
from soundstage.weights.config import LowRank, ModelConfig, bounded
from soundstage.weights.model import load_model, load_weights, save_model, save_weights

CONFIGS = [
    StereoTokensConfig,
    StereoAutoregressionConfig,
    StereoRegressionConfig,
    SideDiffusionConfig,
    BinauralWaveNetConfig,
    WarpNetConfig,
    BinauralGradConfig,
    TaggerConfig,
]
NETWORKS = {
    name: config
    for name in list_models()
    for config in CONFIGS
    if config.family == model_card(name)["family"]
}


class Tiny(nn.Module):
    def __init__(self, config: "TinyConfig") -> None:
        super().__init__()
        self.inner = nn.Linear(config.dim, config.dim)
        self.null = nn.Parameter(0.02 * torch.randn(config.dim))
        self.outer = nn.Linear(config.dim, 2, bias=False)
        nn.init.xavier_uniform_(self.outer.weight)
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("window", torch.hann_window(8), persistent=False)


@dataclass(frozen=True, kw_only=True)
class TinyConfig(ModelConfig):
    family: ClassVar[str] = "tiny"

    dim: int = bounded(1, 1 << 14)
    compressed: bool = False

    def build(self) -> Tiny:
        return Tiny(self)

    def low_rank(self, state):
        if not self.compressed:
            return None
        return LowRank(["inner.weight"], torch.eye(self.dim)[:3], 3)


@dataclass(frozen=True, kw_only=True)
class LaterConfig(TinyConfig):
    """The same network, of a version with one more field."""

    heads: int = bounded(1, 8, 4)


CONFIG = TinyConfig(dim=4)


def network(config: TinyConfig = CONFIG, seed: int = 0) -> Tiny:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = config.build()
        made.norm.running_mean.normal_()
    return made


def save(path: Path, config: TinyConfig = CONFIG, **further: Tensor) -> dict[str, Tensor]:
    state = network(config).state_dict()
    save_model(path, config, state, further)
    return state


def rewrite(path: Path, about: object, **changes: Tensor | None) -> None:
    """The same file with another header, and with other tensors or without some."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        kept = json.loads(file.metadata()["soundstage"])
    tensors |= {name.replace("__", "."): tensor for name, tensor in changes.items()}
    header = about if isinstance(about, str) else json.dumps({**kept, **about})
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(tensors, path, metadata={"soundstage": header})


def refused(path: str | Path, message: str, kind: type[ModelConfig] = TinyConfig) -> None:
    """Loading fails with one sentence."""
    with pytest.raises(WeightsError, match=message) as caught:
        load_model(path, kind)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiny.safetensors"


def test_a_saved_network_is_loaded_ready_for_inference(path):
    state = save(path, prior=torch.tensor([0.1], dtype=torch.float64))
    model = load_model(str(path), TinyConfig)
    assert model.config == CONFIG
    assert not model.network.training
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    for name, value in model.network.named_parameters():
        assert torch.equal(value, state[name].half().float())
    assert torch.equal(model.network.norm.running_mean, state["norm.running_mean"])
    assert model.weights.tensor("prior", torch.float64, (1,)).item() == 0.1
    assert list(model.weights.tensors) == ["prior"]
    assert model.source == str(path)


def test_the_same_network_makes_the_same_file_with_its_digest(path, tmp_path):
    state = network().state_dict()
    digest = save_model(path, CONFIG, state)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    other = tmp_path / "other.safetensors"
    save_model(other, CONFIG, dict(reversed(state.items())))
    assert other.read_bytes() == path.read_bytes()
    assert {each.name for each in tmp_path.iterdir()} == {"tiny.safetensors", "other.safetensors"}


def test_a_state_of_another_network_is_not_saved(path):
    with pytest.raises(ValueError, match="not that of a tiny network"):
        save_model(path, CONFIG, {"inner.weight": torch.zeros(4, 4)})
    assert not path.exists()


def test_saving_into_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        save(tmp_path / "file" / "tiny.safetensors")


def test_a_new_field_leaves_existing_files_valid(path):
    state = save(path)
    model = load_model(path, LaterConfig)
    assert model.config == LaterConfig(dim=4, heads=4)
    assert torch.equal(model.network.null, state["null"].half().float())


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"family": "huge"}, "weights of 'huge', not of 'tiny'"),
        ({"format": 3}, "format 3 of a newer version; this one reads format 2"),
        ("tiny/1", "format 1, of an earlier version"),
        ("nonsense", "header, line 1: is not JSON"),
        ("[" * 100_000, "header: is nested too deeply"),
        ("[2]", "header of the weights is damaged"),
        ({"config": None}, "header of the weights is damaged"),
        ({"config": {}}, "the field 'dim' is missing"),
        ({"config": {"dim": 4, "later": 1}}, "'later' is unknown; a newer version"),
        ({"config": {"dim": 1 << 40}}, "dim is 1 to 16,384"),
        ({"config": {"dim": 5}}, "should be 5 of floating point and is 4"),
        ({"config": {"dim": 1 << 14}}, "more parameters than the file holds"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(path, about, message):
    save(path)
    rewrite(path, about)
    refused(path, message)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (None, "no tensor 'null'"),
        (torch.zeros(5), "should be 4 of floating point and is 5"),
        (torch.zeros(4, dtype=torch.int64), "should be 4 of floating point"),
        (torch.tensor([0, 0, 0, torch.nan]), "'null' is not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(path, tensor, message):
    save(path)
    rewrite(path, {}, null=tensor)
    refused(path, message)


def test_files_of_other_programs_are_refused(path):
    save_file({"null": torch.zeros(4)}, path)
    refused(path, "not weights of Soundstage")


def test_a_missing_file_a_folder_and_an_unknown_name_are_refused(path, tmp_path):
    refused(path, "There are no weights at")
    refused(tmp_path, "There are no weights at")
    refused("unknown", "no pretrained model 'unknown'")


def test_low_rank_matrices_are_stored_as_products(path, tmp_path):
    config = TinyConfig(dim=64, compressed=True)
    state = save(path, config)
    save(tmp_path / "plain.safetensors", TinyConfig(dim=64))
    assert path.stat().st_size < 0.5 * (tmp_path / "plain.safetensors").stat().st_size
    found = load_model(path, TinyConfig).network.inner.weight
    assert torch.equal(found[:, :3], state["inner.weight"][:, :3].half().float())
    assert not found[:, 3:].any()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (torch.zeros(4, 3), torch.zeros(2, 4)),
        (torch.zeros(4), torch.zeros(2, 4)),
        (torch.zeros(4, 2), torch.zeros(2)),
        (torch.zeros(1 << 16, 1), torch.zeros(1, 1 << 16)),
    ],
)
def test_factors_that_do_not_fit_or_are_too_large_are_refused(path, left, right):
    save_weights(path, "table", {"one.left": left, "right": right})
    with pytest.raises(WeightsError, match="factors of 'one' do not fit"):
        load_weights(path, "table")


def test_a_table_is_a_file_without_a_network(path):
    transposed = torch.arange(6).reshape(2, 3).T
    save_weights(path, "table", {"keys": transposed})
    weights = load_weights(path, "table")
    assert torch.equal(weights.tensor("keys", torch.int64, (None, 2)), transposed)
    with pytest.raises(WeightsError, match=r"should be any × 3 of torch\.int64 and is 3 × 2"):
        weights.tensor("keys", torch.int64, (None, 3))
    with pytest.raises(WeightsError, match=r"of torch\.uint8"):
        weights.tensor("keys", torch.uint8, (3, 2))
    save_weights(path, "table", {"keys": torch.zeros(0, 2)})
    with pytest.raises(WeightsError, match="any × 2"):
        load_weights(path, "table").tensor("keys", torch.float32, (None, 2))


@pytest.mark.parametrize("kept", [0, 7, 8, 40, -1])
def test_a_truncated_file_is_refused(path, kept):
    save(path)
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "cannot be read")


@pytest.mark.parametrize("length", [1 << 40, (1 << 64) - 1, 100_000_001])
def test_a_huge_header_is_refused_without_being_read(path, length):
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    refused(path, "cannot be read")


def test_a_file_with_flipped_bits_is_refused_or_read(path):
    save(path)
    whole = path.read_bytes()
    for seed in range(40):
        chosen, content = random.Random(seed), bytearray(whole)
        content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)
        with contextlib.suppress(WeightsError):  # any other exception fails the test
            load_model(path, TinyConfig)


class _Bomb:
    def __reduce__(self):
        return (Path("/nowhere/unpickled").write_text, ("it was run",))


def test_a_pickle_under_another_name_is_refused_and_not_run(path):
    path.write_bytes(pickle.dumps(_Bomb()))
    refused(path, "cannot be read")
    torch.save({"null": torch.zeros(4)}, path)
    refused(path, "cannot be read")


def test_loading_leaves_the_random_state_and_the_default_dtype_alone(path):
    save(path)
    expected = load_model(path, TinyConfig).network
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        found = load_model(path, TinyConfig).network
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found.window, expected.window)
    for name, value in expected.state_dict().items():
        assert found.state_dict()[name].dtype == value.dtype
        assert torch.equal(found.state_dict()[name], value)


def test_further_tensors_and_the_network_go_to_the_device(path):
    save(path, prior=torch.zeros(3))
    model = load_model(path, TinyConfig, "meta")
    assert model.network.null.is_meta
    assert model.weights.tensors["prior"].is_meta


@pytest.mark.parametrize("name", NETWORKS)
def test_every_pretrained_network_is_loaded(name):
    model = load_model(name, NETWORKS[name])
    state = model.network.state_dict()
    assert all(value.isfinite().all() for value in state.values())
    assert replace(model.config) == model.config


def test_loading_imports_no_compiler():
    program = """
import sys
from soundstage.networks.models.stereo_tokens import StereoTokensConfig
from soundstage.weights.model import load_model
load_model("masked", StereoTokensConfig)
sys.exit("torch._dynamo" in sys.modules or "sympy" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
