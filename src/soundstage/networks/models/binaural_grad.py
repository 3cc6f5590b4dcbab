"""The networks of BinauralGrad, which denoise sound at the ears.

Leng et al. (2022) make binaural sound in two stages of diffusion, each with its network (§3.3,
figure 3): a bidirectional DiffWave (`dilated.py`) of 3 blocks of 10 layers and 128 channels,
conditioned on the diffusion step and, by a Conditioner, on audio signals and the pose:

    stage     noisy, clean   conditional audio        pose
    common    1: ȳ           [x̄, x]                   p
    specific  2: (y^l, y^r)  [x̂^l, x̂^r, x, y_c]       p
    single    2: (y^l, y^r)  [x̂^l, x̂^r, x]            p

where x is the mono signal, x̂ its geometric warping to each ear, x̄ the mean of both, and y_c the
result of the first stage, in training ȳ, the mean of both ears. `single` is their ablation, "two
times deeper so as to make the number of parameters comparable" (§4.2).

`BinauralGrad` is the paper's network. "We utilize two separate convolution blocks to process the
position as well as the conditional audio respectively, and the output features are concatenated and
then processed by a final convolution layer" (§3.3). The paper does not state their sizes; here each
block is two convolutions of 3 samples to 20 and 40 channels, the final one has 80 outputs, and a
leaky ReLU with a slope of 0.4 follows each, as in the authors' public code. The step is
"represented by positional encoding [Vaswani et al.] and encoded by two fully connected layers", of
512 units as in DiffWave (Kong et al. 2021); each layer, not only each block, transforms it further,
as there. The sum of the skips is mixed, and a convolution, zero at first, makes the result.

`BinauralGradFrames` is ours, for real time on a few CPU cores. The paper's network needs 4.5
million multiply-adds for every sample; ours runs the same kind of stack over *frames* and needs a
hundredth of them. A strided convolution E of twice the hop makes the vector of a frame, a
transposed one D makes sound again:

    h = E(noisy),  c = max(0, E'(signals) + P(pose)),  s = step
    m = max(0, U·stack(h, c, s))
    result = D(m) + Σ_k W_k(m)·[noisy, signals]_(t−k)

The layers of the stack are separable. Since a frame is a bottleneck, sound also bypasses it,
through filters W from the noisy and conditional signals to every ear, which depend on the frame as
those of a hyper-convolution (`hyper_convolution.py`) depend on the pose. D adds the rest:
reflections and all that is not linear. The filters keep phases exact, at full precision also where
the network runs in half. Before training D is zero, and the filters of a network that predicts the
clean sound pass the conditional signal nearest to each ear; those of a network that predicts noise
are zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from soundstage.diffusion import (
    DiscreteSchedule,
    FlowSchedule,
    Parametrization,
    Schedule,
    linear_betas,
)
from soundstage.networks.backbones.dilated import DilatedStack, kaiming, zero
from soundstage.networks.backbones.hyper_convolution import HyperConvolution
from soundstage.networks.backbones.pose_upsampling import pad_to_multiple, upsample
from soundstage.networks.backbones.transformer import sinusoidal_embedding
from soundstage.networks.models.binaural_wavenet import BinauralConfig
from soundstage.weights.config import Config, LowRank, bounded

DIFFUSION_STEPS = 200  # in training (Leng et al. 2022, §4); the times of a flow are scaled to them
TIME_DIM = 512  # of the embedding of a step (Kong et al. 2021, §3.1)
TIME_RANK = 48  # of these embeddings in files: results change by −60 dB or less
SLOPE = 0.4
CONDITIONER_KERNEL = 3


class Stage(Enum):
    """The output of a network, and its conditional audio."""

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
        """The conditional signal nearest to each channel of the clean sound.

        For the specific stage that is y_c: row 4 over row 2 of the paper's table 4.
        """
        return {Stage.COMMON: (0,), Stage.SPECIFIC: (3, 3), Stage.SINGLE: (0, 1)}[self]

    def conditioning(
        self,
        warped: Float[Tensor, "batch 2 samples"],
        mono: Float[Tensor, "batch samples"],
        common: Float[Tensor, "batch samples"] | None = None,
    ) -> Float[Tensor, "batch signals samples"]:
        """The conditional audio.

        Args:
            warped: x̂.
            mono: x.
            common: y_c, for the specific stage only.

        Raises:
            ValueError: y_c is missing, or of no use.
        """
        if (common is None) == (self is Stage.SPECIFIC):
            raise ValueError("the specific stage, and no other, needs a common part")
        own = warped.mean(dim=1, keepdim=True) if self is Stage.COMMON else warped
        return torch.cat([own, *(each[:, None] for each in (mono, common) if each is not None)], 1)


@dataclass(frozen=True, kw_only=True)
class FramesConfig(Config):
    """The frames of a `BinauralGradFrames`.

    Raises:
        ValueError: the hop is odd, or the number of taps even.
    """

    hop: int = bounded(2, 1024, 32)
    """Samples from frame to frame; a frame is twice as long."""
    taps: int = bounded(1, 1025, 33)
    """Of the filters past the frames; 33 are 0.33 ms on either side at 48 kHz, more than the path
    around a head is longer than the straight one."""
    rank: int = bounded(1, 1024, 16)
    """Filters with coefficients."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hop % 2 or self.taps % 2 == 0:
            raise ValueError("the hop of frames is even, and filters have an odd number of taps")


@dataclass(frozen=True, kw_only=True)
class BinauralGradConfig(BinauralConfig):
    """Config of a network of BinauralGrad; the defaults are the paper's.

    Raises:
        ValueError: the number of time features is odd.
    """

    family: ClassVar[str] = "binauralgrad"

    stage: Literal["common", "specific", "single"]
    noise: Literal["ddpm", "flow"] = "ddpm"
    """"ddpm": the paper's 200 steps, the network predicts the noise; "flow": a straight line from
    noise to the clean sound, which the network predicts."""
    cond_channels: int = bounded(1, 1024, 80)
    """Of c."""
    cond_hidden: tuple[int, int] = bounded(1, 1024, (20, 40))
    """Channels of the two convolutions of a block of the paper's Conditioner."""
    time_features: int = bounded(2, 1024, 128)
    """Of the sinusoidal embedding of the diffusion time."""
    frames: FramesConfig | None = None
    """None: the paper's network, sample by sample."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.time_features % 2:
            raise ValueError(f"time_features is an even number, not {self.time_features}")

    def build(self) -> "BinauralGrad | BinauralGradFrames":
        """The network, with random weights.

        Raises:
            ValueError: the kernel size of the stack is even.
        """
        return BinauralGradFrames(self) if self.frames else BinauralGrad(self)

    def low_rank(self, state: Mapping[str, Tensor]) -> LowRank:
        """The projections of the time, as its embeddings are a curve in few dimensions."""
        embedding = TimestepEmbedding(self.time_features)
        prefix = "time_embedding."
        embedding.load_state_dict(
            {
                name.removeprefix(prefix): value.detach().cpu().float()
                for name, value in state.items()
                if name.startswith(prefix)
            }
        )
        with torch.no_grad():
            vectors = embedding(torch.linspace(0, DIFFUSION_STEPS, 2 * DIFFUSION_STEPS + 1))
        names = [name for name in state if name.endswith(".time_proj.weight")]
        return LowRank(names, vectors, TIME_RANK)

    def schedule(self) -> Schedule:
        """Of the noise."""
        return (
            FlowSchedule()
            if self.noise == "flow"
            else DiscreteSchedule(linear_betas(DIFFUSION_STEPS))
        )

    @property
    def parametrization(self) -> Parametrization:
        """The training target."""
        return Parametrization.CLEAN if self.noise == "flow" else Parametrization.NOISE

    @property
    def time_scale(self) -> float:
        """From times of the schedule to those of the network."""
        return float(DIFFUSION_STEPS) if self.noise == "flow" else 1.0


class TimestepEmbedding(nn.Module):
    """Embedding of the diffusion time: sinusoids and two layers.

    Args:
        features: sines and cosines, an even number.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.mlp = nn.Sequential(
            nn.Linear(features, TIME_DIM), nn.SiLU(), nn.Linear(TIME_DIM, TIME_DIM)
        )

    def forward(self, time: Float[Tensor, " batch"]) -> Float[Tensor, "batch time_dim"]:
        """Embeddings of times, which need not be whole steps."""
        return F.silu(self.mlp(sinusoidal_embedding(time.float(), self.features)))


class BinauralGrad(nn.Module):
    """The training target for noisy sound at the ears: the paper's network."""

    def __init__(self, config: BinauralGradConfig) -> None:
        super().__init__()
        stage, channels = Stage(config.stage), config.stack.channels
        self.hop = config.pose_hop
        self.time_embedding = TimestepEmbedding(config.time_features)
        self.conditioner = _Conditioner(stage.signals, config)
        self.conv_in = kaiming(nn.Conv1d(stage.channels, channels, 1))
        self.stack = DilatedStack(
            config.stack, causal=False, cond_channels=config.cond_channels, time_dim=TIME_DIM
        )
        self.skip_conv = kaiming(nn.Conv1d(channels, channels, 1))
        self.conv_out = zero(nn.Conv1d(channels, stage.channels, 1))

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after a sample that its result depends on.

        Windows start at multiples of the pose hop, and have the pose after their last sample too.
        """
        before, after = self.stack.receptive_field
        # The condition skips the first convolution of the stack
        more = max(self.conditioner.radius - self.stack.config.kernel_size // 2, 0)
        return before + more, after + more

    def forward(
        self,
        noisy: Float[Tensor, "batch channels samples"],
        time: Float[Tensor, " batch"],
        signals: Float[Tensor, "batch signals samples"],
        pose: Float[Tensor, "batch pose_dim poses"],
    ) -> Float[Tensor, "batch channels samples"]:
        """The training target.

        Args:
            noisy: the state.
            time: of the diffusion, in the paper from 1 to 200.
            signals: the result of `Stage.conditioning`.
            pose: at every `pose_hop`-th sample, linear in between; the last is held.
        """
        cond = self.conditioner(signals, upsample(pose, self.hop, noisy.shape[-1]))
        skips = self.stack(F.relu(self.conv_in(noisy)), cond, self.time_embedding(time))
        return self.conv_out(F.relu(self.skip_conv(skips))).to(noisy.dtype)


class _Conditioner(nn.Module):
    def __init__(self, signals: int, config: BinauralGradConfig) -> None:
        super().__init__()
        hidden = config.cond_hidden
        self.audio = _conditioner_layers(signals, *hidden)
        self.pose = _conditioner_layers(config.pose_dim, *hidden)
        self.fuse = _conditioner_layers(2 * hidden[1], config.cond_channels)
        self.radius = 3 * (CONDITIONER_KERNEL // 2)

    def forward(self, signals: Tensor, pose: Tensor) -> Float[Tensor, "batch channels samples"]:
        return self.fuse(torch.cat([self.audio(signals), self.pose(pose)], dim=1))


def _conditioner_layers(*channels: int) -> nn.Sequential:
    layers = nn.Sequential()
    for inputs, outputs in pairwise(channels):
        layers.append(
            kaiming(nn.Conv1d(inputs, outputs, CONDITIONER_KERNEL, padding=CONDITIONER_KERNEL // 2))
        )
        layers.append(nn.LeakyReLU(SLOPE))
    return layers


class BinauralGradFrames(nn.Module):
    """The training target for noisy sound at the ears: our network over frames."""

    def __init__(self, config: BinauralGradConfig) -> None:
        super().__init__()
        assert config.frames is not None
        self.stage, self.frames = Stage(config.stage), config.frames
        self.pose_hop = config.pose_hop
        stage, hop = self.stage, self.frames.hop
        channels, cond_channels = config.stack.channels, config.cond_channels
        framing = (2 * hop, hop, hop // 2)  # kernel size, stride, padding
        self.time_embedding = TimestepEmbedding(config.time_features)
        self.noisy_encoder = kaiming(nn.Conv1d(stage.channels, channels, *framing))
        self.signal_encoder = kaiming(nn.Conv1d(stage.signals, cond_channels, *framing))
        self.pose_encoder = nn.Sequential(
            kaiming(nn.Conv1d(config.pose_dim, cond_channels, 1)),
            nn.ReLU(),
            kaiming(nn.Conv1d(cond_channels, cond_channels, 1)),
        )
        self.stack = DilatedStack(
            config.stack, causal=False, cond_channels=cond_channels, time_dim=TIME_DIM
        )
        self.skip_conv = kaiming(nn.Conv1d(channels, channels, 1))
        self.decoder = zero(nn.ConvTranspose1d(channels, stage.channels, *framing))
        self.filters = HyperConvolution(
            stage.channels + stage.signals,
            stage.channels,
            self.frames.taps,
            pose_dim=channels,
            hop=hop,
            rank=self.frames.rank,
            causal=False,
        )
        self._initialize_filters(passes_nearest=config.noise == "flow")

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after a sample that its result depends on, at most.

        Windows start at multiples of the pose hop and of the frame hop, and have the pose after
        their last sample too.
        """
        before, after = self.stack.receptive_field
        # One frame more for overlapping frames, one for the place of the sample in its frame, and
        # after it one more for the interpolation towards the filters of the next
        return (before + 2) * self.frames.hop, (after + 3) * self.frames.hop

    def forward(
        self,
        noisy: Float[Tensor, "batch channels samples"],
        time: Float[Tensor, " batch"],
        signals: Float[Tensor, "batch signals samples"],
        pose: Float[Tensor, "batch pose_dim poses"],
    ) -> Float[Tensor, "batch channels samples"]:
        """The training target.

        Args:
            noisy: the state.
            time: of the diffusion, on the paper's scale, 0 to 200.
            signals: the result of `Stage.conditioning`.
            pose: at every `pose_hop`-th sample, linear in between; the last is held.
        """
        samples, hop = noisy.shape[-1], self.frames.hop
        audio = pad_to_multiple(torch.cat([noisy, signals], dim=1), hop)
        state, conditional = audio.split([self.stage.channels, self.stage.signals], dim=1)
        frame_poses = upsample(pose, self.pose_hop, audio.shape[-1])[..., hop // 2 :: hop]

        cond = F.relu(self.signal_encoder(conditional) + self.pose_encoder(frame_poses))
        skips = self.stack(self.noisy_encoder(state), cond, self.time_embedding(time))
        hidden = F.relu(self.skip_conv(skips))
        with torch.autocast(audio.device.type, enabled=False):
            filtered = self.filters(audio, hidden.to(audio.dtype))
        return (self.decoder(hidden).to(filtered.dtype) + filtered)[..., :samples]

    def _initialize_filters(self, *, passes_nearest: bool) -> None:
        """The same filters for all frames: of the nearest signal, or zero."""
        nn.init.zeros_(self.filters.kernels.weight)
        nn.init.zeros_(self.filters.kernels.bias)
        if passes_nearest:
            inputs, middle = self.filters.in_channels, self.frames.taps // 2
            matrix = self.filters.kernels.bias.data.unflatten(0, (-1, self.stage.channels))
            for ear, signal in enumerate(self.stage.nearest):
                matrix[middle * inputs + self.stage.channels + signal, ear] = 1.0
