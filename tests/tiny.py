"""Upmixers with small weights of their own, so that tests do not lean on the shipped ones."""

import torch
from torch import Tensor

from sounds import song
from soundstage.networks.stereo_regression import StereoRegression
from soundstage.networks.transformer import TransformerSize
from soundstage.stereo import BANDS, TOKENS, TRANSFORM, band_sums
from soundstage.stereo.features import FEATURES
from soundstage.stereo.levels import LEVELS
from soundstage.upmixing import Upmixer
from soundstage.upmixing.comb import Comb
from soundstage.upmixing.decorrelate import Decorrelate
from soundstage.upmixing.nearest import NearestPredictor, similarity_keys
from soundstage.upmixing.parametric import ParametricUpmixer
from soundstage.upmixing.regression import RegressionPredictor


def coherences() -> Tensor:
    """A table like that of music: falling from bass to treble, (34,)."""
    return torch.linspace(0.95, 0.3, BANDS)


def pairs(count: int = 200, *, records: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Weights for `nearest`: keys near those of `sounds.song`, so that many of them are found;
    random values; records of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    heard = band_sums(TRANSFORM.analyse(song(100_000, seed=seed + 7)).abs())
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
    size = TransformerSize(blocks=1, width=16, heads=2, expansion=3)
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
    network = StereoRegression(LEVELS, FEATURES, TransformerSize(*tensors.pop("size").tolist()))
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network.eval()


UPMIXERS: dict[str, Upmixer] = {
    "nearest": ParametricUpmixer(predictor()),
    "mixing": ParametricUpmixer(predictor(), decoder="mixing"),
    "regression": ParametricUpmixer(RegressionPredictor(regression_network())),
    "decorrelate": Decorrelate(coherences()),
    "comb": Comb(coherences()),
}
EXACT = [name for name, upmixer in UPMIXERS.items() if upmixer.rows == 1]  # in their fold-down
