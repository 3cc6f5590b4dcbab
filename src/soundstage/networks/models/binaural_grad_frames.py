"""BinauralGrad in frames: the same task as in `binaural_grad`, for a few processors in real time.

The paper's network does 4.5 million multiply-adds for every sample. Ours runs the same kind of
stack over *frames* of 32 samples, each a vector, and needs a hundredth of them. A frame's vector is
made of twice as many samples by a strided convolution, and becomes sound again by a transposed one:

    h = E(noisy),  c = max(0, E'(signals) + P(pose)),  s = step
    m = max(0, U·stack(h, c, s))
    result = D(m) + Σ_k W_k(m)·[noisy, signals]_(t−k)

The layers of the stack are separable. A frame is a bottleneck: a vector of 160 numbers has to hold
all that is to come out of it, and its 64 noisy samples have no structure. So sound also goes past
the frames, through filters of 33 taps each from noisy and conditional signals to every ear. The
frames make these filters, as the pose does those of a hyper-convolution (`hyper_convolution`), and
they change linearly from frame to frame. What frames add, D, is only what such filters do not
reach: reflections and whatever is not linear. A filter keeps every phase that it is not asked to
change, at full precision also where the rest is computed with half of it.

Before training D is zero, and the filters pass the conditional signal that is nearest to each ear
(`Stage.nearest`) as it is. That is right for a network that tells the clean data; one that tells
noise or velocity begins at zero, as the paper's does (`begins="silent"`).
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

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
from soundstage.networks.backbones.hyper_convolution import HyperConvolution
from soundstage.networks.backbones.pose_upsampling import POSE_HOP, VIEW, upsampled, whole_frames
from soundstage.networks.models.binaural_grad import STEP, Stage, StepEmbedding

Beginning = Literal["nearest", "silent"]


@dataclass(frozen=True)
class BinauralGradFramesConfig:
    """How large a `BinauralGradFrames` is.

    Raises:
        ValueError: a frame is odd, the filters have no middle, or there are none to mix.
    """

    stack: DilatedStackConfig = field(
        default_factory=lambda: DilatedStackConfig(
            blocks=2, layers=6, channels=160, kernel=3, separable=True
        )
    )
    frame: int = 32
    """Samples from frame to frame; one reads twice as many."""
    condition: int = 64
    """Channels of c."""
    taps: int = 33
    """Of the filters past the frames; 33 reach 0.33 ms each way at 48 kHz, more than the way around
    a head adds to the straight one."""
    rank: int = 16
    """Filters that frames mix."""
    step: int = 128
    """Waves of the diffusion step."""

    def __post_init__(self) -> None:
        if self.frame % 2 or self.taps % 2 == 0:
            raise ValueError("a frame is even, and filters have an odd number of taps")
        if self.rank < 1:
            raise ValueError("frames mix one filter at least")


class BinauralGradFrames(nn.Module):
    """The target of its training, of noisy sound at the ears.

    Args:
        stage: of the two, or the single one.
        size: of the network.
        begins: what it says before training.
        numbers: of a pose.
        hop: samples from pose to pose.

    Raises:
        ValueError: there is no such beginning.
    """

    def __init__(
        self,
        stage: Stage,
        size: BinauralGradFramesConfig | None = None,
        *,
        begins: Beginning = "nearest",
        numbers: int = VIEW,
        hop: int = POSE_HOP,
    ) -> None:
        super().__init__()
        if begins not in get_args(Beginning):
            raise ValueError(f"a network begins {' or '.join(get_args(Beginning))}")
        self.stage, self.size, self.hop = stage, size or BinauralGradFramesConfig(), hop
        size = self.size
        channels, inputs = size.stack.channels, stage.channels + stage.signals
        frame = size.frame
        self.step = StepEmbedding(size.step)
        self.noisy = kaiming(
            nn.Conv1d(stage.channels, channels, 2 * frame, stride=frame, padding=frame // 2)
        )
        self.signals = kaiming(
            nn.Conv1d(stage.signals, size.condition, 2 * frame, stride=frame, padding=frame // 2)
        )
        self.pose = nn.Sequential(
            kaiming(nn.Conv1d(numbers, size.condition, 1)),
            nn.ReLU(),
            kaiming(nn.Conv1d(size.condition, size.condition, 1)),
        )
        self.stack = DilatedStack(size.stack, causal=False, condition=size.condition, step=STEP)
        self.mixing = kaiming(nn.Conv1d(channels, channels, 1))
        self.frames = zero(
            nn.ConvTranspose1d(
                channels, stage.channels, 2 * frame, stride=frame, padding=frame // 2
            )
        )
        self.filters = HyperConvolution(
            inputs,
            stage.channels,
            size.taps,
            numbers=channels,
            hop=frame,
            rank=size.rank,
            causal=False,
        )
        self._initialize(begins)

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on, at most.

        Windows begin at multiples of both `hop` and the frame, and have the pose after their last
        sample too.
        """
        before, after = self.stack.reach
        frame = self.size.frame
        # One frame more for sound that two frames overlap in, one for where in a frame a sample is,
        # and after it one more for filters that are on their way to those of the next
        return (before + 2) * frame, (after + 3) * frame

    def operations_per_second(self, rate: int) -> float:
        """Multiply-adds of one step for a second of sound at `rate` samples a second."""
        frames = rate / self.size.frame
        a_frame = weights_of_convolutions(self) + self.frames.weight.numel()
        return frames * a_frame + rate * self.filters.operations

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
            time: of the diffusion, on the scale of the paper's, 0 to 200.
            signals: conditional audio, in the order of `Stage.heard`.
            view: pose at every `hop`-th sample, linear in between; the last is held.
        """
        samples, frame = noisy.shape[-1], self.size.frame
        audio = whole_frames(torch.cat([noisy, signals], dim=1), frame)
        state, told = audio.split([self.stage.channels, self.stage.signals], dim=1)
        middles = upsampled(view, self.hop, audio.shape[-1])[..., frame // 2 :: frame]

        condition = F.relu(self.signals(told) + self.pose(middles))
        skips = self.stack(self.noisy(state), condition, self.step(time))
        made = F.relu(self.mixing(skips))
        with torch.autocast(audio.device.type, enabled=False):
            past = self.filters(audio, made.to(audio.dtype))
        return (self.frames(made).to(past.dtype) + past)[..., :samples]

    def _initialize(self, begins: Beginning) -> None:
        """Filters that no frame changes: of the nearest signal, or silent."""
        nn.init.zeros_(self.filters.kernels.weight)
        nn.init.zeros_(self.filters.kernels.bias)
        if begins == "nearest":
            inputs, middle = self.filters.inputs, self.size.taps // 2
            matrix = self.filters.kernels.bias.data.unflatten(0, (-1, self.stage.channels))
            for ear, signal in enumerate(self.stage.nearest):
                matrix[middle * inputs + self.stage.channels + signal, ear] = 1.0
