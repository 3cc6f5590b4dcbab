"""The latent diffusion network of DualSpec and its variants (Zhao et al., §III.C).

Latents of one or two VAEs are denoised together from noise and text (Eq. 8 to 14): the mel latent
z^m and the STFT latent z^s are concatenated along channels, pass one U-Net with cross-attention to
the text tokens τ, and the result is split again,

    (ŷ^m, ŷ^s) = split(UNet(concat(z_n^m, z_n^s), n, τ))

The mel latent (compression 4) has 16 rows × 80 frames and the STFT latent (compression 8) 32 rows ×
40 frames. Which grid the paper concatenates on is not said; here it is that of the mel latent. Two
neighboring rows of the STFT latent become two neighboring columns, so that nothing is lost and a
position is the same time and frequency in both.

| variant | latents | |
| --- | --- | --- |
| mel-base | mel | both ears in one latent |
| stft-base | stft | |
| dualspec | mel, stft | |
| dualspec-d | dual | of the Dual-VAE |
| dualspec-p | ears, stft | the mel of each ear in a latent of its own |
| mono-mel | mono | one channel, without a direction; ours |

The built-in `PromptEncoder` is part of the network and trained with it. Without a vocabulary the
network takes τ from outside, such as from FLAN-T5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from soundstage.diffusion import DiscreteSchedule, FlowSchedule, Parametrization, Schedule
from soundstage.networks.backbones.text_unet import TextUNet, TextUNetConfig
from soundstage.networks.models.prompt_encoder import PromptEncoder
from soundstage.networks.models.spectrogram_vae import Kind
from soundstage.weights.config import bounded

Variant = Literal["mono-mel", "mel-base", "stft-base", "dualspec", "dualspec-d", "dualspec-p"]
Latent = Literal["mono", "mel", "ears", "stft", "dual"]
Target = Literal["flow", "v", "noise"]

LATENTS: dict[Variant, tuple[Latent, ...]] = {
    "mono-mel": ("mono",),
    "mel-base": ("mel",),
    "stft-base": ("stft",),
    "dualspec": ("mel", "stft"),
    "dualspec-d": ("dual",),
    "dualspec-p": ("ears", "stft"),
}
"""The latents that a variant concatenates."""

VAE_KINDS: dict[Latent, Kind] = {
    "mono": "mono-mel",
    "mel": "mel",
    "ears": "mono-mel",
    "stft": "stft",
    "dual": "dual",
}
"""The VAE of each latent."""

TIMES = 1000  # diffusion steps of Stable Diffusion, and the range of the network's times
FIRST_BETA, LAST_BETA = 0.00085, 0.012  # of the "scaled linear" schedule of Stable Diffusion


@dataclass(frozen=True, kw_only=True)
class LatentUNetConfig(TextUNetConfig):
    """Config of a `LatentUNet`.

    Raises:
        ValueError: the latents are not those of the variant, or fit no common grid.
    """

    family: ClassVar[str] = "dualspec"

    variant: Variant
    channels: tuple[int, ...] = bounded(1, 1024)
    """Of each latent."""
    rows: tuple[int, ...] = bounded(1, 1024)
    frames: tuple[int, ...] = bounded(1, 1024)
    target: Target = "flow"
    """What the network predicts; a flow, or v or the noise on the schedule of Stable Diffusion."""
    vocabulary: tuple[str, ...] = ()
    """Words of the built-in text encoder; empty: τ comes from outside."""
    text_encoder: str = ""
    """The text encoder outside, a folder or "hub:OWNER/NAME"."""
    max_tokens: int = bounded(2, 512, 20)
    classes: tuple[str, ...] = ()
    """Events that the network was trained on."""
    vaes: tuple[str, ...] = ()
    """The weights that decode each latent: names of pretrained models, or files."""
    digests: tuple[str, ...] = ()
    """First digits of their SHA-256."""

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(LATENTS[self.variant])
        if not len(self.channels) == len(self.rows) == len(self.frames) == count:
            raise ValueError(f"{self.variant} has {count} latents, each with a shape")
        grid = self.grid
        for rows, frames in zip(self.rows, self.frames, strict=True):
            if rows % grid[0] or grid[1] % frames or (rows // grid[0]) % (grid[1] // frames):
                raise ValueError(f"the latents fit no common grid of {grid[0]} × {grid[1]}")
        halvings = 2 ** (len(self.widths) - 1)
        if grid[0] % halvings or grid[1] % halvings:
            raise ValueError(
                f"a grid of {grid[0]} × {grid[1]} cannot be halved {len(self.widths) - 1} times"
            )

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Channels, rows and frames of each latent."""
        return list(zip(self.channels, self.rows, self.frames, strict=True))

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return min(self.rows), max(self.frames)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the image."""
        rows, columns = self.grid
        elements = sum(c * r * f for c, r, f in self.shapes)
        return elements // (rows * columns), rows, columns

    @property
    def schedule(self) -> Schedule:
        """The noise schedule."""
        if self.target == "flow":
            return FlowSchedule()
        roots = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, TIMES, dtype=torch.float64)
        return DiscreteSchedule(roots.square())

    @property
    def parametrization(self) -> Parametrization:
        """The training target."""
        return Parametrization(self.target)

    def build(self) -> "LatentUNet":
        """The network, with random weights."""
        return LatentUNet(self)

    def fold(
        self, latents: Sequence[Float[Tensor, "batch _ _ _"]]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """The image of latents: each folded to the grid, concatenated along channels."""
        rows, columns = self.grid
        return torch.cat([_fold(each, rows, columns) for each in latents], dim=1)

    def unfold(
        self, image: Float[Tensor, "batch channels rows columns"]
    ) -> list[Float[Tensor, "batch _ _ _"]]:
        """The latents of an image."""
        area = self.grid[0] * self.grid[1]
        parts = image.split([c * r * f // area for c, r, f in self.shapes], dim=1)
        return [_unfold(part, *shape) for part, shape in zip(parts, self.shapes, strict=True)]


class LatentUNet(nn.Module):
    """The training target for a noisy image of latents and a text."""

    def __init__(self, config: LatentUNetConfig) -> None:
        super().__init__()
        self.time_scale = TIMES / config.schedule.end
        self.prompt_encoder = (
            PromptEncoder(config.vocabulary, config.text_dim, config.max_tokens)
            if config.vocabulary
            else None
        )
        self.unet = TextUNet(config, config.image_shape[0], config.grid)

    def forward(
        self,
        noisy: Float[Tensor, "batch channels rows columns"],
        times: Float[Tensor, " batch"],
        text: Float[Tensor, "batch tokens text_dim"],
        used: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch channels rows columns"]:
        """The training target, in single precision.

        Args:
            noisy: the state.
            times: of the config's schedule.
            text: τ, from `prompt_encoder` or from outside.
            used: tokens that are not padding.
        """
        return self.unet(noisy, self.time_scale * times, text, used)


def _fold(latent: Tensor, rows: int, columns: int) -> Tensor:
    """Rows of a cell alternate along its columns; those that are left become channels."""
    split = columns // latent.shape[3]
    cells = latent.unflatten(2, (rows, -1, split))  # (batch, channels, rows, rest, split, frames)
    return cells.permute(0, 1, 3, 2, 5, 4).reshape(len(latent), -1, rows, columns)


def _unfold(image: Tensor, channels: int, rows: int, frames: int) -> Tensor:
    image_rows, columns = image.shape[2:]
    cells = image.reshape(len(image), channels, -1, image_rows, frames, columns // frames)
    return cells.permute(0, 1, 3, 2, 5, 4).reshape(len(image), channels, rows, frames)
