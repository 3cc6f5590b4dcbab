"""Upmixing methods with small random weights: tests do not depend on the pretrained ones."""

from pathlib import Path

import torch
from torch import Tensor

from sounds import song
from soundstage.networks.backbones.transformer import MemoryConfig, TokenConfig
from soundstage.networks.models.ambisonic_vae import AmbisonicVAEConfig
from soundstage.networks.models.side_diffusion import SideDiffusion, SideDiffusionConfig
from soundstage.networks.models.stereo_autoregression import StereoAutoregressionConfig
from soundstage.networks.models.stereo_regression import StereoRegression, StereoRegressionConfig
from soundstage.networks.models.stereo_tokens import StereoTokensConfig
from soundstage.stereo import BANDS, TOKENS, TRANSFORM, band_sums
from soundstage.stereo.features import (
    BANDS_OF_LEVELS,
    CONTEXT_FEATURES,
    FEATURES,
    LEVELS,
    SEGMENT_FRAMES,
    SEGMENTS,
    STATISTICS,
)
from soundstage.stereo.style_prior import STYLE_FEATURES, StylePrior
from soundstage.upmixing import UpmixMethod
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.generative.windowed_decoding import WindowedPredictor
from soundstage.upmixing.methods.autoregressive import AutoregressiveSampler
from soundstage.upmixing.methods.comb import Comb
from soundstage.upmixing.methods.decorrelate import Decorrelate
from soundstage.upmixing.methods.diffusion import DiffusionDecoding, DiffusionPredictor
from soundstage.upmixing.methods.masked import MaskedDecoding, MaskedSampler
from soundstage.upmixing.methods.nearest import NearestPredictor, similarity_keys
from soundstage.upmixing.methods.regression import RegressionPredictor
from soundstage.upmixing.parametric import ParametricMethod
from soundstage.weights.model import save_model


def coherences() -> Tensor:
    """Coherence per band that decreases from bass to treble, as in music."""
    return torch.linspace(0.95, 0.3, BANDS)


def pairs(count: int = 200, *, tracks: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Weights of `nearest`: keys near those of `sounds.song`, random tokens, tracks of several
    lengths."""
    generator = torch.Generator().manual_seed(seed)
    magnitudes = band_sums(TRANSFORM.analyze(song(100_000, seed=seed + 7)).abs())
    near = magnitudes[:, torch.randint(magnitudes.shape[1], (count,), generator=generator)]
    jitter = torch.randint(-6, 7, (count, BANDS), generator=generator)
    ends = torch.randperm(count - 1, generator=generator)[: tracks - 1].sort().values + 1
    return {
        "keys": (similarity_keys(near).T + jitter).clamp(0, 255).to(torch.uint8).contiguous(),
        "tokens": torch.randint(TOKENS, (count, BANDS), generator=generator).to(torch.uint8),
        "track_ends": torch.cat([ends, torch.tensor([count])]),
    }


def predictor(count: int = 200, *, tracks: int = 8, seed: int = 0) -> NearestPredictor:
    """`nearest` over random pairs."""
    tensors = pairs(count, tracks=tracks, seed=seed)
    return NearestPredictor(tensors["keys"], tensors["tokens"], tensors["track_ends"])


REGRESSION = StereoRegressionConfig(depth=1, dim=16, heads=2, n_levels=LEVELS, n_outputs=FEATURES)


def regression_network(*, seed: int = 0) -> StereoRegression:
    """An untrained network of one small block."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _half(REGRESSION.build())


def save_regression(path: Path) -> None:
    """Weights of that network."""
    save_model(path, REGRESSION, regression_network().state_dict())


AMBISONIC = AmbisonicVAEConfig(
    patch=64, taps=4, channels=(8, 12), ratios=(2,), dilations=(1,), recurrent_layers=0, depth=0,
    latent_dim=4, posterior_channels=8,
)  # fmt: skip


def save_ambisonic(path: Path) -> None:
    """Weights of an untrained network of bands."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(path, AMBISONIC, AMBISONIC.build().state_dict())


_TOKENS = {
    "depth": 1,
    "dim": 16,
    "heads": 2,
    "mlp_ratio": 2,
    "n_levels": LEVELS,
    "tokens": TokenConfig(n_bands=BANDS, codebook_sizes=(31, 8)),
    "style_dim": len(STYLE_FEATURES),
    "memory": MemoryConfig(n_vectors=SEGMENTS, dim=CONTEXT_FEATURES, hop=SEGMENT_FRAMES // 2),
    "cond_channels": 4,
    "context_frames": 16,
    "stride": 2,
}
MASKED = StereoTokensConfig(**_TOKENS, rank=8)
AUTOREGRESSIVE = StereoAutoregressionConfig(**_TOKENS, head_dim=8)
CONFIGS = {"masked": MASKED, "autoregressive": AUTOREGRESSIVE}


def generative_network(family: str, *, seed: int = 0) -> torch.nn.Module:
    """An untrained network of one small block."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = CONFIGS[family].build()
    network.encoder.band_weights.copy_(BANDS_OF_LEVELS)
    return network.eval().requires_grad_(False)


def save_generative(path: Path, family: str, *, seed: int = 0) -> None:
    """Weights of `masked` or `autoregressive`."""
    state = generative_network(family, seed=seed).state_dict()
    save_model(path, CONFIGS[family], state, style_prior().tensors())


def _half(network: torch.nn.Module) -> torch.nn.Module:
    """The network with weights rounded to half precision, as in files."""
    for parameter in network.requires_grad_(False).parameters():
        parameter.copy_(parameter.half())
    return network.eval()


def style_prior() -> StylePrior:
    """Unit covariance, and a mean that depends slightly on the level statistics."""
    count = len(STYLE_FEATURES)
    summary = torch.tensor([[0.0], [10.0]]).expand(2, STATISTICS).contiguous()
    slope = 0.1 * torch.eye(STATISTICS)[:, :count]
    return StylePrior(torch.zeros(count), torch.eye(count), summary, slope.contiguous())


def generative(family: str) -> WindowedPredictor:
    """The predictor of that network, with few steps."""
    network, config = generative_network(family), CONFIGS[family]
    if family == "masked":
        sampler = MaskedSampler(network, config, MaskedDecoding(2, 3), prior=style_prior())
        return WindowedPredictor(sampler)
    return WindowedPredictor(AutoregressiveSampler(network, config, prior=style_prior()))


DIFFUSION = SideDiffusionConfig(
    depth=2,
    dim=16,
    heads=2,
    mlp_ratio=2,
    patch_size=(4, 2),
    cond_channels=4,
    style_dim=len(STYLE_FEATURES),
    context_frames=16,
    stride=2,
)


def diffusion_network(*, seed: int = 0) -> SideDiffusion:
    """A network of two small blocks, with random weights in place of the initial zeros."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = DIFFUSION.build().eval().requires_grad_(False)
        network.encoder.band_weights.copy_(BANDS_OF_LEVELS)
        for parameter in network.parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter).half())
    return network


def save_diffusion(path: Path, *, seed: int = 0) -> None:
    """Weights of `diffusion`."""
    state = diffusion_network(seed=seed).state_dict()
    save_model(path, DIFFUSION, state, style_prior().tensors())


def diffusion(
    decoding: DiffusionDecoding | None = None, style: Style | None = None
) -> DiffusionPredictor:
    """The predictor of that network, with two steps by default."""
    decoding = decoding or DiffusionDecoding(steps=2)
    return DiffusionPredictor(diffusion_network(), DIFFUSION, decoding, style, style_prior())


UPMIXERS: dict[str, UpmixMethod] = {
    "masked": ParametricMethod(generative("masked")),
    "autoregressive": ParametricMethod(generative("autoregressive")),
    "diffusion": ParametricMethod(diffusion()),
    "nearest": ParametricMethod(predictor()),
    "mixing": ParametricMethod(predictor(), decoder="mixing"),
    "regression": ParametricMethod(RegressionPredictor(regression_network())),
    "decorrelate": Decorrelate(coherences()),
    "comb": Comb(coherences()),
}
EXACT = [name for name, method in UPMIXERS.items() if method.n_outputs == 1]  # fold-down
