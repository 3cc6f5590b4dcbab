"""`separate` and `formation`: the sources of a separator, remixed in stereo.

A plan gives each source s_k of the mid a pan and a diffuseness, fixed for the song, and with the
linear law L = (1 + a)·s, R = (1 − a)·s the side is

    S = Σ_k a_k·s_k + g·η·β(f)·√(E_d/E_M)·D,    a = tanh(pan·ln 10/40)

where D is the decorrelated mid of the decoder (`stereo/decoding.py`), matched to the mid in every
band and frame, so that it moves no source; E_d/E_M is the energy of Σ d_k·s_k over that of the mid
there, β(f) the side of music in each band, as of `decorrelate`, and g fades the diffuse part out at
attacks. Panned sources are a part of the side of music, so that the diffuse part gets η of it, and
none under 150 Hz. The mono sum is exact. Level differences are those of the plan where a source has
no diffuse part, and a little smaller where it has.

`separate` remixes any separator, after Fitzgerald (2011), "Upmixing from mono: a source separation
approach". `formation` remixes sources formed of sinusoidal peaks, after Lagrange et al. (2007),
"Semi-automatic mono to stereo up-mixing using sound source formation": there a user places the
sources, here the rules of placement do. Takes differ in who stands where.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.separation.masking import BLOCK, MaskedSourceStream, sharpened
from soundstage.separation.separator import (
    MaskSeparator,
    MaskStream,
    Separator,
    SongSeparator,
    SourceStream,
)
from soundstage.spectra import AnalysisStream, SampleQueue
from soundstage.stereo import RATE, TRANSFORM, DecoderStream
from soundstage.stereo.encoding import BAND_EDGES, band_energy, band_sums, spread
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.methods.decorrelate import load_coherence
from soundstage.upmixing.placing import PlanTakes, SurveyedMethod, planner, sources_for
from soundstage.upmixing.plan import Plan
from soundstage.upmixing.stage_options import StageOptions
from soundstage.upmixing.user_stems import FittedUserStems

DIFFUSE = 0.4  # η: width as of mixes with placed stems, by benchmarks/places.py
LOWEST_DIFFUSE = 150.0  # Hz
LARGEST = 3.0  # √(E_d/E_M) where sources cancel; also the largest diffuseness
SHARPNESS = 2.0  # γ


class RemixMethod:
    """The method for one song, or for any with a separator that needs no survey.

    Args:
        separator: of this song; one by masks gets sharper ones, stems of the user's own do not.
        coherence: mean coherence of music in each of 34 bands, −1 to 1.
        plan_takes: decides who stands where.
    """

    n_outputs = 1

    def __init__(
        self, separator: Separator, coherence: Float[Tensor, " bands"], plan_takes: PlanTakes
    ) -> None:
        if hasattr(separator, "mask_stream") and not isinstance(separator, FittedUserStems):
            separator = SharpSeparator(cast("MaskSeparator", separator))
        self.separator, self.rate = separator, separator.rate
        self._coherence, self._plan_takes = coherence, plan_takes

    def plans(self, seeds: Sequence[int]) -> list[Plan]:
        """Who stands where, one plan a take."""
        energies = getattr(self.separator, "balance_energies", None)
        return self._plan_takes(self.separator.sources, seeds, energies)

    def stream(self, seeds: Sequence[int]) -> "RemixStream":
        """Start a signal."""
        gain = diffuse_gain(self._coherence)
        return RemixStream(self.separator.stream(), self.plans(seeds), seeds, gain)


class SharpMasks:
    """Masks m_k^γ / Σ m_j^γ: a `MaskStream` in which more of a bin belongs to its main source.

    Soft masks give the best estimates of sources, and their remix stands closer to the center than
    its plan says, as each source is spread over the places of all others.

    Args:
        masks: to sharpen.
    """

    def __init__(self, masks: MaskStream) -> None:
        self._masks = masks

    def push(
        self, spectrogram: Complex[Tensor, "bins frames"], /
    ) -> Float[Tensor, "sources bins ready"]:
        """Masks of the oldest frames that are complete."""
        return sharpened(self._masks.push(spectrogram), SHARPNESS)

    def finish(self) -> Float[Tensor, "sources bins rest"]:
        """Masks of the remaining frames."""
        return sharpened(self._masks.finish(), SHARPNESS)


class SharpSeparator:
    """A separator with sharper masks: a `MaskSeparator`.

    Args:
        separator: of the same sources.
    """

    def __init__(self, separator: MaskSeparator) -> None:
        self._separator = separator
        self.rate, self.sources = separator.rate, separator.sources
        self.balance_energies = getattr(separator, "balance_energies", None)

    def stream(self) -> MaskedSourceStream:
        """Start a signal."""
        return MaskedSourceStream(self.mask_stream(), self.sources)

    def mask_stream(self) -> SharpMasks:
        """Start a signal."""
        return SharpMasks(self._separator.mask_stream())


class RemixStream:
    """One mid and the sides of its takes.

    Args:
        sources: of this mid.
        plans: one a take, with the sources in the order of the stream.
        seeds: of the decorrelators, one a take.
        gain: of the diffuse part in each of 34 bands.
    """

    def __init__(
        self,
        sources: SourceStream,
        plans: Sequence[Plan],
        seeds: Sequence[int],
        gain: Float[Tensor, " bands"],
    ) -> None:
        self._stream, self._gain = sources, gain[:, None]
        self._takes = [_Take(plan) for plan in plans]
        self._mid, self._sources = SampleQueue(), SampleQueue((len(plans[0].sources),))
        self._decoder = DecoderStream(seeds)  # of the diffuse part
        self._frames = SampleQueue((TRANSFORM.bins,))
        self._diffuse = SampleQueue((len(plans),))

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes 1 ready"]:
        """The samples that `mid` completes."""
        self._mid.push(mid)
        self._sources.push(self._stream.push(mid))
        while len(self._sources) >= BLOCK:  # long transforms round by their number
            self._feed(BLOCK)
        return self._ready()

    def finish(self) -> Float[Tensor, "takes 1 rest"]:
        """The remaining samples."""
        self._sources.push(self._stream.finish())
        while count := min(len(self._sources), BLOCK):
            self._feed(count)
        self._frames.push(self._decoder.finish_analysis())
        for take in self._takes:
            take.finish()
        self._decode()
        self._diffuse.push(self._decoder.finish()[:, 0])
        return self._ready()

    def _feed(self, count: int) -> None:
        sources = self._sources.pop(count)
        self._frames.push(self._decoder.analyze(self._mid.pop(count)))
        for take in self._takes:
            take.push(sources)
        self._decode()

    def _decode(self) -> None:
        """The diffuse part of all complete frames."""
        count = len(self._frames)  # that of the copies, which lag behind the sources
        if not count:
            return
        mid = band_energy(self._frames.pop(count))
        energies = [band_sums(take.frames.pop(count).abs().square()) for take in self._takes]
        shares = [(energy / mid).sqrt() for energy in energies]
        gains = torch.stack([spread(self._gain * share.clamp(max=LARGEST)) for share in shares])
        self._diffuse.push(self._decoder.decode_gains(torch.zeros_like(gains), gains)[:, 0])

    def _ready(self) -> Float[Tensor, "takes 1 ready"]:
        count = min(len(self._diffuse), len(self._takes[0].direct))
        direct = torch.stack([take.direct.pop(count) for take in self._takes])
        return (direct + self._diffuse.pop(count))[:, None]


def diffuse_gain(coherence: Float[Tensor, " bands"]) -> Float[Tensor, " bands"]:
    """η·β(f) from the mean coherence of music in each band."""
    beta = ((1 - coherence) / (1 + coherence).clamp(min=0.01)).sqrt()
    upper_edges = torch.as_tensor(BAND_EDGES[1:]) * (RATE / TRANSFORM.frame)
    return DIFFUSE * torch.where(upper_edges > LOWEST_DIFFUSE, beta, 0.0)


class _Take:
    """The direct part of one take and its diffuse sources; alone, to round as beside others."""

    def __init__(self, plan: Plan) -> None:
        self._pans = torch.tensor(plan.to_gains(), dtype=torch.float32)
        self._diffuseness = torch.tensor(
            [source.diffuseness for source in plan.sources], dtype=torch.float32
        )
        self._analysis = AnalysisStream(TRANSFORM)
        self.direct, self.frames = SampleQueue(), SampleQueue((TRANSFORM.bins,))

    def push(self, sources: Float[Tensor, "sources ready"]) -> None:
        self.direct.push(_mixed(sources, self._pans))
        self.frames.push(self._analysis.push(_mixed(sources, self._diffuseness)))

    def finish(self) -> None:
        self.frames.push(self._analysis.finish())


def _mixed(
    sources: Float[Tensor, "sources ready"], gains: Float[Tensor, " sources"]
) -> Float[Tensor, " ready"]:
    """Sum of the sources with these gains, in one order whatever the length."""
    total = torch.zeros(sources.shape[-1])
    for source, gain in zip(sources, gains, strict=True):
        total = total + gain * source
    return total


def load(
    weights: str,
    *,
    style: Style | None = None,
    decoder: str = "prediction",
    device: torch.device | str = "cpu",
    stage: StageOptions | None = None,
    separator: str = "stems",
    name: str = "separate",
) -> RemixMethod | SurveyedMethod[RemixMethod]:
    """The method with a table of coherences and the weights of its separator.

    Args:
        weights: the table of `decorrelate`.
        style: its words about instruments are requested places.
        decoder: has no effect; the side is made directly.
        device: of the separator's network.
        stage: places, stems, another separator.
        separator: used if `stage` names none.
        name: of the method, in its plans.

    Raises:
        WeightsError: weights are missing, damaged, or of another family.
        InputError: the folder with stems cannot be used.
        OptionError: the separator is unknown, or a package that it needs is not installed.
    """
    stage = stage or StageOptions()
    loaded, plans = sources_for(stage, separator, device), planner(name, stage, style)
    coherence = load_coherence(weights)

    def fit(song: Separator) -> RemixMethod:
        return RemixMethod(song, coherence, plans)

    if hasattr(loaded, "survey"):
        return SurveyedMethod(cast("SongSeparator", loaded), fit)
    return fit(loaded)
