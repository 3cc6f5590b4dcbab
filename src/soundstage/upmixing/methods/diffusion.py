"""`diffusion`: the side out of noise, given the mid, in a few steps.

Ours, after DiffStereo (Zhang et al. 2025), which makes left and right from noise and damages the
music by it. Here the mid is what it is, and only the side is made: its picture of two numbers a
tile, how loud it is and how much of it is the mid's own (`stereo/side_parameters.py`), is drawn by a
diffusion transformer (`networks/models/side_diffusion.py`) that follows the flow from noise to data
(Lipman et al. 2023); the fine structure of what is not the mid's own is a decorrelator's, as in all
parametric stereo.

Noise of less than unit deviation draws nearer to what is likeliest (a *temperature*), level,
direction and the whole each by its own.

A signal is made in windows that overlap by a quarter and go on along the trajectory of the one
before (`diffusion/continuation.py`). Windows lie at fixed frames and noise depends on the place
alone, so the result does not depend on how a signal is cut. Takes are made one after the other
inside each step, so that each is the same whatever is made beside it.
"""

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
    ancestral,
    dpm_solver_2m,
    euler,
    heun,
    uniform_times,
)
from soundstage.diffusion.samplers import StepNoise
from soundstage.networks.models.side_diffusion import (
    OFFSETS,
    SideDiffusion,
    SideDiffusionConfig,
)
from soundstage.spectra import SampleQueue
from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.features import LEVELS, energy_of_levels, mid_levels
from soundstage.stereo.side_parameters import SIDE_PARAMETERS, add_side_gain, from_side_parameters
from soundstage.stereo.style_prior import StylePrior
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.upmixing.generative.sampling import TakeStyle
from soundstage.upmixing.generative.windowed_decoding import frames_between, joined
from soundstage.upmixing.takes import OnlyTake

SamplerName = Literal["euler", "dpm-solver", "heun", "ancestral"]
FAMILY: Final = "diffusion"
SCHEDULE = FlowSchedule()
SILENCE = 40.0  # dB under the loudest position of a window


@dataclass(frozen=True)
class DiffusionDecoding:
    """How a picture is drawn.

    Raises:
        ValueError: a number is out of its range, or there is no such sampler.
    """

    steps: int = 8
    """Of the sampler; `heun` asks the network twice in each."""
    sampler: SamplerName = "dpm-solver"
    temperature: tuple[float, float] = (0.8, 1.0)
    """Of the noise under level and direction: 0 is the likeliest, 1 as in training."""
    whole: float = 0.0
    """Temperature of what the noise has in common at all times; a style is drawn beside it."""
    side_gain: float = 1.5
    """dB; with it validation music is as wide in the mean as the truth, at this temperature."""
    guidance: float = 1.0
    """w of the sound and the style together: 1 is none, any other costs a second pass."""
    style_guidance: float = 2.0
    """w of the style alone, where one is asked and `guidance` is 1; likewise."""
    style_spread: float = 1.0
    """Of the style that is drawn where none is asked, 1 as in real music; 0 leaves it open."""
    overlap: float = 0.25
    """Share of a window that the next one goes over again, up to a half."""

    def __post_init__(self) -> None:
        if self.sampler not in get_args(SamplerName):
            raise ValueError(f"samplers are {', '.join(get_args(SamplerName))}")
        if self.steps < 1:
            raise ValueError("a step or more")
        if min(*self.temperature, self.whole) < 0 or not 0 < self.overlap <= 0.5:
            raise ValueError("temperatures are from 0, an overlap up to 0.5")

    def shared(self, patch: int) -> int:
        """Positions that two neighboring windows of so many share."""
        return max(int(self.overlap * patch), 1)

    def noise(self, seed: int) -> CounterNoise:
        """That a take is led from."""
        offsets = replace(OFFSETS, temperature=self.temperature, whole=self.whole)
        return CounterNoise((len(SIDE_PARAMETERS), BANDS), seed, offsets=offsets)

    def sample(
        self,
        denoiser: CleanEstimate,
        noise: Float[Tensor, "takes 2 bands positions"],
        steps: StepNoise,
    ) -> Float[Tensor, "takes 2 bands positions"]:
        """Pictures by the sampler."""
        times = uniform_times(SCHEDULE, self.steps)
        if self.sampler == "ancestral":
            return ancestral(denoiser, noise, times, step_noise=steps)
        deterministic = {"euler": euler, "dpm-solver": dpm_solver_2m, "heun": heun}
        return deterministic[self.sampler](denoiser, noise, times)


class DiffusionPredictor:
    """Parameters by diffusion.

    Args:
        network: in evaluation mode.
        config: of the network.
        decoding: how.
        style: numbers of `stereo.styles`, NaN where nothing is asked; None for no style.
        prior: what the rest is drawn from.
    """

    def __init__(
        self,
        network: SideDiffusion,
        config: SideDiffusionConfig,
        decoding: DiffusionDecoding | None = None,
        style: Float[Tensor, " style"] | None = None,
        prior: StylePrior | None = None,
    ) -> None:
        self.config, self.decoding = config, decoding or DiffusionDecoding()
        self.style = TakeStyle(style, prior, self.decoding.style_spread)
        self._network = network

    def stream(self, *, seed: int) -> OnlyTake[Parameters]:
        """Begin a signal."""
        return OnlyTake(self.takes([seed]))

    def takes(self, seeds: list[int]) -> "DiffusionTakes":
        """Begin several takes of a signal, which share its analysis."""
        return DiffusionTakes(self, seeds)

    def denoiser(
        self,
        levels: Float[Tensor, "positions levels"],
        leanings: Float[Tensor, "takes style"],
    ) -> CleanEstimate:
        """Of the pictures of all takes where this is heard."""
        count = len(leanings)
        condition = {
            "cond": self._network.encode(without_silence(levels)[None]).expand(count, -1, -1, -1),
            "uncond": torch.zeros(count, dtype=torch.bool),
        }
        if self.config.style_dim:
            condition["style"] = self.style.of(leanings, levels)
        made = Denoiser(self._network, Parametrization.FLOW, SCHEDULE, condition, max_batch=1)
        chosen = self.decoding
        if chosen.guidance != 1:
            return CFGDenoiser(
                made, {"uncond": torch.ones(count, dtype=torch.bool)}, chosen.guidance
            )
        if self.config.style_dim and self.style.is_asked and chosen.style_guidance != 1:
            nothing = torch.full_like(condition["style"], torch.nan)
            return CFGDenoiser(made, {"style": nothing}, chosen.style_guidance)
        return made


def without_silence(
    levels: Float[Tensor, "positions levels"],
) -> Float[Tensor, "positions levels"]:
    """With the mean of the others at positions far quieter than the loudest of the window.

    The network hears levels beside their mean over the window, which the silence after the end of a
    song would bring to where no music is; sides of what is before it came out far too loud.
    """
    loudest = levels.amax(dim=1)
    silent = loudest < loudest.amax() - SILENCE
    return torch.where(silent[:, None], levels[~silent].mean(dim=0), levels)


class DiffusionTakes:
    """One signal on its way, in several takes; up to a window is held back.

    Args:
        predictor: makes the pictures.
        seeds: one a take.
    """

    def __init__(self, predictor: DiffusionPredictor, seeds: list[int]) -> None:
        self._stride, self._wanted = predictor.config.stride, predictor.config.context_frames
        overlap = predictor.decoding.shared(self._wanted)
        self._gain = predictor.decoding.side_gain
        self._hop = self._wanted - overlap  # positions that every window but the first wants
        leanings = predictor.style.leanings(seeds)
        self._holds = predictor.style.holds(len(seeds))
        self._windows = ContinuedStream(
            lambda levels: predictor.denoiser(levels.T.contiguous(), leanings),
            predictor.decoding.sample,
            [predictor.decoding.noise(seed) for seed in seeds],
            size=self._wanted,
            overlap=overlap,
        )
        self._heard = 0  # frames
        self._positions = SampleQueue((LEVELS,))  # levels of those that are in no window yet
        self._levels = SampleQueue((LEVELS,))  # of frames that nothing is told of yet
        self._last = torch.zeros(
            len(seeds), len(SIDE_PARAMETERS), BANDS, 0
        )  # picture of the last position

    def push(self, spectrogram: Complex[Tensor, "bins frames"]) -> list[Parameters]:
        """Of each take, the parameters of the frames that whole windows cover."""
        levels = mid_levels(spectrogram).T
        self._levels.push(levels)
        self._positions.push(levels[:, -self._heard % self._stride :: self._stride])
        self._heard += levels.shape[1]
        parts = [self._told(self._last[..., :0])]
        while len(self._positions) >= self._wanted:
            made = self._windows.push(self._positions.pop(self._wanted))
            points = torch.cat([self._last, made], dim=-1)
            self._wanted, self._last = self._hop, points[..., -1:]
            # What lies after the last position waits for the next one
            parts.append(self._told(frames_between(points, self._stride)[..., : -self._stride]))
        return [joined(take) for take in zip(*parts, strict=True)]

    def finish(self) -> list[Parameters]:
        """Of each take, the parameters of the rest."""
        made = [self._windows.push(self._positions.pop(len(self._positions)))]
        points = torch.cat([self._last, *made, self._windows.finish()], dim=-1)
        return self._told(frames_between(points, self._stride)[..., : len(self._levels)])

    def _told(self, pictures: Float[Tensor, "takes 2 bands frames"]) -> list[Parameters]:
        """What leaves for the decoder."""
        made = [from_side_parameters(add_side_gain(take, self._gain)) for take in pictures]
        energy = energy_of_levels(self._levels.pop(pictures.shape[-1]).T)
        if not self._holds:
            return made
        return [hold.held(take, energy) for hold, take in zip(self._holds, made, strict=True)]


def load_diffusion(
    source: str = FAMILY,
    style: Float[Tensor, " style"] | None = None,
    *,
    decoding: DiffusionDecoding | None = None,
) -> DiffusionPredictor:
    """The predictor of `diffusion`.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    model, prior = load_generative(source, SideDiffusionConfig)
    return DiffusionPredictor(model.network, model.config, decoding, style, prior)
