"""Small random networks of DualSpec: tests do not depend on the pretrained ones."""

import hashlib
from pathlib import Path

import torch

from soundstage.networks.models.latent_unet import LATENTS, VAE_KINDS, LatentUNetConfig, Variant
from soundstage.networks.models.prompt_encoder import vocabulary_of
from soundstage.networks.models.spectrogram_vae import SpectrogramVAEConfig
from soundstage.networks.models.vocoder import VocoderConfig
from soundstage.scene.dualspec.prompts import all_prompts
from soundstage.weights.model import save_model

CLASSES = ("dog", "rain")
SIZE = {
    "widths": (8, 16),
    "depth": 1,
    "mid_depth": 1,
    "attention": (0, 1),
    "heads": 2,
    "mlp_ratio": 1,
    "time_dim": 16,
    "text_dim": 16,
    "pooled_text": True,
    "positions": True,
}
VAES = {
    "mel": SpectrogramVAEConfig(
        kind="mel", latent_channels=2, channels=(4,), strides=((4, 4),), depth=0
    ),
    "mono-mel": SpectrogramVAEConfig(
        kind="mono-mel", latent_channels=1, channels=(4,), strides=((4, 4),), depth=0
    ),
    "stft": SpectrogramVAEConfig(
        kind="stft", latent_channels=2, channels=(4,), strides=((8, 8),), depth=0
    ),
    "dual": SpectrogramVAEConfig(
        kind="dual", latent_channels=2, channels=(4,), strides=((2, 8),), depth=0
    ),
}
SHAPES = {
    "mono": (1, 16, 80),
    "mel": (2, 16, 80),
    "ears": (2, 16, 80),
    "stft": (2, 32, 40),
    "dual": (2, 32, 40),
}
"""Channels, rows and frames of the latents of these VAEs."""


def save_vaes(folder: Path) -> dict[str, Path]:
    """Files KIND-vae.safetensors by kind."""
    paths = {}
    for index, (kind, config) in enumerate(VAES.items()):
        paths[kind] = folder / f"{kind}-vae.safetensors"
        save_model(paths[kind], config, _random(config, index).state_dict())
    return paths


def save_vocoder(folder: Path) -> Path:
    """A file of a vocoder."""
    path, config = folder / "vocoder.safetensors", VocoderConfig(depth=1, dim=8)
    save_model(path, config, _random(config, 9).state_dict())
    return path


def unet_config(variant: Variant, vaes: dict[str, Path] | None = None) -> LatentUNetConfig:
    """The config of a variant, with the digests of files of VAEs."""
    shapes = [SHAPES[kind] for kind in LATENTS[variant]]
    channels, rows, frames = zip(*shapes, strict=True)
    files = [vaes[VAE_KINDS[kind]] for kind in LATENTS[variant]] if vaes else []
    return LatentUNetConfig(
        **SIZE,
        variant=variant,
        channels=channels,
        rows=rows,
        frames=frames,
        vocabulary=vocabulary_of(all_prompts(CLASSES, directions=variant != "mono-mel")),
        classes=CLASSES,
        vaes=tuple(path.name for path in files),
        digests=tuple(hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files),
    )


def save_unet(folder: Path, variant: Variant) -> Path:
    """A file of a variant beside its VAEs."""
    config = unet_config(variant, save_vaes(folder))
    path = folder / f"{variant}.safetensors"
    save_model(path, config, _random(config, 5).state_dict())
    return path


def save_t5(folder: Path, dim: int) -> Path:
    """A T5 of two layers with random weights and nine words, in the layout of the hub."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    words = ["<pad>", "</s>", "<unk>", "EVENT", "dog", "LOCATION", "DOA", "90", "270"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = T5Config(
            vocab_size=len(words), d_model=dim, d_kv=4, d_ff=24, num_layers=2, num_heads=2,
            feed_forward_proj="gated-gelu",
        )  # fmt: skip
        T5EncoderModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def _random(config, seed: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = config.build()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return network.eval()
