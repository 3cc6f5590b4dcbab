"""`diffusion`: a diffusion transformer samples the side in a few steps, given the mid.

Ours, after DiffStereo (Zhang et al. 2025), which generates left and right from noise and degrades
the music by it. Here the mid stays, and only the side is generated: two values a tile, its level
and its direction (`stereo/side_parameters.py`), by a diffusion transformer
(`networks/models/side_diffusion.py`) along the flow from noise to data (Lipman et al. 2023). The
fine structure of the diffuse part comes from a decorrelator, as in all parametric stereo.

Noise with a standard deviation below 1 gives more likely results (a *temperature*); level,
direction and the offset common to all times have one each.

Windows overlap by a quarter, and each continues the trajectory of the one before
(`diffusion/continuation.py`). Windows lie at fixed frames and noise depends on the position alone:
the result does not depend on the block size. The network runs take by take within each step, so
that a take does not depend on the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.diffusion import (
    CFGDenoiser,
    CleanEstimate,
    ContinuedStream,
    CounterNoise,
    Denoiser,
    FlowSchedule,
    Parametrization,
    StepNoise,
    ancestral,
    dpm_solver_2m,
    euler,
    heun,
    uniform_times,
)
from soundstage.networks.models.side_diffusion import OFFSETS, SideDiffusion, SideDiffusionConfig
from soundstage.spectra import SampleQueue
from soundstage.stereo import BANDS, Decoder, Parameters
from soundstage.stereo.features import LEVELS, energy_of_levels, mid_levels
from soundstage.stereo.side_parameters import SIDE_PARAMETERS, add_side_gain, from_side_parameters
from soundstage.stereo.style_prior import StylePrior
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.upmixing.generative.sampling import TakeStyle
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.generative.windowed_decoding import interpolate_positions
from soundstage.upmixing.parametric import ParametricMethod, concatenate, stack_takes

SamplerName = Literal["euler", "dpm-solver", "heun", "ancestral"]
FAMILY: Final = "diffusion"
SCHEDULE = FlowSchedule()
SILENCE = 40.0  # dB below the loudest position of a window


@dataclass(frozen=True)
class DiffusionDecoding:
    """Settings of the sampler.

    Raises:
        ValueError: a value is out of its range, or the sampler is unknown.
    """

    steps: int = 8
    """Steps of the sampler; `heun` evaluates the network twice in each."""
    sampler: SamplerName = "dpm-solver"
    temperature: tuple[float, float] = (0.8, 1.0)
    """Of the noise of level and direction: 0 gives the most likely result, 1 is as trained."""
    whole: float = 0.0
    """Temperature of the noise offset common to all times; a style is sampled beside it."""
    side_gain: float = 1.5
    """dB; compensates for the temperature: the mean width of validation music is then correct."""
    guidance: float = 1.0
    """w of sound and style together: 1 is none, any other costs a second branch."""
    style_guidance: float = 2.0
    """w of a requested style alone, if `guidance` is 1; likewise."""
    style_spread: float = 1.0
    """Spread of unrequested styles, 1 as in real music; 0 leaves them undefined."""
    overlap: float = 0.25
    """Share of a window that the next one repeats, up to a half."""

    def __post_init__(self) -> None:
        if self.sampler not in get_args(SamplerName):
            raise ValueError(f"sampler must be one of {', '.join(get_args(SamplerName))}")
        if self.steps < 1:
            raise ValueError("steps must be 1 or more")
        if min(*self.temperature, self.whole) < 0 or not 0 < self.overlap <= 0.5:
            raise ValueError("temperatures must be 0 or more, and overlap up to 0.5")

    def shared(self, positions: int) -> int:
        """Positions that two neighboring windows of this length share."""
        return max(int(self.overlap * positions), 1)

    def noise(self, seed: int) -> CounterNoise:
        """The noise of a take."""
        offsets = replace(OFFSETS, temperature=self.temperature, whole=self.whole)
        return CounterNoise((len(SIDE_PARAMETERS), BANDS), seed, offsets=offsets)

    def sample(
        self,
        denoiser: CleanEstimate,
        noise: Float[Tensor, "takes 2 bands positions"],
        steps: StepNoise,
    ) -> Float[Tensor, "takes 2 bands positions"]:
        """Level and direction, by the sampler."""
        times = uniform_times(SCHEDULE, self.steps)
        if self.sampler == "ancestral":
            return ancestral(denoiser, noise, times, step_noise=steps)
        deterministic = {"euler": euler, "dpm-solver": dpm_solver_2m, "heun": heun}
        return deterministic[self.sampler](denoiser, noise, times)


SETTINGS = DiffusionDecoding()


class DiffusionPredictor:
    """Parameters by diffusion.

    Args:
        network: in evaluation mode, on `device`.
        config: of the network.
        decoding: settings.
        style: requested; None for no style.
        prior: of unrequested styles.
        device: where the network runs.
    """

    def __init__(
        self,
        network: SideDiffusion,
        config: SideDiffusionConfig,
        decoding: DiffusionDecoding = SETTINGS,
        style: Style | None = None,
        prior: StylePrior | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config, self.decoding, self.device = config, decoding, device
        self.style = TakeStyle(style, prior, self.decoding.style_spread)
        self._network = network

    def stream(self, seeds: Sequence[int]) -> "DiffusionStream":
        """Start a signal."""
        return DiffusionStream(self, seeds)

    def denoiser(
        self,
        levels: Float[Tensor, "positions levels"],
        offsets: Float[Tensor, "takes style"],
    ) -> CleanEstimate:
        """Of level and direction of all takes, for a window with these levels."""
        takes, device = len(offsets), self.device
        encoded = self._network.encode(without_silence(levels)[None])
        condition = {
            "cond": encoded.expand(takes, -1, -1, -1),
            "uncond": torch.zeros(takes, dtype=torch.bool, device=device),
        }
        if self.config.style_dim:
            condition["style"] = self.style.sample(offsets, levels.cpu()).to(device)
        denoiser = Denoiser(self._network, Parametrization.FLOW, SCHEDULE, condition, max_batch=1)
        settings = self.decoding
        if settings.guidance != 1:
            uncond = torch.ones(takes, dtype=torch.bool, device=device)
            return CFGDenoiser(denoiser, {"uncond": uncond}, settings.guidance)
        if self.config.style_dim and self.style.is_requested and settings.style_guidance != 1:
            undefined = torch.full_like(condition["style"], torch.nan)
            return CFGDenoiser(denoiser, {"style": undefined}, settings.style_guidance)
        return denoiser


def without_silence(
    levels: Float[Tensor, "positions levels"],
) -> Float[Tensor, "positions levels"]:
    """Replace positions far below the loudest of the window by the mean of the others.

    Levels enter the network relative to their mean over the window. Silence after the end of a song
    would lower it beyond all music, and sides before it would be far too loud.
    """
    loudest = levels.amax(dim=1)
    silent = loudest < loudest.amax() - SILENCE
    return torch.where(silent[:, None], levels[~silent].mean(dim=0), levels)


class DiffusionStream:
    """One signal in windows, with all its takes; up to a window is held back.

    Args:
        predictor: with its network.
        seeds: one a take.
    """

    def __init__(self, predictor: DiffusionPredictor, seeds: Sequence[int]) -> None:
        self._stride, self._next = predictor.config.stride, predictor.config.context_frames
        overlap = predictor.decoding.shared(self._next)
        self._gain, self._device = predictor.decoding.side_gain, predictor.device
        self._hop = self._next - overlap  # new positions of every window but the first
        offsets = predictor.style.offsets(seeds)
        self._constraints = predictor.style.constraints(len(seeds))
        self._windows = ContinuedStream(
            lambda levels: predictor.denoiser(levels.T.contiguous(), offsets),
            predictor.decoding.sample,
            [predictor.decoding.noise(seed) for seed in seeds],
            size=self._next,
            overlap=overlap,
        )
        self._frames = 0  # number of frames so far
        self._positions = SampleQueue((LEVELS,))  # levels of positions that are in no window yet
        self._levels = SampleQueue((LEVELS,))  # of frames without parameters
        self._last = torch.zeros(len(seeds), len(SIDE_PARAMETERS), BANDS, 0)  # of the last position

    def push(self, spectrogram: Complex[Tensor, "bins frames"], /) -> Parameters:
        """Parameters of the frames that whole windows cover, (takes, bands, ready)."""
        levels = mid_levels(spectrogram).T
        self._levels.push(levels)
        self._positions.push(levels[:, -self._frames % self._stride :: self._stride])
        self._frames += levels.shape[1]
        parts = [self._output(self._last[..., :0])]
        while len(self._positions) >= self._next:
            points = torch.cat([self._last, self._window(self._next)], dim=-1)
            self._next, self._last = self._hop, points[..., -1:]
            # The frames after the last position wait for the next position
            parts.append(
                self._output(interpolate_positions(points, self._stride)[..., : -self._stride])
            )
        return concatenate(parts)

    def finish(self) -> Parameters:
        """Parameters of the rest."""
        rest = [self._window(len(self._positions)), self._windows.finish().cpu()]
        points = torch.cat([self._last, *rest], dim=-1)
        return self._output(interpolate_positions(points, self._stride)[..., : len(self._levels)])

    def _window(self, positions: int) -> Float[Tensor, "takes 2 bands ready"]:
        levels = self._positions.pop(positions).to(self._device)
        return self._windows.push(levels).cpu()

    def _output(self, sides: Float[Tensor, "takes 2 bands frames"]) -> Parameters:
        """Constrained parameters."""
        takes = [from_side_parameters(add_side_gain(take, self._gain)) for take in sides]
        energy = energy_of_levels(self._levels.pop(sides.shape[-1]).T)
        if self._constraints:
            pairs = zip(self._constraints, takes, strict=True)
            takes = [each.apply(take, energy) for each, take in pairs]
        return stack_takes(takes)


def load(
    weights: str = FAMILY,
    *,
    style: Style | None = None,
    decoder: Decoder = "prediction",
    device: torch.device | str = "cpu",
    decoding: DiffusionDecoding = SETTINGS,
) -> ParametricMethod:
    """The method with its weights.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    model, prior = load_generative(weights, SideDiffusionConfig, device)
    predictor = DiffusionPredictor(model.network, model.config, decoding, style, prior, device)
    return ParametricMethod(predictor, decoder=decoder)
