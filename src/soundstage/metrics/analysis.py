"""Analysis of a file: level, stereo image, and the stereo parameters of every band.

Level and image are sums over samples at the rate of the file. The stereo parameters are those of
the parametric coder, 34 bands at 44.1 kHz, with means weighted by energy,

    mean IID = Σₜ eₜ·IIDₜ / Σₜ eₜ,    eₜ = ⟨L, L⟩ + ⟨R, R⟩ of the band in frame t,

so that pauses and noise between notes do not count. Only the IID fluctuation is an unweighted mean,
equal to `soundstage.metrics.iid_fluctuation`. One pass in blocks; memory does not grow with length.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.audio import Source, StreamResampler, TruePeakMeter, open_sound
from soundstage.audio.file_report import finite
from soundstage.errors import InputError
from soundstage.metrics.content import Content
from soundstage.metrics.file_kind import HARD_DB, FileKind, SourceMeter, kind_of
from soundstage.metrics.image import ImageMeter
from soundstage.metrics.parametric_stereo import IID_LIMIT_DB
from soundstage.precision import in_single_precision
from soundstage.spectra import AnalysisStream
from soundstage.stereo import (
    BANDS,
    RATE,
    TRANSFORM,
    Alignment,
    Parameters,
    SurfaceNoise,
    band_sums,
    encode,
)
from soundstage.stereo.encoding import BAND_EDGES, IID_STEPS

BLOCK_SECONDS = 5  # some 20 MB of spectra at a time
IID_RANGE_DB = float(IID_STEPS.max())  # a hard-panned frame counts as the last step of the coder
EMPTY_SHARE = 1e-9  # of the energy; a band 90 dB below the whole has no image
BAND_EDGES_HZ = np.minimum(BAND_EDGES * RATE / TRANSFORM.frame, RATE / 2)


@dataclass(frozen=True)
class BandImage:
    """One of the 34 bands over a whole file; NaN in bands (almost) without energy."""

    low_hz: float
    high_hz: float
    iid_db: float
    """Energy-weighted mean level of left over right; frames are clipped to ±50 dB."""
    iid_spread_db: float
    """Energy-weighted standard deviation of the IID."""
    coherence: float
    """Energy-weighted mean of IC, −1 to 1."""
    energy_share: float
    """Share of the energy, 0 to 1; the bands sum to 1, or to 0 in silence."""


@dataclass(frozen=True)
class Analysis:
    """Measurements of one file. Levels are in dB re full scale; digital silence is −∞.

    A file without a mid has a width of ∞, one without a side a `side_to_mid_db` of −∞; in silence
    both level ratios are NaN. A mono file is measured as two equal channels.
    """

    rate: int
    """Sample rate in Hz."""
    channels: int
    frames: int
    """Samples per channel."""
    duration: float
    """Seconds."""
    format: str
    """Container and encoding, such as "WAV PCM_16"; "memory FLOAT" for samples."""
    true_peak_db: float
    """True peak after BS.1770, in dBTP."""
    sample_peak_db: float
    """Largest sample, in dBFS."""
    rms_db: float
    """Mean power of the channels, in dBFS; a sine at full scale has −3.01."""
    dual_mono: bool
    """Two channels with the side 60 dB or more below the mid; false for mono files."""
    width: float
    """2·rms(S)/rms(M); real music has about 0.7."""
    channel_correlation: float
    """Pearson correlation of left and right, −1 to 1."""
    phase_correlation: float
    """1 − channel correlation, 0 (mono) to 2 (opposite), as defined by DiffStereo."""
    iid_fluctuation_db: float
    """Mean absolute change of the IID, clipped to ±20 dB, from frame to frame."""
    balance_db: float
    """Level of left over right."""
    side_to_mid_db: float
    """Level of S = (L−R)/2 over M = (L+R)/2."""
    hard_panned_share: float
    """Share of the energy in bands and frames with 12 dB or more between the channels."""
    content: Content
    """Of the mono sum."""
    noise: SurfaceNoise
    """Hiss and clicks of the mono sum."""
    alignment: Alignment | None
    """Lag, gain and polarity between two channels that differ, neither of which is silent."""
    bands: list[BandImage]

    @property
    def kind(self) -> FileKind:
        """Kind of the file."""
        return kind_of(
            self.channels,
            dual_mono=self.dual_mono,
            balance_db=self.balance_db,
            alignment=self.alignment,
            hard_panned_share=self.hard_panned_share,
            correlation=self.channel_correlation,
        )

    @property
    def image(self) -> Literal["mono", "dual mono", "stereo"]:
        """Kind of the channels."""
        if self.channels == 1:
            return "mono"
        return "dual mono" if self.dual_mono else "stereo"

    def as_dict(self) -> dict[str, object]:
        """For JSON, with `image` and `kind`; values that are not finite become None."""
        without = ("bands", "content", "noise", "alignment")
        fields = {field.name: getattr(self, field.name) for field in dataclass_fields(self)}
        fields = {name: value for name, value in fields.items() if name not in without}
        fields |= {"image": self.image, "kind": self.kind, "content": self.content.as_dict()}
        fields["noise"] = finite(self.noise.as_dict())
        fields["alignment"] = self.alignment and self.alignment.as_dict()
        fields["bands"] = [asdict(band) for band in self.bands]
        fields["bands"] = [finite(band) for band in fields["bands"]]
        return finite(fields)


class FrameBlock(NamedTuple):
    """Consecutive frames of both channels at `RATE`."""

    left: Complex[Tensor, "bins frames"]
    right: Complex[Tensor, "bins frames"]
    energy: Float[Tensor, "bands frames"]
    """⟨L, L⟩ + ⟨R, R⟩."""
    parameters: Parameters


class Observer(Protocol):
    """Receives the blocks of `analyze`, for plots without a second pass."""

    def samples(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        """Receive left and right at the rate of the file."""
        ...

    def frames(self, block: FrameBlock) -> None:
        """Receive the next frames at `RATE`."""
        ...


@in_single_precision
def analyze(
    source: Source,
    *,
    observer: Observer | None = None,
    progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Measure a sound of one or two channels.

    Args:
        source: a path, a binary file object, an `Audio`, or (samples, rate).
        observer: receives every block.
        progress: called with the fraction done, 0 to 1.

    Raises:
        InputError: the sound cannot be read, is empty, or has more than two channels.

    >>> import numpy as np
    >>> analyze((np.zeros((2, 8000)), 8000)).image
    'dual mono'
    """
    with open_sound(source) as sound, torch.inference_mode():
        if sound.channels > 2:
            raise InputError(
                f"{sound.name} has {sound.channels} channels; analysis takes one or two: "
                "export a pair of them, or use `analyze_field` for ambisonics."
            )
        level, image = TruePeakMeter(sound.rate, sound.channels), ImageMeter()
        coder, source_meter = _ParameterMeter(sound.rate, observer), SourceMeter(sound.rate)
        frames = 0
        for block in sound.blocks(round(BLOCK_SECONDS * sound.rate)):
            level.push(block)
            stereo = np.repeat(block, 2, axis=0) if sound.channels == 1 else block
            image.push(stereo)
            if observer:
                observer.samples(stereo)
            coder.push(stereo)
            source_meter.push(block)
            frames += stereo.shape[1]
            if progress and sound.frames:
                progress(min(frames / sound.frames, 1.0))
        level.finish()
        coder.finish()
    if not frames:
        raise InputError(f"{sound.name} is empty.")
    powers = image.powers()
    dual_mono = sound.channels == 2 and image.is_dual_mono()
    return Analysis(
        rate=sound.rate,
        channels=sound.channels,
        frames=frames,
        duration=frames / sound.rate,
        format=str(sound.format),
        true_peak_db=_decibels(level.true_peak**2),
        sample_peak_db=_decibels(level.sample_peak**2),
        rms_db=_decibels((powers.left + powers.right) / 2 / frames),
        dual_mono=dual_mono,
        width=image.width(),
        channel_correlation=image.correlation(),
        phase_correlation=1 - image.correlation(),
        iid_fluctuation_db=coder.iid_fluctuation(),
        balance_db=_decibels(powers.left, powers.right),
        side_to_mid_db=_decibels(powers.side, powers.mid),
        hard_panned_share=coder.hard_panned_share(),
        content=source_meter.contents.content(),
        noise=source_meter.noises.noise(),
        alignment=None if dual_mono else source_meter.alignment(),
        bands=coder.bands(),
    )


def _decibels(power: float, reference: float = 1.0) -> float:
    """Power ratio in dB: −∞ and ∞ at the ends, NaN for 0/0."""
    if not power:
        return -math.inf if reference else math.nan
    return 10 * math.log10(power / reference) if reference else math.inf


class _ParameterMeter:
    """Running sums over the frames of stereo parameters."""

    def __init__(self, rate: int, observer: Observer | None) -> None:
        self._rate, self._observer = rate, observer
        self._resampler = StreamResampler(rate, RATE, 2)
        self._stream = AnalysisStream(TRANSFORM, (2,))
        self._sums = torch.zeros(4, BANDS, dtype=torch.float64)  # of e, e·IID, e·IID², e·IC
        self._last_iid = torch.zeros(BANDS, 0)
        self._change, self._changes = 0.0, 0
        self._hard = 0.0

    def push(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        self._resampled(self._resampler.push(stereo.astype(np.float32, copy=False)))

    def finish(self) -> None:
        self._resampled(self._resampler.finish())
        self._take(self._stream.finish())

    def _resampled(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        self._take(self._stream.push(torch.tensor(stereo)))

    def _take(self, spectra: Complex[Tensor, "2 bins frames"]) -> None:
        if not spectra.shape[-1]:
            return
        left, right = spectra
        energy = band_sums((spectra.real.square() + spectra.imag.square()).sum(dim=0))
        parameters = encode(left, right)
        iid = parameters.iid.clamp(-IID_RANGE_DB, IID_RANGE_DB)
        values = torch.stack([torch.ones_like(iid), iid, iid.square(), parameters.coherence])
        self._sums += (energy * values).double().sum(dim=-1)

        self._hard += (energy * (iid.abs() >= HARD_DB)).double().sum().item()
        limited = iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
        changes = torch.cat([self._last_iid, limited], dim=1).diff(dim=1).abs()
        self._change += changes.double().sum().item()
        self._changes += changes.numel()
        self._last_iid = limited[:, -1:]
        if self._observer:
            self._observer.frames(FrameBlock(left, right, energy, parameters))

    def iid_fluctuation(self) -> float:
        """`soundstage.metrics.iid_fluctuation` of the whole file; 0 for a single frame."""
        return self._change / self._changes if self._changes else 0.0

    def hard_panned_share(self) -> float:
        """Share of the energy that is in one channel alone."""
        return self._hard / max(self._sums[0].sum().item(), np.finfo(float).tiny)

    def bands(self) -> list[BandImage]:
        """Energy-weighted means; NaN above the Nyquist frequency of the file."""
        energies = self._sums[0].numpy()
        shares = energies / max(energies.sum(), np.finfo(float).tiny)
        means = np.full((3, BANDS), math.nan)
        audible = (shares > EMPTY_SHARE) & (BAND_EDGES_HZ[:-1] < self._rate / 2)
        means[:, audible] = self._sums[1:].numpy()[:, audible] / energies[audible]
        iid, square, coherence = means
        spread = np.sqrt((square - iid**2).clip(min=0))
        columns = (BAND_EDGES_HZ[:-1], BAND_EDGES_HZ[1:], iid, spread, coherence, shares)
        return [BandImage(*map(float, row)) for row in zip(*columns, strict=True)]
