"""Every embedding with tiny random weights."""

from pathlib import Path
from typing import TypeVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sounds import chord, noise
from soundstage.networks.models.cnn14 import Cnn14
from soundstage.networks.models.mobile_net import MobileNet
from soundstage.networks.models.vggish import VGGish

WIDTH = 4
MOBILE_WIDTH = 96  # the smallest published multiplier, 0.1
NAMES = ["bands", "vggish", "panns", "efficientat", "clap"]
WINDOW = {  # samples
    "bands": 45_056,
    "vggish": 16_000,
    "panns": 32_000,
    "efficientat": 160_000,
    "clap": 480_000,
}
SIZE = {
    "bands": 68,
    "vggish": 2 * WIDTH,
    "panns": 32 * WIDTH,
    "efficientat": MOBILE_WIDTH,
    "clap": 16,
}
HUB = "hub:somebody/something"
Network = TypeVar("Network", bound=nn.Module)


def make_places(folder: Path) -> dict[str, str]:
    """Sources for `load_embedding` of all networks, with tiny random weights."""
    torch.manual_seed(0)
    extra = {"pproc.pca_eigen_vectors": torch.eye(128), "pproc.pca_means": torch.zeros(128, 1)}
    save_file({**VGGish(WIDTH).state_dict(), **extra}, folder / "vggish.safetensors")
    extra = {
        "fc_audioset.weight": torch.zeros(527, 32 * WIDTH),
        "fc_audioset.bias": torch.zeros(527),
        "logmel_extractor.melW": torch.zeros(513, 64),
    }
    save_file({**lively(Cnn14(WIDTH)).state_dict(), **extra}, folder / "panns.safetensors")
    save_file(lively(MobileNet(MOBILE_WIDTH)).state_dict(), folder / "mn01.safetensors")
    save_clap(folder / "clap", fused=False)
    return {
        "bands": "bands",
        "vggish": f"vggish={folder}/vggish.safetensors",
        "panns": f"panns={folder}/panns.safetensors",
        "efficientat": f"efficientat={folder}/mn01.safetensors",
        "clap": f"clap={folder}/clap",
    }


def lively(network: Network) -> Network:
    """With weights under which what goes in still matters to what comes out."""
    for value in network.parameters():
        if value.dim() == 4:
            torch.nn.init.kaiming_normal_(value)
    if isinstance(network, Cnn14):
        network.bn0.running_mean.fill_(-30)
        network.bn0.running_var.fill_(400)
    return network


def save_clap(folder: Path, *, fused: bool) -> None:
    """A whole CLAP model, both halves, of some 80,000 random numbers."""
    transformers = pytest.importorskip("transformers")
    text = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    audio = {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 2, 2],
        "hidden_size": 64,
        "enable_fusion": fused,
        "fusion_type": "aff_2d" if fused else None,
    }
    config = transformers.ClapConfig(
        text_config={**text, "intermediate_size": 8, "max_position_embeddings": 12},
        audio_config=audio,
        projection_dim=16,
    )
    transformers.ClapModel(config).save_pretrained(folder)
    truncation = "fusion" if fused else "rand_trunc"
    transformers.ClapFeatureExtractor(truncation=truncation).save_pretrained(folder)


def sounds_of(name: str, lengths: float = 1.5) -> Tensor:
    """Two sounds of some windows' length."""
    length = round(lengths * WINDOW[name])
    return torch.stack([noise(length), chord(length) + noise(length, seed=1, level=0.01)])
