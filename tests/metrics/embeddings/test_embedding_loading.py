"""Loading of embeddings: damaged, hostile and unsuitable weights, and the hub."""

import math
import pickle
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from making_embeddings import HUB, save_clap, sounds_of
from soundstage.errors import OptionError, WeightsError
from soundstage.metrics.embeddings.clap import ClapEmbedding
from soundstage.metrics.embeddings.embedding import load_embedding


def refused(source: str, *parts: str, kind: type[Exception] = WeightsError) -> None:
    """Loading fails with one sentence with all `parts`."""
    with pytest.raises(kind) as caught:
        load_embedding(source)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    for part in parts:
        assert part in message


def test_an_unknown_name_is_refused_with_a_list_of_names() -> None:
    for source in ("", "openl3", "VGGish=a.safetensors"):
        refused(
            source,
            "tagger",
            "bands",
            "vggish=",
            "panns=",
            "efficientat=",
            "clap=",
            kind=OptionError,
        )


def test_missing_and_superfluous_weights_are_refused() -> None:
    refused("vggish", "'vggish'", "vggish=FILE.safetensors", kind=OptionError)
    refused("clap=", "'clap'", "clap=FOLDER", kind=OptionError)
    refused("bands=a.safetensors", "built in", kind=OptionError)


@pytest.mark.parametrize("name", ["vggish", "panns"])
def test_other_files_are_refused_and_never_unpickled(name: str, tmp_path: Path) -> None:
    refused(f"{name}={tmp_path}/none.safetensors", "There are no weights at")
    refused(f"{name}={tmp_path}", "There are no weights at")
    path = tmp_path / "wrong.safetensors"
    for content in (b"", b"RIFF....WAVE", pickle.dumps({"a": 1})):
        path.write_bytes(content)
        refused(f"{name}={path}", str(path), "no valid safetensors file")
    torch.save({"a": torch.zeros(1)}, path)
    refused(f"{name}={path}", "no valid safetensors file")
    checkpoint = path.rename(tmp_path / "Cnn14_mAP=0.431.pth")
    refused(f"{name}={checkpoint}", "Cnn14_mAP=0.431.pth", "soundstage docs embeddings")


def first_of(name: str) -> str:
    return {
        "vggish": "features.3.weight",
        "panns": "conv_block2.conv1.weight",
        "efficientat": "features.2.block.0.0.weight",
    }[name]


@pytest.mark.parametrize("name", ["vggish", "panns", "efficientat"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensor: None, "no tensor"),
        (lambda tensor: tensor[1:], "should be"),
        (lambda tensor: torch.full_like(tensor, math.nan), "not finite"),
        (lambda tensor: tensor.to(torch.int32), "should be"),
    ],
)
def test_a_wrong_tensor_is_named(name: str, change, says: str, places, tmp_path: Path) -> None:
    tensors = load_file(places[name].removeprefix(f"{name}="))
    changed = change(tensors.pop(first_of(name)))
    if changed is not None:
        tensors[first_of(name)] = changed.contiguous()
    save_file(tensors, tmp_path / "changed.safetensors")
    refused(f"{name}={tmp_path}/changed.safetensors", repr(first_of(name)), says)


def test_weights_of_another_network_are_refused(places) -> None:
    refused(places["vggish"].replace("vggish=", "panns="), "no panns weights")
    refused(places["panns"].replace("panns=", "vggish="), "no vggish weights")


def test_a_checkpoint_of_efficientat_is_read_as_its_safetensors(
    places, embeddings, tmp_path: Path
) -> None:
    tensors = load_file(places["efficientat"].removeprefix("efficientat="))
    torch.save(tensors, tmp_path / "mn01_as.pt")
    found = load_embedding(f"efficientat={tmp_path}/mn01_as.pt").embed(sounds_of("efficientat"))
    assert torch.equal(found, embeddings["efficientat"].embed(sounds_of("efficientat")))
    torch.save({**tensors, "a": Path("b")}, tmp_path / "other.pt")
    refused(f"efficientat={tmp_path}/other.pt", "no checkpoint of plain tensors")
    refused(f"efficientat={HUB}/mn01_as.pt", "soundstage docs embeddings")


def test_efficientat_of_an_impossible_width_is_refused(places, tmp_path: Path) -> None:
    tensors = load_file(places["efficientat"].removeprefix("efficientat="))
    tensors["features.16.0.weight"] = torch.zeros(100, 16, 1, 1)
    save_file(tensors, tmp_path / "odd.safetensors")
    refused(f"efficientat={tmp_path}/odd.safetensors", "no efficientat weights", "100 channels")


def test_weights_of_the_16_khz_network_are_refused(places, tmp_path: Path) -> None:
    tensors = load_file(places["panns"].removeprefix("panns="))
    tensors["logmel_extractor.melW"] = torch.zeros(257, 64)
    save_file(tensors, tmp_path / "16k.safetensors")
    refused(f"panns={tmp_path}/16k.safetensors", "'logmel_extractor.melW'", "513 × 64")


def test_weights_with_undefined_outputs_are_refused(places, tmp_path: Path) -> None:
    tensors = load_file(places["panns"].removeprefix("panns="))
    tensors["bn0.running_var"] = torch.full((64,), -1.0)
    save_file(tensors, tmp_path / "negative.safetensors")
    refused(f"panns={tmp_path}/negative.safetensors", "not finite")


def test_weights_in_half_precision_are_accepted(places, embeddings, tmp_path: Path) -> None:
    tensors = load_file(places["vggish"].removeprefix("vggish="))
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(halves, tmp_path / "half.safetensors")
    found = load_embedding(f"vggish={tmp_path}/half.safetensors").embed(sounds_of("vggish"))
    torch.testing.assert_close(
        found, embeddings["vggish"].embed(sounds_of("vggish")), atol=1e-2, rtol=0.1
    )


def test_a_folder_without_a_clap_model_is_refused(places, tmp_path: Path) -> None:
    refused(f"clap={tmp_path}/none", "no CLAP model", "config.json")
    refused(f"clap={tmp_path}", "no CLAP model", "config.json")
    save_clap(tmp_path / "clap", fused=False)
    weights = tmp_path / "clap" / "model.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if name.startswith("audio_projection"))
    save_file({k: v for k, v in tensors.items() if k != name}, weights)
    refused(f"clap={tmp_path}/clap", name)
    save_file({**tensors, name: tensors[name][None].clone()}, weights)
    refused(f"clap={tmp_path}/clap", name)
    save_file({**tensors, name: torch.full_like(tensors[name], math.nan)}, weights)
    refused(f"clap={tmp_path}/clap", "not finite")
    weights.rename(weights.with_name("pytorch_model.bin"))
    refused(f"clap={tmp_path}/clap", "no CLAP model", "model.safetensors")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("preprocessor_config.json", "48000", "44100"),
        ("preprocessor_config.json", '"rand_trunc"', '"fusion"'),
        ("preprocessor_config.json", '"hop_length": 480', '"hop_length": 0'),
        ("config.json", '"depths"', '"depth"'),
        ("config.json", "{", "["),
    ],
)
def test_a_clap_model_with_other_settings_is_refused(
    file: str, old: str, new: str, tmp_path: Path
) -> None:
    save_clap(tmp_path, fused=False)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), encoding="utf-8")
    refused(f"clap={tmp_path}", str(tmp_path))


@pytest.mark.parametrize("place", ["hub:a/b", "hub:a/b/c.txt", "hub:/b/c"])
def test_a_hub_file_needs_owner_repository_and_name(place: str) -> None:
    refused(f"panns={place}", "hub:OWNER/REPOSITORY/FILE.safetensors", kind=OptionError)


def test_a_checkpoint_on_the_hub_is_not_downloaded() -> None:
    refused(f"vggish={HUB}/vggish.pth", "soundstage docs embeddings")


def test_a_file_is_loaded_from_the_hub(places, embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    requests = []

    def fetch(repository: str, name: str) -> str:
        requests.append((repository, name))
        return places["vggish"].removeprefix("vggish=")

    monkeypatch.setattr(hub, "hf_hub_download", fetch)
    found = load_embedding(f"vggish={HUB}/folder/vggish.safetensors")
    assert requests == [("somebody/something", "folder/vggish.safetensors")]
    assert torch.equal(
        found.embed(sounds_of("vggish")), embeddings["vggish"].embed(sounds_of("vggish"))
    )


def test_an_unreachable_hub_is_reported_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    refused(f"vggish={HUB}/vggish.safetensors", "vggish.safetensors of somebody/something")
    refused(f"clap={HUB}", "somebody/something")
    with pytest.raises(WeightsError, match="somebody/something"):
        ClapEmbedding.load(HUB, local_files_only=True)


@pytest.mark.parametrize(
    ("library", "source"),
    [("huggingface_hub", f"vggish={HUB}/a.safetensors"), ("transformers", f"clap={HUB}")],
)
def test_a_missing_package_is_an_option_error_that_names_the_extra(
    library: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    refused(
        source,
        library,
        f"pip install {library}, or install Soundstage with its extra embeddings",
        kind=OptionError,
    )
