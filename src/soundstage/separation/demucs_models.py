"""Networks of the package demucs, from safetensors files alone.

A model is a bag: NAME.yaml lists the networks (`models`), what each counts for each source
(`weights`), and the length of a segment; beside it lie the networks, SIGNATURE.safetensors, whose
headers name their class and arguments. Version 4.1 of demucs and its repositories on the hub have
this layout. Its loader imports whatever class a header names: here the class has to be one of the
three of the package, and its arguments plain values. Checkpoints of older versions (.th) are
pickled programs, and are never opened.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from soundstage.errors import OptionError, WeightsError, missing_extra, quoted, reason
from soundstage.text_files import TextKind, parse_json, read_yaml

DEFAULT_MODEL = "htdemucs"
NAMESPACE = "adefossez"  # of the published models on the hub
CLASSES = {
    "demucs.htdemucs.HTDemucs": "demucs.htdemucs",
    "demucs.hdemucs.HDemucs": "demucs.hdemucs",
    "demucs.demucs.Demucs": "demucs.demucs",
}
"""Classes that a header may name, and their modules."""
PICKLED = (".th", ".pt", ".pth", ".ckpt", ".bin")
_BAG = TextKind("a bag of demucs", 1 << 16, WeightsError)


class Bag(NamedTuple):
    """Networks with the same sources."""

    networks: list[Any]
    weights: list[list[float]]
    """Of every network for every source."""
    source: str
    """Where they come from, for messages."""

    @property
    def names(self) -> list[str]:
        """Of the sources, in the order of the outputs."""
        return list(self.networks[0].sources)


def load_bag(weights: str | None, device: torch.device | str) -> Bag:
    """A model by name, by its folder, or a single network by its file.

    Args:
        weights: such as "htdemucs_ft" or "OWNER/NAME" (of the hub, downloaded if necessary), a
            folder with one NAME.yaml and its networks, or a safetensors file; by default
            `DEFAULT_MODEL`.
        device: of the networks.

    Raises:
        OptionError: the package is not installed.
        WeightsError: the weights are missing, damaged, no safetensors, or no networks of demucs.
    """
    source = weights or DEFAULT_MODEL
    if source.endswith(PICKLED):
        raise WeightsError(
            f"{source} is a pickled checkpoint, which can run programs when opened: use a model of "
            "demucs 4.1 or later, in safetensors."
        )
    path = Path(source).expanduser()
    if path.is_dir():
        found = sorted(path.glob("*.yaml"))
        if len(found) != 1:
            raise WeightsError(f"{path} holds {len(found)} bags (.yaml) of demucs, not one.")
        return _bag(found[0], lambda name: path / name, device)
    if source.endswith(".safetensors"):
        network = _load_network(path, device)
        return Bag([network], [[1.0] * len(network.sources)], source)
    if os.sep in source and source.count("/") != 1:
        raise WeightsError(f"There are no weights at {source}.")
    return _from_hub(source, device)


def _from_hub(name: str, device: torch.device | str) -> Bag:
    """A published model, from the hub or its cache."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise missing_extra("embeddings", "huggingface_hub", "The Hugging Face hub") from error
    owner, _, short = name.rpartition("/")
    title = "HTDemucs" + short.removeprefix("htdemucs").replace("_", "-", 1)
    repository = f"{owner or NAMESPACE}/" + (
        title if short.startswith("htdemucs") else f"Demucs-{short}"
    )

    def download(file: str) -> Path:
        try:
            return Path(hf_hub_download(repository, file))
        except Exception as error:  # network, cache and hub each have exceptions of their own
            raise WeightsError(
                f"{file} of {repository} cannot be downloaded ({reason(error)}); name a folder or "
                "a file of demucs as `weights`."
            ) from error

    _classes()  # before anything is downloaded
    return _bag(download(f"{short}.yaml"), download, device)


def _bag(path: Path, find: Callable[[str], Path], device: torch.device | str) -> Bag:
    """The bag of a YAML file; `find` gives the paths of its networks."""
    content = read_yaml(path, _BAG)
    signatures = content.get("models") if isinstance(content, dict) else None
    plain = isinstance(signatures, list) and all(
        isinstance(each, str) and each.isalnum() for each in signatures
    )
    if not plain or not signatures:
        raise WeightsError(f"{path}: `models` of a bag of demucs is a list of signatures.")
    networks = [_load_network(find(f"{each}.safetensors"), device) for each in signatures]
    bag = Bag(networks, content.get("weights"), str(path))
    count = len(bag.names)
    if any(
        (network.sources, network.samplerate) != (networks[0].sources, networks[0].samplerate)
        for network in networks
    ):
        raise WeightsError(f"{path}: the networks of the bag have different sources or rates.")
    if bag.weights is None:
        bag = bag._replace(weights=[[1.0] * count for _ in networks])
    if not _is_matrix(bag.weights, len(networks), count):
        raise WeightsError(
            f"{path}: `weights` of the bag are not {len(networks)} lists of {count} numbers from 0 "
            "on, with a positive one for every source."
        )
    segment = content.get("segment")
    if segment is not None:
        if not isinstance(segment, int | float) or not 0 < segment <= 600:
            raise WeightsError(f"{path}: `segment` of the bag is not a number of seconds.")
        for network in networks:
            if not hasattr(network, "use_train_segment") or segment <= network.segment:
                network.segment = segment
    return bag


def _is_matrix(weights: Any, rows: int, columns: int) -> bool:
    return (
        isinstance(weights, list)
        and len(weights) == rows
        and all(
            isinstance(row, list)
            and len(row) == columns
            and all(isinstance(each, int | float) and each >= 0 for each in row)
            for row in weights
        )
        and all(sum(column) > 0 for column in zip(*weights, strict=True))
    )


def _load_network(path: Path, device: torch.device | str) -> Any:
    """The network of a file, in evaluation mode."""
    from safetensors import SafetensorError, safe_open

    classes = _classes()
    if not path.is_file():
        raise WeightsError(f"There are no weights at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path}: the weights cannot be read ({reason(error)}).") from error
    name = header.get("klass", "")
    if name not in classes:
        raise WeightsError(
            f"{path}: the header names {quoted(name)}, which is no network of demucs."
        )
    if "structure" in header:
        raise WeightsError(f"{path}: quantized networks of demucs are not supported.")
    args = _plain(parse_json(header.get("args", "[]"), str(path), WeightsError))
    options = _plain(parse_json(header.get("kwargs", "{}"), str(path), WeightsError))
    try:
        network: nn.Module = classes[name](*args, **options)
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
        raise WeightsError(f"{path}: this is no network of demucs ({reason(error)}).") from error
    return network.to(device).eval().requires_grad_(False)


def _plain(value: Any) -> Any:
    """Arguments of a header, in which a fraction is an object."""
    if isinstance(value, Mapping):
        if value.get("_type") == "fraction":
            return Fraction(int(value["numerator"]), int(value["denominator"]))
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value


def _classes() -> dict[str, Callable[..., nn.Module]]:
    """The classes of the installed package.

    Raises:
        OptionError: it is not installed, or one of its own requirements is missing.
    """
    try:
        return {
            name: getattr(import_module(module), name.rpartition(".")[2])
            for name, module in CLASSES.items()
        }
    except ImportError as error:
        raise OptionError(
            f"The separator demucs requires demucs: pip install demucs ({reason(error)})."
        ) from error
