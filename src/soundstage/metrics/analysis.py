"""What a mixing engineer asks of a file: level, image, and the stereo parameters of every band.

Level and image are sums over samples at the file's own rate. The parameters are those of the
coder, 34 bands at 44.1 kHz, and their means are weighted by the energy of both channels,

    mean IID = Σₜ eₜ·IIDₜ / Σₜ eₜ,    eₜ = ⟨L, L⟩ + ⟨R, R⟩ of the band in frame t,

since what is heard is what sounds: a plain mean would let pauses, and the noise between notes, say
where the notes stand. Wobble alone is a plain mean, so that it is the number that `iid_fluctuation` gives.
One pass in blocks; memory does not grow with length.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.audio import Audio, StreamResampler, TruePeakMeter, open_sound
from soundstage.errors import InputError
from soundstage.metrics.image import ImageMeter
from soundstage.metrics.parametric_stereo import IID_LIMIT_DB
from soundstage.spectra import AnalysisStream
from soundstage.stereo import BANDS, RATE, TRANSFORM, Parameters, band_sums, encode
from soundstage.stereo.parameters import BAND_EDGES
from soundstage.stereo.quantization import IID_STEPS

BLOCK_SECONDS = 5  # some 20 MB of spectra at a time
IID_RANGE_DB = float(IID_STEPS.max())  # a hard-panned frame counts as the coder's last step
EMPTY_SHARE = 1e-9  # of a file's energy; a band 90 dB under the whole has no image to speak of
BAND_EDGES_HZ = np.minimum(BAND_EDGES * RATE / TRANSFORM.frame, RATE / 2)

Source = str | Path | Audio


@dataclass(frozen=True)
class BandImage:
    """One of the 34 bands over a whole file; NaN where the band holds next to no energy."""

    low_hz: float
    high_hz: float
    iid_db: float
    """Energy-weighted mean level of left over right, frames limited to ±50 dB."""
    iid_spread_db: float
    """Energy-weighted standard deviation of the same."""
    coherence: float
    """Energy-weighted mean of IC, −1 to 1."""
    energy_share: float
    """Of the file's energy, 0 to 1; the bands sum to 1, or to 0 in silence."""


@dataclass(frozen=True)
class Analysis:
    """The figures of one file. Levels are in dB re full scale; digital silence is −∞.

    Ratios have their limits: a width of ∞ is a file without a mid, a `side_to_mid_db` of −∞ one
    without a side, and in silence both ratios of level are NaN. A file of one channel is measured
    as two equal ones.
    """

    rate: int
    """Samples a second."""
    channels: int
    frames: int
    """Samples a channel."""
    duration: float
    """Seconds."""
    format: str
    """Container and encoding, such as "WAV PCM_16"."""
    true_peak_db: float
    """Largest value between the samples too, in dBTP."""
    sample_peak_db: float
    """Largest sample, in dBFS."""
    rms_db: float
    """Power of the channels' mean, in dBFS; a sine at full scale has −3.01."""
    dual_mono: bool
    """Two channels with the side 60 dB or more under the mid; false for a file of one channel."""
    width: float
    """2·rms(S)/rms(M); real music has about 0.7."""
    channel_correlation: float
    """Pearson correlation of left with right, −1 to 1."""
    phase_correlation: float
    """1 − channel correlation, 0 (mono) to 2 (opposite), as DiffStereo prints it."""
    iid_fluctuation_db: float
    """Mean absolute change of IID, limited to ±20 dB, from frame to frame."""
    balance_db: float
    """Level of left over right."""
    side_to_mid_db: float
    """Level of S = (L−R)/2 over M = (L+R)/2."""
    bands: list[BandImage]

    @property
    def image(self) -> Literal["mono", "dual mono", "stereo"]:
        """What the channels are, in a word."""
        if self.channels == 1:
            return "mono"
        return "dual mono" if self.dual_mono else "stereo"

    def as_dict(self) -> dict[str, object]:
        """For JSON: the fields in order, then `image`; what is not finite becomes None."""
        fields = asdict(self) | {"image": self.image}
        fields["bands"] = [_finite(band) for band in fields["bands"]]
        return _finite(fields)


def _finite(fields: dict[str, object]) -> dict[str, object]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in fields.items()
    }


class FrameBlock(NamedTuple):
    """Consecutive frames of both channels at `RATE`."""

    left: Complex[Tensor, "bins frames"]
    right: Complex[Tensor, "bins frames"]
    energy: Float[Tensor, "bands frames"]
    """⟨L, L⟩ + ⟨R, R⟩."""
    parameters: Parameters


class Watcher(Protocol):
    """Sees what `analyze` sees, to draw it: nothing is read twice."""

    def samples(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        """Take a block of left and right at the file's rate."""
        ...

    def frames(self, block: FrameBlock) -> None:
        """Take the frames that became ready."""
        ...


def analyze(
    source: Source,
    *,
    watcher: Watcher | None = None,
    progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Measure a file, or sound in memory, of one or two channels.

    Args:
        source: whatever `open_sound` reads, or an `Audio`.
        watcher: is shown every block on the way.
        progress: is told the part done, 0 to 1.

    Raises:
        InputError: the sound cannot be read, is empty, or has more than two channels.
    """
    with _opened(source) as sound, torch.inference_mode():
        level, image = TruePeakMeter(sound.rate, sound.channels), ImageMeter()
        coder = _CoderMeter(sound.rate, watcher)
        frames = 0
        for block in sound.blocks:
            if not np.isfinite(block).all():
                raise InputError(f"{sound.name} is damaged: it holds samples that are no numbers.")
            level.push(block)
            stereo = np.repeat(block, 2, axis=0) if sound.channels == 1 else block
            image.push(stereo)
            if watcher:
                watcher.samples(stereo)
            coder.push(stereo)
            frames += stereo.shape[1]
            if progress and sound.frames:
                progress(min(frames / sound.frames, 1.0))
        level.finish()
        coder.finish()
    if not frames:
        raise InputError(f"{sound.name} is empty: it has no samples to measure.")
    powers = image.powers()
    return Analysis(
        rate=sound.rate,
        channels=sound.channels,
        frames=frames,
        duration=frames / sound.rate,
        format=sound.format,
        true_peak_db=_decibels(level.true_peak**2),
        sample_peak_db=_decibels(level.sample_peak**2),
        rms_db=_decibels((powers.left + powers.right) / 2 / frames),
        dual_mono=sound.channels == 2 and image.is_dual_mono(),
        width=image.width(),
        channel_correlation=image.correlation(),
        phase_correlation=1 - image.correlation(),
        iid_fluctuation_db=coder.iid_fluctuation(),
        balance_db=_decibels(powers.left, powers.right),
        side_to_mid_db=_decibels(powers.side, powers.mid),
        bands=coder.bands(),
    )


def _decibels(power: float, reference: float = 1.0) -> float:
    """Power ratio in dB; −∞ and ∞ at the ends, NaN for nothing over nothing."""
    if not power:
        return -math.inf if reference else math.nan
    return 10 * math.log10(power / reference) if reference else math.inf


class _CoderMeter:
    """Running sums over the frames of parametric stereo."""

    def __init__(self, rate: int, watcher: Watcher | None) -> None:
        self._rate, self._watcher = rate, watcher
        self._resampler = StreamResampler(rate, RATE, 2)
        self._stream = AnalysisStream(TRANSFORM, (2,))
        self._sums = torch.zeros(4, BANDS, dtype=torch.float64)  # of e, e·IID, e·IID², e·IC
        self._last_iid = torch.zeros(BANDS, 0)
        self._change, self._changes = 0.0, 0

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
        seen = torch.stack([torch.ones_like(iid), iid, iid.square(), parameters.coherence])
        self._sums += (energy * seen).double().sum(dim=-1)

        limited = iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
        changes = torch.cat([self._last_iid, limited], dim=1).diff(dim=1).abs()
        self._change += changes.double().sum().item()
        self._changes += changes.numel()
        self._last_iid = limited[:, -1:]
        if self._watcher:
            self._watcher.frames(FrameBlock(left, right, energy, parameters))

    def iid_fluctuation(self) -> float:
        """As `soundstage.metrics.iid_fluctuation` of the whole; 0 for a single frame."""
        return self._change / self._changes if self._changes else 0.0

    def bands(self) -> list[BandImage]:
        """Energy-weighted means; above the file's own Nyquist frequency nothing counts as one."""
        energies = self._sums[0].numpy()
        shares = energies / max(energies.sum(), np.finfo(float).tiny)
        means = np.full((3, BANDS), math.nan)
        held = (shares > EMPTY_SHARE) & (BAND_EDGES_HZ[:-1] < self._rate / 2)
        means[:, held] = self._sums[1:].numpy()[:, held] / energies[held]
        iid, square, coherence = means
        spread = np.sqrt((square - iid**2).clip(min=0))
        columns = (BAND_EDGES_HZ[:-1], BAND_EDGES_HZ[1:], iid, spread, coherence, shares)
        return [BandImage(*map(float, row)) for row in zip(*columns, strict=True)]


class _Sound(NamedTuple):
    """A file or sound in memory, opened."""

    name: str
    rate: int
    channels: int
    frames: int | None
    format: str
    blocks: Iterator[Float[np.ndarray, "channels length"]]


@contextmanager
def _opened(source: Source) -> Iterator[_Sound]:
    if isinstance(source, Audio):
        _check_channels(source.channels, "The sound")
        step = _block_frames(source.rate)
        blocks = (source.samples[:, i : i + step] for i in range(0, source.frames, step))
        yield _Sound("The sound", source.rate, source.channels, source.frames, "in memory", blocks)
        return
    with open_sound(source) as sound:
        _check_channels(sound.channels, str(source))
        yield _Sound(
            str(source),
            sound.rate,
            sound.channels,
            sound.frames,
            f"{sound.format.container} {sound.format.encoding}",
            sound.blocks(_block_frames(sound.rate)),
        )


def _block_frames(rate: int) -> int:
    return BLOCK_SECONDS * rate


def _check_channels(channels: int, name: str) -> None:
    if channels > 2:
        raise InputError(
            f"{name} has {channels} channels, and the analysis takes one or two: "
            "export the pair that you want to see."
        )
