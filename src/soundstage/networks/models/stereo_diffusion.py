"""The network of `diffstereo`: spectrograms of left and right from noise, given that of the mono.

DiffStereo (Zhang et al. 2025, §2.2 and §3.2): a diffusion transformer (`dit.py`) over patches of a
few frames and bins with sinusoidal positions; the mono's patch at the same place modulates each,
together with the time of the diffusion. DiT-S with patches of 9 × 9 over 729 frames of 513 bins has
81 × 57 patches. Full attention is the paper's; axial attention, ours, costs far less.

The paper says that its decoder outputs a covariance beside the noise, as DiT's does, and trains by
the squared error of the noise alone (eq. 4), from which no covariance can be learned. So the only
output here is the noise, and samplers take the variance that follows from the schedule.

A patch must not hold more values than the dimension of the network: noise has no structure, so a
bottleneck would lose part of it.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from soundstage.diffusion import DiscreteSchedule, linear_betas
from soundstage.networks.backbones.dit import Attention, DiT, DiTConfig
from soundstage.weights.config import bounded

STEREO, MONO = 4, 2  # channels of an image: real and imaginary part of each channel of sound


@dataclass(frozen=True, kw_only=True)
class StereoDiffusionConfig(DiTConfig):
    """Config of a `StereoDiffusion`.

    Raises:
        ValueError: a patch holds more values than the dimension.
    """

    family: ClassVar[str] = "diffstereo"

    attention: Attention = "full"
    context_frames: int = bounded(8, 8192)
    """Frames of a spectrogram that it makes at once."""
    diffusion_steps: int = bounded(50, 10_000, 1000)
    """In training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if STEREO * math.prod(self.patch_size) > self.dim:
            raise ValueError(
                f"a patch of {self.patch_size[0]} × {self.patch_size[1]} holds more values than a "
                f"dim of {self.dim}"
            )

    def build(self) -> "StereoDiffusion":
        """The network, with random weights."""
        return StereoDiffusion(self)

    def schedule(self) -> DiscreteSchedule:
        """Linear β; with 1000 steps as in Ho et al. (2020, §4), with fewer as much larger."""
        steps = self.diffusion_steps
        scale = 1000 / steps
        return DiscreteSchedule(linear_betas(steps, 1e-4 * scale, 0.02 * scale))


class StereoDiffusion(nn.Module):
    """The training target, the noise, for a noisy image of left and right."""

    def __init__(self, config: StereoDiffusionConfig) -> None:
        super().__init__()
        self.transformer = DiT(
            config,
            STEREO,
            cond_channels=MONO,
            conditioning="adaln",
            attention=config.attention,
        )

    def forward(
        self,
        noisy: Float[Tensor, "batch 4 bins frames"],
        time: Float[Tensor, " batch"],
        mono: Float[Tensor, "batch 2 bins frames"],
    ) -> Float[Tensor, "batch 4 bins frames"]:
        """The training target.

        Args:
            noisy: the state.
            time: of the diffusion, in the paper from 1 to 1000.
            mono: image of the mean of left and right.
        """
        output = self.transformer(noisy.transpose(-1, -2), time, mono.transpose(-1, -2))
        return output.transpose(-1, -2)
