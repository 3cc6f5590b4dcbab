"""`diffstereo`: left and right out of noise, given the mono: DiffStereo as published.

The method of Zhang et al. (2025): the compressed complex spectra of both channels
(`stereo/compressed_stft.py`) are drawn by a diffusion transformer (`networks/models/stereo_diffusion.py`)
that hears the spectrum of the mono, in steps from noise to data (Ho et al. 2020). It is here for
comparison with the paper. Unlike the other methods,

- it makes a new mid and does not keep the one it was given: (L + R)/2 is not the input, and the
  paper's own results keep it at 3 to 6 dB SI-SNR;
- it works at 24 kHz: above 12 kHz there is nothing, neither side nor mid.

The paper samples in 1000 ancestral steps, which are `PAPER`; the default is DDIM (Song et al. 2021)
in 20. Clean estimates are held to magnitudes that sound can have, as Ho et al. hold theirs to the
range of their data: where hardly any signal is left, a small mistake about the noise is a large one
about the sound.

Sound longer than the clips of the training is made in windows of their length that go on along the
trajectory of the one before (`diffusion/continuation.py`), over a tenth of a window. The last one
is filled up with silence. Windows lie at fixed frames and noise depends on the place alone, so the
result does not depend on how a signal is cut. Takes are made one after the other inside each step,
so that each is the same whatever is made beside it.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion import (
    CleanEstimate,
    ContinuedStream,
    CounterNoise,
    Denoiser,
    DiscreteSchedule,
    Parametrization,
    ancestral,
    ddim,
    dpm_solver_2m,
    trailing_times,
)
from soundstage.diffusion.samplers import StepNoise
from soundstage.diffusion.schedules import Schedule
from soundstage.networks.models.stereo_diffusion import (
    STEREO,
    StereoDiffusion,
    StereoDiffusionConfig,
)
from soundstage.spectra import AnalysisStream, SynthesisStream
from soundstage.stereo import to_mid_side
from soundstage.stereo.compressed_stft import (
    COMPRESSED_RATE,
    COMPRESSED_TRANSFORM,
    from_compressed,
    limit_magnitude,
    to_compressed,
)
from soundstage.upmixing.takes import OnlyTake
from soundstage.weights.model import load_model

SamplerName = Literal["ddim", "dpm-solver", "ancestral"]


@dataclass(frozen=True)
class DiffStereoSampling:
    """How left and right are drawn.

    Raises:
        ValueError: a number is out of its range, or there is no such sampler.
    """

    steps: int = 20
    """Up to those of the training."""
    sampler: SamplerName = "ddim"
    overlap: float = 0.1
    """Share of a window that the next one goes over again, up to a half. What is kept of it, 0.6 MB
    a step with the paper's clips, bounds how many steps and takes fit into memory."""

    def __post_init__(self) -> None:
        if self.sampler not in get_args(SamplerName):
            raise ValueError(f"samplers are {', '.join(get_args(SamplerName))}")
        if self.steps < 1 or not 0 < self.overlap <= 0.5:
            raise ValueError("a step or more, and an overlap up to 0.5")

    def sample(
        self,
        denoiser: CleanEstimate,
        noise: Float[Tensor, "takes 4 bins frames"],
        steps: StepNoise,
        schedule: DiscreteSchedule,
    ) -> Float[Tensor, "takes 4 bins frames"]:
        """Pictures by the sampler.

        Raises:
            ValueError: there are more steps than those of the training.
        """
        times = trailing_times(schedule, self.steps)
        if self.sampler == "ancestral":
            return ancestral(denoiser, noise, times, step_noise=steps)
        sampler = ddim if self.sampler == "ddim" else dpm_solver_2m
        return sampler(denoiser, noise, times)


PAPER = DiffStereoSampling(1000, "ancestral")


class DiffStereo:
    """The method, ready to run.

    Args:
        network: in evaluation mode.
        config: of the network.
        sampling: how.

    Raises:
        ValueError: there are more steps of sampling than of training.
    """

    rate = COMPRESSED_RATE
    rows = 2

    def __init__(
        self,
        network: StereoDiffusion,
        config: StereoDiffusionConfig,
        sampling: DiffStereoSampling | None = None,
    ) -> None:
        self.config, self.sampling = config, sampling or DiffStereoSampling()
        self.schedule = config.schedule()
        trailing_times(self.schedule, self.sampling.steps)
        self._network = network

    def stream(self, *, seed: int) -> OnlyTake[Tensor]:
        """Begin a signal."""
        return OnlyTake(self.takes([seed]))

    def takes(self, seeds: list[int]) -> "DiffStereoTakes":
        """Begin several takes of a signal, which share its analysis."""
        return DiffStereoTakes(self, seeds)

    def denoiser(self, mono: Float[Tensor, "2 bins frames"], takes: int) -> CleanEstimate:
        """Of the pictures of all takes where this is heard."""
        condition = {"mono": mono.expand(takes, -1, -1, -1)}
        return _HeldToSound(
            Denoiser(self._network, Parametrization.NOISE, self.schedule, condition, max_batch=1)
        )


class DiffStereoTakes:
    """One signal on its way, in several takes; up to a window is held back.

    Args:
        upmixer: makes the pictures.
        seeds: one a take.
    """

    def __init__(self, upmixer: DiffStereo, seeds: list[int]) -> None:
        sampling, size = upmixer.sampling, upmixer.config.context_frames
        self._size, self._overlap = size, max(int(sampling.overlap * size), 1)
        self._windows = ContinuedStream(
            lambda mono: upmixer.denoiser(mono, len(seeds)),
            lambda denoiser, noise, steps: sampling.sample(
                denoiser, noise, steps, upmixer.schedule
            ),
            [CounterNoise((STEREO, COMPRESSED_TRANSFORM.bins), seed) for seed in seeds],
            size=size,
            overlap=self._overlap,
        )
        self._analysis = AnalysisStream(COMPRESSED_TRANSFORM, (1,))
        self._synthesis = SynthesisStream(COMPRESSED_TRANSFORM, (len(seeds), 2))
        self._frames = 0  # heard
        self._owed = 0  # samples

    def push(self, mid: Float[Tensor, " length"], /) -> list[Float[Tensor, "2 ready"]]:
        """Of each take, the new mid and the side that whole windows cover."""
        self._owed += mid.shape[0]
        return self._drawn(to_compressed(self._analysis.push(mid[None])))

    def finish(self) -> list[Float[Tensor, "2 rest"]]:
        """Of each take, the rest."""
        last = to_compressed(self._analysis.finish())
        frames, hop = self._frames + last.shape[-1], self._size - self._overlap
        beyond = self._overlap + hop * max(-(-(frames - self._overlap) // hop), 1) - frames
        silence = last.new_zeros(*last.shape[:-1], beyond)
        parts = [
            self._drawn(torch.cat([last, silence], dim=-1)),
            self._sounds(self._windows.finish()),
            self._rows(self._synthesis.finish()),
        ]
        return [torch.cat(take, dim=-1) for take in zip(*parts, strict=True)]

    def _drawn(self, mono: Float[Tensor, "2 bins frames"]) -> list[Float[Tensor, "2 ready"]]:
        self._frames += mono.shape[-1]
        return self._sounds(self._windows.push(mono))

    def _sounds(
        self, pictures: Float[Tensor, "takes 4 bins frames"]
    ) -> list[Float[Tensor, "2 ready"]]:
        return self._rows(self._synthesis.push(from_compressed(pictures)))

    def _rows(self, stereo: Float[Tensor, "takes 2 ready"]) -> list[Float[Tensor, "2 ready"]]:
        """Mid and side, and none of the silence after the signal."""
        stereo = stereo[..., : self._owed]
        self._owed -= stereo.shape[-1]
        return [torch.stack(to_mid_side(*take)) for take in stereo]


class _HeldToSound:
    """A denoiser whose estimates are no louder than sound can be."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser

    @property
    def schedule(self) -> Schedule:
        return self._denoiser.schedule

    def __call__(
        self, state: Float[Tensor, "takes 4 bins frames"], time: float
    ) -> Float[Tensor, "takes 4 bins frames"]:
        return limit_magnitude(self._denoiser(state, time))


def load_diffstereo(source: str, *, sampling: DiffStereoSampling | None = None) -> DiffStereo:
    """The method with the network of a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
        ValueError: there are more steps of sampling than of training.
    """
    model = load_model(source, StereoDiffusionConfig)
    return DiffStereo(model.network, model.config, sampling)
