"""`diffstereo`: DiffStereo as published, which samples left and right from noise, given the mono.

The method of Zhang et al. (2025): a diffusion transformer (`networks/models/stereo_diffusion.py`)
samples the compressed complex spectra of both channels (`stereo/compressed_stft.py`), conditioned
on the spectrum of the mono, in steps from noise to data (Ho et al. 2020). It serves comparisons
with the paper. Unlike the other methods,

- it makes a new mid: (L + R)/2 is not the input; the paper's own results reach 3 to 6 dB SI-SNR;
- it works at 24 kHz: above 12 kHz there is neither side nor mid.

The paper samples in 1000 ancestral steps (`PAPER`); the default is DDIM (Song et al. 2021) in 20.
Clean estimates are clamped to the magnitudes of sound, as Ho et al. clamp theirs to the range of
their data: with hardly any signal left, a small error of the noise is a large one of the sound.

A sound longer than a training clip is sampled in windows of that length, each of which continues
the trajectory of the one before over a tenth of a window (`diffusion/continuation.py`); the last
one is padded with silence. Windows lie at fixed frames and noise depends on the position alone: the
result does not depend on the block size. The network runs take by take within each step, so that a
take does not depend on the others.
"""

from collections.abc import Sequence
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
    StepNoise,
    ancestral,
    ddim,
    dpm_solver_2m,
    trailing_times,
)
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
from soundstage.upmixing.generative.style import Style
from soundstage.weights.model import load_model

SamplerName = Literal["ddim", "dpm-solver", "ancestral"]


@dataclass(frozen=True)
class DiffStereoSampling:
    """Settings of the sampler.

    Raises:
        ValueError: a value is out of its range, or the sampler is unknown.
    """

    steps: int = 20
    """Up to the number of diffusion steps in training."""
    sampler: SamplerName = "ddim"
    overlap: float = 0.1
    """Share of a window that the next one repeats, up to a half. Each step keeps it, 0.6 MB with
    the clips of the paper, which limits the steps and takes that fit into memory."""

    def __post_init__(self) -> None:
        if self.sampler not in get_args(SamplerName):
            raise ValueError(f"sampler must be one of {', '.join(get_args(SamplerName))}")
        if self.steps < 1 or not 0 < self.overlap <= 0.5:
            raise ValueError("steps must be 1 or more, and overlap up to 0.5")

    def sample(
        self,
        denoiser: CleanEstimate,
        noise: Float[Tensor, "takes 4 bins frames"],
        steps: StepNoise,
        schedule: DiscreteSchedule,
    ) -> Float[Tensor, "takes 4 bins frames"]:
        """Compressed spectra, by the sampler.

        Raises:
            ValueError: there are more steps than in training.
        """
        times = trailing_times(schedule, self.steps)
        if self.sampler == "ancestral":
            return ancestral(denoiser, noise, times, step_noise=steps)
        sampler = ddim if self.sampler == "ddim" else dpm_solver_2m
        return sampler(denoiser, noise, times)


PAPER = DiffStereoSampling(1000, "ancestral")
SETTINGS = DiffStereoSampling()


class DiffStereo:
    """The method.

    Args:
        network: in evaluation mode, on `device`.
        config: of the network.
        sampling: settings.
        device: where the network runs.

    Raises:
        ValueError: there are more steps of sampling than in training.
    """

    rate = COMPRESSED_RATE
    n_outputs = 2

    def __init__(
        self,
        network: StereoDiffusion,
        config: StereoDiffusionConfig,
        sampling: DiffStereoSampling = SETTINGS,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config, self.sampling, self.device = config, sampling, device
        self.schedule = config.schedule()
        trailing_times(self.schedule, self.sampling.steps)
        self._network = network

    def stream(self, seeds: Sequence[int]) -> "DiffStereoStream":
        """Start a signal."""
        return DiffStereoStream(self, seeds)

    def denoiser(self, mono: Float[Tensor, "2 bins frames"], takes: int) -> CleanEstimate:
        """Of the spectra of all takes, given the spectrum of the mono."""
        condition = {"mono": mono.expand(takes, -1, -1, -1)}
        return _ClampedDenoiser(
            Denoiser(self._network, Parametrization.NOISE, self.schedule, condition, max_batch=1)
        )


class DiffStereoStream:
    """One signal in windows, with all its takes; up to a window is held back.

    Args:
        method: with its network.
        seeds: one a take.
    """

    def __init__(self, method: DiffStereo, seeds: Sequence[int]) -> None:
        sampling, size = method.sampling, method.config.context_frames
        self._size, self._overlap = size, max(int(sampling.overlap * size), 1)
        self._device = method.device
        self._windows = ContinuedStream(
            lambda mono: method.denoiser(mono, len(seeds)),
            lambda denoiser, noise, steps: sampling.sample(denoiser, noise, steps, method.schedule),
            [CounterNoise((STEREO, COMPRESSED_TRANSFORM.bins), seed) for seed in seeds],
            size=size,
            overlap=self._overlap,
        )
        self._analysis = AnalysisStream(COMPRESSED_TRANSFORM, (1,))
        self._synthesis = SynthesisStream(COMPRESSED_TRANSFORM, (len(seeds), 2))
        self._frames = 0  # number of frames so far
        self._owed = 0  # samples

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes 2 ready"]:
        """New mid and side that whole windows cover."""
        self._owed += mid.shape[0]
        return self._sample(to_compressed(self._analysis.push(mid[None])))

    def finish(self) -> Float[Tensor, "takes 2 rest"]:
        """The rest."""
        last = to_compressed(self._analysis.finish())
        frames, hop = self._frames + last.shape[-1], self._size - self._overlap
        beyond = self._overlap + hop * max(-(-(frames - self._overlap) // hop), 1) - frames
        silence = last.new_zeros(*last.shape[:-1], beyond)
        parts = [
            self._sample(torch.cat([last, silence], dim=-1)),
            self._synthesize(self._windows.finish()),
            self._mid_side(self._synthesis.finish()),
        ]
        return torch.cat(parts, dim=-1)

    def _sample(self, mono: Float[Tensor, "2 bins frames"]) -> Float[Tensor, "takes 2 ready"]:
        self._frames += mono.shape[-1]
        return self._synthesize(self._windows.push(mono.to(self._device)))

    def _synthesize(
        self, spectra: Float[Tensor, "takes 4 bins frames"]
    ) -> Float[Tensor, "takes 2 ready"]:
        return self._mid_side(self._synthesis.push(from_compressed(spectra.cpu())))

    def _mid_side(self, stereo: Float[Tensor, "takes 2 ready"]) -> Float[Tensor, "takes 2 ready"]:
        """Mid and side, without the padding after the signal."""
        stereo = stereo[..., : self._owed]
        self._owed -= stereo.shape[-1]
        return torch.stack(to_mid_side(*stereo.unbind(dim=1)), dim=1)


class _ClampedDenoiser:
    """A denoiser with estimates clamped to the magnitudes of sound."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser

    @property
    def schedule(self) -> Schedule:
        return self._denoiser.schedule

    def __call__(
        self, state: Float[Tensor, "takes 4 bins frames"], time: float
    ) -> Float[Tensor, "takes 4 bins frames"]:
        return limit_magnitude(self._denoiser(state, time))


def load(
    weights: str,
    *,
    style: Style | None = None,
    decoder: str = "prediction",
    device: torch.device | str = "cpu",
    sampling: DiffStereoSampling = SETTINGS,
) -> DiffStereo:
    """The method with a network of `soundstage train`.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
        ValueError: there are more steps of sampling than in training.
    """
    model = load_model(weights, StereoDiffusionConfig, device)
    return DiffStereo(model.network, model.config, sampling, device)
