"""`placed`: every source of a song stands somewhere, and `masked` fills in what no source owns.

A separator gives masks of the sources of a song, and a plan gives each of them a pan and a
diffuseness. The side of the mid M is, with D its decorrelated copy (`stereo/decoding.py`),

    S = α·M + β·D

α stands as the plan says, in every bin of the spectrogram, and so does the share of the coherence
that `masked` draws (`generative/ownership.py`). Level differences of the tiles that sources own are
settled: `masked` draws their coherence given the place, and then all of the other tiles,
conditioned on these, as inpainting. Of the panning that it draws there a part is added to the plan.

So instruments stand still, as tiles drawn one by one never do, and the diffuse field is that of
music. The separator surveys the song first, and its sources keep their places from the start to the
end; a live stream is separated by what it knows of songs in general. Takes differ in who stands
where.

Remixing the separated sources of a mono recording is due to Fitzgerald (2011), "Upmixing from mono:
a source separation approach"; generating the rest by inpainting is ours.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.errors import OptionError
from soundstage.networks.models.stereo_tokens import StereoTokensConfig
from soundstage.separation.masking import sharpened
from soundstage.separation.separator import (
    MaskSeparator,
    MaskStream,
    Separator,
    SongSeparator,
    SourceInfo,
)
from soundstage.spectra import SampleQueue
from soundstage.stereo import BANDS, RATE, TRANSFORM, Decoder, DecoderStream, Parameters, band_sums
from soundstage.stereo.encoding import SILENCE
from soundstage.stereo.prediction import prediction_gains
from soundstage.upmixing.generative.ownership import (
    SETTINGS,
    LevelStream,
    MovingMean,
    Placing,
    Stage,
)
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.upmixing.generative.stage_constraints import StageConstraint
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.generative.windowed_decoding import Sampler, WindowedStream
from soundstage.upmixing.methods.masked import FAMILY, MaskedDecoding, MaskedSampler
from soundstage.upmixing.placing import PlanTakes, SurveyedMethod, planner, sources_for
from soundstage.upmixing.plan import Plan
from soundstage.upmixing.stage_options import StageOptions

NAME = "placed"
SEPARATOR = "stems"
DECODING = MaskedDecoding(settled_reach=3)  # 6 to 9 dB: music is not steadier in its frames
DECODED = 0.95  # width after decoding over that of the gains, which change less than drawn ones


class PlacedMethod:
    """The method for one song, or for any with a separator that needs no survey.

    Args:
        separator: of this song, with masks.
        sampler: draws coherence, and the panning of free tiles.
        plan_takes: decides who stands where.
        placing: settings.

    Raises:
        OptionError: the separator has no masks.
    """

    rate, n_outputs = RATE, 1

    def __init__(
        self,
        separator: MaskSeparator,
        sampler: Sampler,
        plan_takes: PlanTakes,
        placing: Placing = SETTINGS,
    ) -> None:
        if not hasattr(separator, "mask_stream"):
            raise OptionError("placed needs a separator by masks, such as stems: choose another.")
        self.separator = separator
        self._sampler, self._plan_takes, self._placing = sampler, plan_takes, placing

    def plans(self, seeds: Sequence[int]) -> list[Plan]:
        """Who stands where, one plan a take."""
        energies = getattr(self.separator, "balance_energies", None)
        return self._plan_takes(self.separator.sources, seeds, energies)

    def stream(self, seeds: Sequence[int]) -> "PlacedStream":
        """Start a signal."""
        masks, sources = self.separator.mask_stream(), self.separator.sources
        return PlacedStream(masks, sources, self._sampler, self.plans(seeds), self._placing)


class PlacedStream:
    """One mid and the sides of its takes.

    Args:
        masks: of the sources of this mid.
        sources: in the order of the masks.
        sampler: draws what is free.
        plans: one a take, with the sources in the order of the masks.
        placing: settings.
    """

    def __init__(
        self,
        masks: MaskStream,
        sources: Sequence[SourceInfo],
        sampler: Sampler,
        plans: Sequence[Plan],
        placing: Placing = SETTINGS,
    ) -> None:
        seeds, requested = [plan.seed for plan in plans], sampler.style.descriptors
        self._masks, self._placing = masks, placing
        self._smoothing = MovingMean(placing.smoothing)
        self._decoder = DecoderStream(seeds)
        self._drawn = WindowedStream(sampler, seeds, constrained=False)
        self._stages = [
            Stage(
                plan,
                sources,
                placing,
                None if requested.isnan().all() else StageConstraint(requested, DECODED),
            )
            for plan in plans
        ]
        self._levels = LevelStream(placing.around)
        bins = TRANSFORM.bins
        self._spectrogram = SampleQueue((bins,))
        self._masks_ready = SampleQueue((len(sources), bins))
        self._levels_ready = SampleQueue((BANDS,))
        # Of frames that wait for drawn tokens
        self._power, self._smoothed = SampleQueue((bins,)), SampleQueue((len(sources), bins))
        self._level, self._owned = SampleQueue((BANDS,)), SampleQueue((len(plans), BANDS))

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes 1 ready"]:
        """The samples that `mid` completes."""
        self._analyzed(self._decoder.analyze(mid))
        return self._decode(self._draw())

    def finish(self) -> Float[Tensor, "takes 1 rest"]:
        """The remaining samples."""
        self._analyzed(self._decoder.finish_analysis())
        last = sharpened(self._masks.finish(), self._placing.sharpness)
        self._masks_ready.push(self._smoothing.finish(last))
        self._levels_ready.push(self._levels.finish())
        sides = [self._decode(each) for each in (self._draw(), self._drawn.finish())]
        return torch.cat([*sides, self._decoder.finish()], dim=-1)

    def _analyzed(self, frames: Complex[Tensor, "bins frames"]) -> None:
        """New frames; their masks and levels come later."""
        self._spectrogram.push(frames)
        masks = sharpened(self._masks.push(frames), self._placing.sharpness)
        self._masks_ready.push(self._smoothing.push(masks))
        self._levels_ready.push(self._levels.push(_power(frames)))

    def _draw(self) -> Parameters:
        """Parameters of the frames that are complete, given masks and levels of the next ones."""
        count = min(len(self._masks_ready), len(self._levels_ready))
        spectrogram = self._spectrogram.pop(count)
        masks, level = self._masks_ready.pop(count), self._levels_ready.pop(count)
        if not count:
            return self._drawn.push(spectrogram)
        power = _power(spectrogram)
        energies = torch.stack([band_sums(mask * power) for mask in masks])
        shares = energies / (energies.sum(dim=0) + SILENCE)
        owned, settled = zip(*(stage.tiles(shares, level) for stage in self._stages), strict=True)
        for queue, values in (
            (self._smoothed, masks),
            (self._power, power),
            (self._level, level),
            (self._owned, torch.stack(owned)),
        ):
            queue.push(values)
        return self._drawn.push(spectrogram, torch.stack(settled))

    def _decode(self, drawn: Parameters) -> Float[Tensor, "takes 1 ready"]:
        """Samples completed by the drawn parameters of the next frames."""
        count = drawn.iid.shape[-1]
        masks, power, level, owned = (
            queue.pop(count) for queue in (self._smoothed, self._power, self._level, self._owned)
        )
        each = zip(self._stages, owned, *prediction_gains(*drawn), strict=True)
        gains = [stage.gains(masks, power, level, *values) for stage, *values in each]
        direct, diffuse = (torch.stack(values) for values in zip(*gains, strict=True))
        return self._decoder.decode_gains(direct, diffuse)


def _power(spectrogram: Complex[Tensor, "bins frames"]) -> Float[Tensor, "bins frames"]:
    return spectrogram.real.square() + spectrogram.imag.square()


def load(
    weights: str = FAMILY,
    *,
    style: Style | None = None,
    decoder: Decoder = "prediction",
    device: torch.device | str = "cpu",
    stage: StageOptions | None = None,
    placing: Placing = SETTINGS,
) -> PlacedMethod | SurveyedMethod[PlacedMethod]:
    """The method with the weights of `masked` and those of its separator.

    Raises:
        WeightsError: weights are missing, damaged, or of another family.
        InputError: the folder with stems cannot be used.
        OptionError: the separator has no masks.
    """
    model, prior = load_generative(weights, StereoTokensConfig, device)
    values = None if style is None else style.without_places()
    sampler = MaskedSampler(
        model.network, model.config, DECODING, style=values, prior=prior, device=device
    )
    stage = stage or StageOptions()
    separator, plans = sources_for(stage, SEPARATOR, device), planner(NAME, stage, style)

    def fit(song: Separator) -> PlacedMethod:
        return PlacedMethod(cast("MaskSeparator", song), sampler, plans, placing)  # is checked

    if hasattr(separator, "survey"):
        return SurveyedMethod(cast("SongSeparator", separator), fit)
    return fit(separator)
