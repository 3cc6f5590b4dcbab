"""MultiDiffusion: sequences longer than a model's window, with all windows denoised together.

At every sampling step the state is cut into overlapping windows, the model denoises each, and the
clean estimates are blended (Bar-Tal et al. 2023, eq. 5, in terms of x̂_0):

    x̂_0 = Σ_k w_k·x̂_0^(k) / Σ_k w_k

with weights that rise and fall over the overlap, so that a window counts least where its context is
shortest. The windows share one state, so they agree, and no cross-fade is needed at the end.

The long axis is the last. Windows follow each other in the batch, all examples of the first window
first, and so must the condition: `Windows.cut` for tensors along the axis,
`tensor.repeat(windows.count, …)` for the others.
"""

import math

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from soundstage.diffusion.denoiser import CleanEstimate
from soundstage.diffusion.schedules import Schedule

BLIND = 1 / 4
"""Share of the overlap at either end with zero weight, where a window has too little context. On
Gaussian processes this reduces the error at the joints tenfold and more."""


class Windows:
    """Overlapping windows over a long axis.

    As few windows as the overlap allows, evenly spaced; a single one is as short as the axis.

    Args:
        length: of the axis.
        size: of a window.
        overlap: smallest overlap of neighbors.

    Raises:
        ValueError: the overlap is 0 or more than half a window, or the axis is empty.
    """

    def __init__(self, length: int, size: int, overlap: int) -> None:
        if length < 1 or not 0 < overlap <= size // 2:
            raise ValueError(
                f"{length} frames cannot be cut into windows of {size} that overlap by {overlap}: "
                "the overlap is up to half a window"
            )
        self.length, self.size = length, min(size, length)
        self.count = 1 + max(0, -(-(length - size) // (size - overlap)))
        last = length - self.size
        self.starts = [round(k * last / max(self.count - 1, 1)) for k in range(self.count)]
        self._weights = self._normalized_weights(overlap)

    def cut(self, whole: Float[Tensor, " batch *rest"]) -> Float[Tensor, " windows_batch *rest"]:
        """The windows of the last axis, one after the other along the batch."""
        return torch.cat([whole[..., start : start + self.size] for start in self.starts])

    def blend(self, parts: Float[Tensor, " windows_batch *rest"]) -> Float[Tensor, " batch *rest"]:
        """The weighted mean of windows in the order of `cut`."""
        if self.count == 1:
            return parts
        each = parts.chunk(self.count)
        whole = each[0].new_zeros(*each[0].shape[:-1], self.length)
        weights = self._weights.to(whole)
        for start, part, weight in zip(self.starts, each, weights, strict=True):
            whole[..., start : start + self.size].addcmul_(part, weight)
        return whole

    def _normalized_weights(self, overlap: int) -> Float32[Tensor, "windows size"]:
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
    """A denoiser of a long state from a denoiser of windows.

    Args:
        denoiser: of windows, with the condition of all of them; its `max_batch` bounds the memory.
        windows: of the state.
    """

    def __init__(self, denoiser: CleanEstimate, windows: Windows) -> None:
        self._denoiser, self._windows = denoiser, windows

    @property
    def schedule(self) -> Schedule:
        """The schedule of the denoiser."""
        return self._denoiser.schedule

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        """x̂_0 of the long state."""
        return self._windows.blend(self._denoiser(self._windows.cut(state), time))


def fade_in(length: int) -> Float64[Tensor, " length"]:
    """A sin² ramp from 0 to 1 between flat ends of `BLIND`; it and its mirror image add up to 1."""
    places = (torch.arange(length, dtype=torch.float64) + 0.5) / length
    return ((places - BLIND) / (1 - 2 * BLIND) * math.pi / 2).clamp(0, math.pi / 2).sin().square()
