"""Signal-to-distortion ratio of separated sources, and the error of their sum.

    SDR = 10·lg(‖s‖² / ‖s − ŝ‖²)

is the SDR of BSS Eval in its version for images, which museval computes (Vincent et al. 2012;
Stöter et al. 2018): a gain and a filter are errors too. Over a whole signal its loud parts decide,
so that the figure of a song is the median of its seconds, as in the SiSEC campaigns. The ratio that
is invariant to gain, SI-SDR (Le Roux et al. 2019), is `fidelity.si_snr`.

The mixture itself is the estimate to beat. Its SDR is the level of a source over all others.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.fidelity import EXACT_DB

WINDOW_SECONDS = 1.0  # as in museval
ACTIVE = 1e-6  # of the loudest window: a source 60 dB below its own peak is silent


def sdr(
    estimate: Float[Tensor, "*batch frames"], reference: Float[Tensor, "*batch frames"]
) -> Float[Tensor, "*batch"]:
    """Signal-to-distortion ratio of whole signals in dB.

    Computed in double precision. 400 for equal signals, 0 for a silent estimate.

    Args:
        estimate: of the source.
        reference: the source; the ratio is NaN where it is silent.
    """
    wanted = reference.double()
    power = wanted.square().sum(dim=-1)
    error = (wanted - estimate.double()).square().sum(dim=-1)
    return _ratio(power, error).where(power > 0, torch.nan)


def median_sdr(
    estimate: Float[Tensor, "*batch frames"],
    reference: Float[Tensor, "*batch frames"],
    rate: int,
) -> Float[Tensor, "*batch"]:
    """Median over the seconds of a song of the signal-to-distortion ratio, in dB.

    Seconds count in which the source sounds: museval leaves out digital silence, and here
    everything 60 dB below the loudest second of the source too, which is the noise of a codec. A
    rest of less than a second is left out, unless it is all there is.

    Args:
        estimate: of the source.
        reference: the source; the median is NaN if it is silent.
        rate: sample rate in Hz.
    """
    window = min(round(WINDOW_SECONDS * rate), reference.shape[-1])
    wanted, made = (x.double().unfold(-1, window, window) for x in (reference, estimate))
    powers = wanted.square().sum(dim=-1)
    loud = powers > ACTIVE * powers.amax(dim=-1, keepdim=True)
    ratios = _ratio(powers, (wanted - made).square().sum(dim=-1)).where(loud, torch.nan)
    return ratios.nanquantile(0.5, dim=-1)


def sum_error(
    sources: Float[Tensor, "sources *channels frames"], mixture: Float[Tensor, "*channels frames"]
) -> float:
    """Power of the sum of all sources less the mixture, over that of the mixture, in dB.

    Computed in double precision; −400 if they are equal. Relative to full scale for a silent
    mixture.
    """
    whole = mixture.double()
    error = (sources.double().sum(dim=0) - whole).square().mean()
    power = whole.square().mean()
    return -_ratio(power.where(power > 0, 1.0), error).item()


def _ratio(
    power: Float[Tensor, "*batch"], error: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """In dB, −400 to 400."""
    return (10 * torch.log10(power / error)).clamp(-EXACT_DB, EXACT_DB)
