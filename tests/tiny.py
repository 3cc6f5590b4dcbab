"""Upmixers with small weights of their own, so that tests do not lean on the shipped ones."""

import torch
from torch import Tensor

from sounds import song
from soundstage.stereo import BANDS, TOKENS, TRANSFORM, band_sums
from soundstage.upmixing import Upmixer
from soundstage.upmixing.comb import Comb
from soundstage.upmixing.decorrelate import Decorrelate
from soundstage.upmixing.nearest import NearestPredictor, similarity_keys
from soundstage.upmixing.parametric import ParametricUpmixer


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


UPMIXERS: dict[str, Upmixer] = {
    "nearest": ParametricUpmixer(predictor()),
    "mixing": ParametricUpmixer(predictor(), decoder="mixing"),
    "decorrelate": Decorrelate(coherences()),
    "comb": Comb(coherences()),
}
EXACT = [name for name, upmixer in UPMIXERS.items() if upmixer.rows == 1]  # in their fold-down
