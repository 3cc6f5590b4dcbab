"""Windows over a long axis, denoised together: sequences longer than a model was made for.

At every step of a sampler the whole state is cut into overlapping windows, the model sees each by
itself, and the clean estimates are blended (MultiDiffusion, Bar-Tal et al. 2023, eq. 5, in terms of
x̂_0):

    x̂_0 = Σ_k w_k·x̂_0^(k) / Σ_k w_k

with weights that rise and fall over the overlap, so that a window says least where it knows least
of the context. The windows share one state, step by step, and that is what makes them agree: there
is nothing left to cross-fade in the end.

The long axis is the last. Windows stand behind each other in the batch, all examples of the first
window first, and so must the condition: `Windows.cut` what runs along the axis,
`tensor.repeat(windows.count, …)` what does not.
"""

import math

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from soundstage.diffusion.denoiser import CleanEstimate
from soundstage.diffusion.schedules import Schedule

BLIND = 1 / 4
"""Of the overlap, at either end: a window has too little context there, and only its neighbor is
heard. On Gaussian processes this takes ten times and more off the error at the joints."""


class Windows:
    """How a long axis is cut and put together again.

    As few windows as the overlap allows, evenly over the whole. One alone is as short as the whole.

    Args:
        length: of the whole.
        size: of a window.
        overlap: of neighbors, at least.

    Raises:
        ValueError: a window does not reach beyond its overlaps, or there is nothing to cut.
    """

    def __init__(self, length: int, size: int, overlap: int) -> None:
        if length < 1 or not 0 < overlap <= size // 2:
            raise ValueError(
                f"{length} frames are not cut into windows of {size} that overlap by {overlap}: "
                "they overlap by half or less"
            )
        self.length, self.size = length, min(size, length)
        self.count = 1 + max(0, -(-(length - size) // (size - overlap)))
        last = length - self.size
        self.starts = [round(k * last / max(self.count - 1, 1)) for k in range(self.count)]
        self._weights = self._shares(overlap)

    def cut(self, whole: Float[Tensor, " batch *rest"]) -> Float[Tensor, " windows_batch *rest"]:
        """The windows of a batch, from its last axis, behind each other."""
        return torch.cat([whole[..., start : start + self.size] for start in self.starts])

    def blend(self, parts: Float[Tensor, " windows_batch *rest"]) -> Float[Tensor, " batch *rest"]:
        """The weighted mean of windows as `cut` gives them."""
        if self.count == 1:
            return parts
        each = parts.chunk(self.count)
        whole = each[0].new_zeros(*each[0].shape[:-1], self.length)
        weights = self._weights.to(whole)
        for start, part, weight in zip(self.starts, each, weights, strict=True):
            whole[..., start : start + self.size].addcmul_(part, weight)
        return whole

    def _shares(self, overlap: int) -> Float32[Tensor, "windows size"]:
        """w_k / Σ w_k of every window."""
        weights = torch.ones(self.count, self.size, dtype=torch.float64)
        rise = fade_in(overlap)
        weights[1:, :overlap] *= rise
        weights[:-1, -overlap:] *= rise.flip(0)
        total = torch.zeros(self.length, dtype=torch.float64)
        for start, weight in zip(self.starts, weights, strict=True):
            total[start : start + self.size] += weight
        return (weights / self.cut(total[None])).float()


class MultiDiffusionDenoiser:
    """A denoiser of a long state out of one of windows; any sampler takes it.

    Args:
        denoiser: of windows, with the condition of all of them; its `at_once` bounds the memory.
        windows: of the state.
    """

    def __init__(self, denoiser: CleanEstimate, windows: Windows) -> None:
        self._denoiser, self._windows = denoiser, windows

    @property
    def schedule(self) -> Schedule:
        """That of the denoiser."""
        return self._denoiser.schedule

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        """x̂_0 of the whole."""
        return self._windows.blend(self._denoiser(self._windows.cut(state), time))


def fade_in(length: int) -> Float64[Tensor, " length"]:
    """From 0 to 1 like sin², but for `BLIND` at either end; with its mirror image it makes 1."""
    places = (torch.arange(length, dtype=torch.float64) + 0.5) / length
    return ((places - BLIND) / (1 - 2 * BLIND) * math.pi / 2).clamp(0, math.pi / 2).sin().square()
