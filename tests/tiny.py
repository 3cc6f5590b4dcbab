"""Upmixers with small weights of their own, so that tests do not lean on the shipped ones."""

from dataclasses import replace

import torch
from torch import Tensor

from sounds import song
from soundstage.networks.backbones.transformer import TransformerConfig
from soundstage.networks.models.side_diffusion import SideDiffusion
from soundstage.networks.models.stereo_regression import StereoRegression
from soundstage.stereo import BANDS, TOKENS, TRANSFORM, band_sums
from soundstage.stereo.features import FEATURES, LEVELS, STATISTICS
from soundstage.stereo.style_prior import STYLE_FEATURES, StylePrior
from soundstage.upmixing import Upmixer
from soundstage.upmixing.diffusion_weights import DiffusionShape
from soundstage.upmixing.diffusion_weights import network_tensors as diffusion_network_tensors
from soundstage.upmixing.generative.windowed_decoding import PatchPredictor
from soundstage.upmixing.generative_weights import TokenModelConfig, network_tensors
from soundstage.upmixing.methods.autoregressive import AutoregressiveSampler
from soundstage.upmixing.methods.comb import Comb
from soundstage.upmixing.methods.decorrelate import Decorrelate
from soundstage.upmixing.methods.diffusion import DiffusionDecoding, DiffusionPredictor
from soundstage.upmixing.methods.masked import MaskedDecoding, MaskedSampler
from soundstage.upmixing.methods.nearest import NearestPredictor, similarity_keys
from soundstage.upmixing.methods.regression import RegressionPredictor
from soundstage.upmixing.parametric import ParametricUpmixer


def coherences() -> Tensor:
    """A table like that of music: falling from bass to treble, (34,)."""
    return torch.linspace(0.95, 0.3, BANDS)


def pairs(count: int = 200, *, records: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Weights for `nearest`: keys near those of `sounds.song`, so that many of them are found;
    random values; records of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    heard = band_sums(TRANSFORM.analyze(song(100_000, seed=seed + 7)).abs())
    near = heard[:, torch.randint(heard.shape[1], (count,), generator=generator)]
    jitter = torch.randint(-6, 7, (count, BANDS), generator=generator)
    ends = torch.randperm(count - 1, generator=generator)[: records - 1].sort().values + 1
    return {
        "keys": (similarity_keys(near).T + jitter).clamp(0, 255).to(torch.uint8).contiguous(),
        "tokens": torch.randint(TOKENS, (count, BANDS), generator=generator).to(torch.uint8),
        "record_ends": torch.cat([ends, torch.tensor([count])]),
    }


def predictor(count: int = 200, *, records: int = 8, seed: int = 0) -> NearestPredictor:
    """`nearest` over random pairs."""
    tensors = pairs(count, records=records, seed=seed)
    return NearestPredictor(tensors["keys"], tensors["tokens"], tensors["record_ends"])


def regression_tensors(*, seed: int = 0) -> dict[str, Tensor]:
    """Weights for `regression`: a network of one small block that was taught nothing."""
    size = TransformerConfig(blocks=1, width=16, heads=2, expansion=3)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = StereoRegression(LEVELS, FEATURES, size).state_dict()
    return {
        **{name: value.half() for name, value in state.items()},
        "size": torch.tensor([size.blocks, size.width, size.heads, size.expansion]),
    }


def regression_network(*, seed: int = 0) -> StereoRegression:
    """The network of these weights."""
    tensors = regression_tensors(seed=seed)
    network = StereoRegression(LEVELS, FEATURES, TransformerConfig(*tensors.pop("size").tolist()))
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network.eval()


MASKED = TokenModelConfig(
    blocks=1, width=16, heads=2, expansion=2, head=8, patch=16, stride=2, split=1, styled=1,
    remembers=1, fast=0, hearing=4,
)  # fmt: skip
SHAPES = {"masked": MASKED, "autoregressive": replace(MASKED, fast=1)}


def generative_network(family: str, *, seed: int = 0) -> torch.nn.Module:
    """A network of one small block that was taught nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SHAPES[family].network().eval().requires_grad_(False)


def generative_tensors(family: str, *, seed: int = 0) -> dict[str, Tensor]:
    """Weights for `masked` or `autoregressive`."""
    state = generative_network(family, seed=seed).state_dict()
    return network_tensors(SHAPES[family], state, style_prior())


def style_prior() -> StylePrior:
    """Styles that are spread by 1 around what follows the sound a little."""
    count = len(STYLE_FEATURES)
    summary = torch.tensor([[0.0], [10.0]]).expand(2, STATISTICS).contiguous()
    slope = 0.1 * torch.eye(STATISTICS)[:, :count]
    return StylePrior(torch.zeros(count), torch.eye(count), summary, slope.contiguous())


def generative(family: str) -> PatchPredictor:
    """The predictor of that network, in few steps."""
    network, shape = generative_network(family), SHAPES[family]
    if family == "masked":
        sampler = MaskedSampler(network, shape, MaskedDecoding(2, 3), prior=style_prior())
        return PatchPredictor(sampler)
    return PatchPredictor(AutoregressiveSampler(network, shape, prior=style_prior()))


DIFFUSION = DiffusionShape(
    blocks=2, width=16, heads=2, expansion=2, vector_positions=4, vector_bands=2, hearing=4,
    patch=16, stride=2, styled=1,
)  # fmt: skip


def diffusion_network(*, seed: int = 0) -> SideDiffusion:
    """A network of two small blocks with random weights, where training would begin from zeros."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = DIFFUSION.network().eval().requires_grad_(False)
        for parameter in network.parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter).half())
    return network


def diffusion_tensors(*, seed: int = 0) -> dict[str, Tensor]:
    """Weights for `diffusion`."""
    state = diffusion_network(seed=seed).state_dict()
    return diffusion_network_tensors(DIFFUSION, state, style_prior())


def diffusion(
    decoding: DiffusionDecoding | None = None, style: Tensor | None = None
) -> DiffusionPredictor:
    """The predictor of that network, in few steps unless told otherwise."""
    decoding = decoding or DiffusionDecoding(steps=2)
    return DiffusionPredictor(diffusion_network(), DIFFUSION, decoding, style, style_prior())


UPMIXERS: dict[str, Upmixer] = {
    "masked": ParametricUpmixer(generative("masked")),
    "autoregressive": ParametricUpmixer(generative("autoregressive")),
    "diffusion": ParametricUpmixer(diffusion()),
    "nearest": ParametricUpmixer(predictor()),
    "mixing": ParametricUpmixer(predictor(), decoder="mixing"),
    "regression": ParametricUpmixer(RegressionPredictor(regression_network())),
    "decorrelate": Decorrelate(coherences()),
    "comb": Comb(coherences()),
}
EXACT = [name for name, upmixer in UPMIXERS.items() if upmixer.rows == 1]  # in their fold-down
