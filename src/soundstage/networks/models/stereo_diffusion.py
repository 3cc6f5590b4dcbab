"""The network of `diffstereo`: pictures of left and right out of noise, given that of the mono.

DiffStereo (Zhang et al. 2025, §2.2 and §3.2): a diffusion transformer (`dit.py`) whose vectors are
patches of a few frames and bins, with sines and cosines for their positions; the mono's patch at
the same place steers each of them, together with the time of the diffusion. DiT-S with patches of
9 × 9 over 729 frames of 513 bins makes 81 × 57 vectors. That every vector hears all others is the
paper's; in turn its own moment and its own bins costs far less and is ours.

The paper says that its decoder tells a covariance beside the noise, as DiT's does, and trains by
the squared error of the noise alone (eq. 4), from which no covariance can be learned. So nothing but
the noise is told here, and samplers take the variance that follows from the schedule.

A patch has to hold no more numbers than a vector is wide: noise has no structure, and what does
not fit through the width of the network cannot be told.
"""

from jaxtyping import Float
from torch import Tensor, nn

from soundstage.networks.backbones.dit import DiT, DiTSize
from soundstage.networks.backbones.grid_attention import Plan

STEREO, MONO = 4, 2  # channels of a picture: real and imaginary part of each row of sound


class StereoDiffusion(nn.Module):
    """What a model of diffusion says of a noisy picture of left and right.

    Args:
        size: of the transformer.
        patch: frames and bins of one of its vectors.
        attention: what a vector hears.

    Raises:
        ValueError: the numbers make no network.
    """

    def __init__(self, size: DiTSize, patch: tuple[int, int], *, attention: Plan = "full") -> None:
        super().__init__()
        if STEREO * patch[0] * patch[1] > size.width:
            raise ValueError(
                f"a patch of {patch[0]} × {patch[1]} holds more numbers than a width of "
                f"{size.width} lets through"
            )
        self.transformer = DiT(
            STEREO,
            size,
            patch=patch,
            condition_channels=MONO,
            condition="adaln",
            attention=attention,
        )

    def forward(
        self,
        noisy: Float[Tensor, "batch 4 bins frames"],
        time: Float[Tensor, " batch"],
        mono: Float[Tensor, "batch 2 bins frames"],
    ) -> Float[Tensor, "batch 4 bins frames"]:
        """The target of its training, of every example.

        Args:
            noisy: the state.
            time: of the diffusion, in the paper from 1 to 1000.
            mono: picture of the mean of left and right.
        """
        told = self.transformer(noisy.transpose(-1, -2), time, mono.transpose(-1, -2))
        return told.transpose(-1, -2)
