"""The networks of BinauralGrad: what a model of diffusion says of noisy sound at the ears.

Leng et al. (2022) make binaural sound in two stages of diffusion, each with its network (§3.3,
figure 3): a bidirectional DiffWave (`dilated`) of 3 blocks of 10 layers and 128 channels, which is
told the step of diffusion and, by a Conditioner, the sound as it was sent and the pose:

    stage     noisy, clean   conditional audio        pose
    common    1: ȳ           [x̄, x]                   p
    specific  2: (y^l, y^r)  [x̂^l, x̂^r, x, y_c]       p
    single    2: (y^l, y^r)  [x̂^l, x̂^r, x]            p

where x is the mono signal, x̂ what geometric warping makes of it for each ear, x̄ the mean of both,
and y_c the result of the first stage, in training ȳ, the mean of both ears. `single` is their
ablation, "two times deeper so as to make the number of parameters comparable" (§4.2).

"We utilize two separate convolution blocks to process the position as well as the conditional
audio respectively, and the output features are concatenated and then processed by a final
convolution layer" (§3.3). How wide those are the paper does not say; here each block is two
convolutions of 3 samples to 20 and 40 channels, the final one makes 80, and a leaky ReLU with a
slope of 0.4 follows each, as in the authors' public code. The step is "represented by positional
encoding [Vaswani et al.] and encoded by two fully connected layers", which are 512 wide as in
DiffWave (Kong et al. 2021); each layer, not only each block, transforms it further, as there.

The layers' skips are summed, mixed, and lead to the result by a convolution that is zero at first.
"""

from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.dilated import (
    DilatedStack,
    DilatedStackConfig,
    kaiming,
    weights_of_convolutions,
    zero,
)
from soundstage.networks.backbones.pose_upsampling import POSE_HOP, VIEW, upsampled
from soundstage.networks.backbones.transformer import sinusoidal_embedding

STEP = 512  # length of an encoded step (Kong et al. 2021, §3.1)
SLOPE = 0.4
CONDITIONER_KERNEL = 3
PAPER_STACK = DilatedStackConfig(blocks=3, layers=10, channels=128, kernel=3)
SINGLE_STACK = DilatedStackConfig(blocks=6, layers=10, channels=128, kernel=3)


class Stage(Enum):
    """What a network makes, and what it is told."""

    COMMON = "common"
    SPECIFIC = "specific"
    SINGLE = "single"

    @property
    def channels(self) -> int:
        """Of the noisy sound and of the result."""
        return 1 if self is Stage.COMMON else 2

    @property
    def signals(self) -> int:
        """Of conditional audio."""
        return {Stage.COMMON: 2, Stage.SPECIFIC: 4, Stage.SINGLE: 3}[self]

    @property
    def nearest(self) -> tuple[int, ...]:
        """Which of the conditional audio is nearest to each channel of the clean data.

        For the specific stage that is y_c: of the paper's table 4, row 4 over row 2.
        """
        return {Stage.COMMON: (0,), Stage.SPECIFIC: (3, 3), Stage.SINGLE: (0, 1)}[self]

    def heard(
        self,
        warped: Float[Tensor, "batch 2 samples"],
        mono: Float[Tensor, "batch samples"],
        common: Float[Tensor, "batch samples"] | None = None,
    ) -> Float[Tensor, "batch signals samples"]:
        """The conditional audio.

        Args:
            warped: x̂.
            mono: x.
            common: y_c, for the specific stage alone.

        Raises:
            ValueError: y_c is missing, or there is no use for it.
        """
        if (common is None) == (self is Stage.SPECIFIC):
            raise ValueError(f"the stage {self.value} and a common part do not go together")
        own = warped.mean(dim=1, keepdim=True) if self is Stage.COMMON else warped
        return torch.cat([own, *(each[:, None] for each in (mono, common) if each is not None)], 1)


@dataclass(frozen=True)
class BinauralGradConfig:
    """How large a `BinauralGrad` is; the defaults are those of each of the paper's two stages."""

    stack: DilatedStackConfig = field(default_factory=lambda: PAPER_STACK)
    step: int = 128
    """Waves of the diffusion step."""
    block: tuple[int, int] = (20, 40)
    """Channels of the two convolutions of a block of the Conditioner."""
    condition: int = 80
    """Channels that the Conditioner makes."""


class BinauralGrad(nn.Module):
    """The target of its training, the noise in the paper, of noisy sound at the ears.

    Args:
        stage: of the two, or the single one.
        size: of the network; None for the paper's.
        numbers: of a pose.
        hop: samples from pose to pose.
    """

    def __init__(
        self,
        stage: Stage,
        size: BinauralGradConfig | None = None,
        *,
        numbers: int = VIEW,
        hop: int = POSE_HOP,
    ) -> None:
        super().__init__()
        if size is None:
            size = (
                BinauralGradConfig(SINGLE_STACK) if stage is Stage.SINGLE else BinauralGradConfig()
            )
        channels = size.stack.channels
        self.stage, self.hop = stage, hop
        self.step = StepEmbedding(size.step)
        self.conditioner = _Conditioner(stage.signals, numbers, size)
        self.first = kaiming(nn.Conv1d(stage.channels, channels, 1))
        self.stack = DilatedStack(size.stack, causal=False, condition=size.condition, step=STEP)
        self.mixing = kaiming(nn.Conv1d(channels, channels, 1))
        self.last = zero(nn.Conv1d(channels, stage.channels, 1))

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on.

        Windows begin at multiples of `hop`, and have the pose after their last sample too.
        """
        before, after = self.stack.reach
        # The condition passes by the first convolution of the stack
        more = max(self.conditioner.reach - self.stack.size.kernel // 2, 0)
        return before + more, after + more

    def operations_per_second(self, rate: int) -> float:
        """Multiply-adds of one step for a second of sound at `rate` samples a second."""
        return float(rate * weights_of_convolutions(self))

    def forward(
        self,
        noisy: Float[Tensor, "batch channels samples"],
        time: Float[Tensor, " batch"],
        signals: Float[Tensor, "batch signals samples"],
        view: Float[Tensor, "batch numbers rows"],
    ) -> Float[Tensor, "batch channels samples"]:
        """The target, of every example.

        Args:
            noisy: the state.
            time: of the diffusion, in the paper from 1 to 200.
            signals: conditional audio, in the order of `Stage.heard`.
            view: pose at every `hop`-th sample, linear in between; the last is held.
        """
        condition = self.conditioner(signals, upsampled(view, self.hop, noisy.shape[-1]))
        skips = self.stack(F.relu(self.first(noisy)), condition, self.step(time))
        return self.last(F.relu(self.mixing(skips))).to(noisy.dtype)


class StepEmbedding(nn.Module):
    """A step of diffusion as `STEP` numbers: sinusoidal_embedding of it through two layers.

    Args:
        width: how many sinusoidal_embedding.

    Raises:
        ValueError: they are an odd number, and every sine goes with a cosine.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"sinusoidal_embedding of a step are an even number, not {width}")
        self.width = width
        self.layers = nn.Sequential(nn.Linear(width, STEP), nn.SiLU(), nn.Linear(STEP, STEP))

    def forward(self, time: Float[Tensor, " batch"]) -> Float[Tensor, "batch step"]:
        """Of times that need not be whole steps."""
        return F.silu(self.layers(sinusoidal_embedding(time.float(), self.width)))


class _Conditioner(nn.Module):
    def __init__(self, signals: int, numbers: int, size: BinauralGradConfig) -> None:
        super().__init__()
        self.audio = _conditioner_layers(signals, *size.block)
        self.pose = _conditioner_layers(numbers, *size.block)
        self.both = _conditioner_layers(2 * size.block[1], size.condition)
        self.reach = 3 * (CONDITIONER_KERNEL // 2)

    def forward(self, signals: Tensor, view: Tensor) -> Float[Tensor, "batch condition samples"]:
        return self.both(torch.cat([self.audio(signals), self.pose(view)], dim=1))


def _conditioner_layers(*channels: int) -> nn.Sequential:
    layers = nn.Sequential()
    for inputs, outputs in pairwise(channels):
        layers.append(
            kaiming(nn.Conv1d(inputs, outputs, CONDITIONER_KERNEL, padding=CONDITIONER_KERNEL // 2))
        )
        layers.append(nn.LeakyReLU(SLOPE))
    return layers
