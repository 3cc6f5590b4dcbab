"""Transforms of published models: a window shorter than the frame, and any hop.

The window stands in the middle of the frame with zeros on both sides, as `torch.stft` places one of
`win_length` in an FFT of `n_fft`, and frames overlap as they please. Analysis then synthesis is the
identity here too, since synthesis divides by the sum of the squared windows; but a gain between the
two is cross-faded without blocking only where they overlap fourfold, as those of `STFT` must.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.spectra.stft import STFT


@dataclass(frozen=True)
class ShortWindowSTFT(STFT):
    """A transform of `frame` samples, of which a periodic Hann window shows `length`.

    Raises:
        ValueError: the window is odd or not in the frame, or its neighbors leave gaps.
    """

    length: int

    def __post_init__(self) -> None:
        if self.frame % 2 or self.length % 2 or self.length > self.frame:
            raise ValueError("a frame and its window are even, and the window is no longer")
        if not 0 < 2 * self.hop <= self.length:
            raise ValueError("a window reaches at least over two hops")

    @cached_property
    def window(self) -> Float[Tensor, " frame"]:
        """The window with its zeros."""
        beside = (self.frame - self.length) // 2
        return F.pad(torch.hann_window(self.length), (beside, beside))
