"""The family of a weights file."""

import json
import struct
from pathlib import Path

import pytest

from soundstage.errors import WeightsError
from soundstage.upmixing import METHODS, Upmixer
from soundstage.upmixing.registry import DEFAULT_METHOD, method_for
from soundstage.weights.cards import list_models, model_path
from soundstage.weights.family import read_family


def write(path: Path, header: object) -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content)
    return path


def test_every_pretrained_model_has_one() -> None:
    families = {name: read_family(model_path(name)) for name in list_models()}
    assert families["nearest"] == "nearest"
    assert families["binauralgrad-tuned"] == "binauralgrad"


def test_weights_tell_the_method_of_upmix() -> None:
    for name in ("masked", "autoregressive", "diffusion", "nearest", "regression", "decorrelate"):
        assert method_for(None, str(model_path(name))) == name
    assert method_for("comb", str(model_path("decorrelate"))) == "comb"
    assert method_for(None, None) == DEFAULT_METHOD
    assert DEFAULT_METHOD in METHODS
    path = model_path("regression")
    assert Upmixer.from_pretrained(weights=path).name == "regression"
    with pytest.raises(WeightsError, match="no method"):
        method_for(None, str(model_path("warpnet")))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[" * 100_000,
        {},
        {"__metadata__": None},
        {"__metadata__": {"soundstage": "{"}},
        {"__metadata__": {"soundstage": "[]"}},
        {"__metadata__": {"soundstage": json.dumps({"family": 3})}},
    ],
)
def test_a_damaged_header_is_one_sentence(tmp_path: Path, header: object) -> None:
    with pytest.raises(WeightsError, match=r"x\.safetensors"):
        read_family(write(tmp_path / "x.safetensors", header))


def test_no_file_and_a_huge_header_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(WeightsError, match="no weights"):
        read_family(path)
    for content in (b"", b"1234", struct.pack("<Q", 1 << 60) + b"{}"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="not weights of Soundstage"):
            read_family(path)
