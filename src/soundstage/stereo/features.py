"""Features of networks: levels of the mid as inputs, stereo parameters as targets, and context.

- *Levels*: 128 bands in every frame of the coder, finer than the 34 that are predicted: triangles
  evenly spaced on HTK's mel scale from 0 Hz to Nyquist. They are in dB below a sine at full scale,
  so that a gain is one number added to all of them.
- *Parameter features*: the 68 values per frame that models learn and D_F compares: 34 level
  differences, clipped to ε = ±20 dB and times λ = 0.15, then 34 coherences (Serrà et al. 2023,
  Eq. 3 and §4.2).
- *Context*: the last minute in segments of 0.74 s, each with the means of its levels and of its
  parameter features. An instrument that rests for longer than a network's window would otherwise
  return on the other side (Serrà et al. 2023, §6).
- *Level statistics*: mean, deviation, change and slope of the levels of a recording, from which
  its style can be predicted in part: bright, dense, noisy or percussive music is mixed differently
  than a voice with a guitar.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.backbones.transformer import LEVEL_MEAN, LEVEL_STD
from soundstage.spectra.filterbanks import htk_mel_filters
from soundstage.stereo.encoding import BAND_OF_BIN, BANDS, RATE, TRANSFORM, Parameters

LEVELS = 128
MIN_LEVEL_DB = -100.0  # below lies the rounding of 16-bit sound, spread over the bands
FULL_SCALE = (TRANSFORM.frame / 4) ** 2  # power of a sine at full scale in its highest bin
_FILTERS = htk_mel_filters(LEVELS, TRANSFORM.frame, RATE, 0, RATE / 2)
_SHARES = _FILTERS / _FILTERS.sum(dim=0).clamp(min=1e-6)  # of every bin, over the triangles
BANDS_OF_LEVELS = BAND_OF_BIN @ (_SHARES / _FILTERS.sum(dim=1, keepdim=True)).T
"""Maps energies of the level bands to those of the coder's bands."""

IID_LIMIT_DB = 20.0  # ε: beyond this only one side is audible
IID_WEIGHT = 0.15  # λ: makes decibels comparable with coherence
FEATURES = 2 * BANDS  # per frame

SEGMENTS = 64
SEGMENT_FRAMES = 32  # 0.74 s; 64 of them are 48 s
CONTEXT_FEATURES = LEVELS + FEATURES  # per segment

_GROUP = 4  # levels averaged in the statistics
STATISTICS = 4 * LEVELS // _GROUP


def mid_levels(
    spectrogram: Complex[Tensor, "*batch bins frames"],
) -> Float[Tensor, "*batch frames levels"]:
    """Levels in dB, from `MIN_LEVEL_DB` to a little over 0, of a mid analyzed by `TRANSFORM`."""
    power = spectrogram.real.square() + spectrogram.imag.square()
    levels = 10 * (_FILTERS @ power / FULL_SCALE + 10 ** (MIN_LEVEL_DB / 10)).log10()
    return levels.transpose(-1, -2)


def energy_of_levels(
    levels: Float[Tensor, "*batch frames levels"],
) -> Float[Tensor, "*batch bands frames"]:
    """Approximate energy in the coder's bands; 1 for a sine at full scale.

    The power of a level is distributed over the bands like that of white noise in its triangle.
    """
    return BANDS_OF_LEVELS @ (10 ** (levels / 10)).transpose(-1, -2)


def parameter_features(
    parameters: Parameters,
) -> Float[Tensor, "*batch features frames"]:
    """The 68 weighted parameters of every frame."""
    iid = IID_WEIGHT * parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
    return torch.cat([iid, parameters.coherence], dim=-2)


def parameters_from_features(features: Float[Tensor, "*batch features frames"]) -> Parameters:
    """The parameters of features, limited to ±20 dB and to −1 … 1."""
    iid, coherence = features.split(BANDS, dim=-2)
    limited = (iid / IID_WEIGHT).clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
    return Parameters(limited, coherence.clamp(-1, 1))


def context_vectors(
    levels: Float[Tensor, "frames levels"],
    parameters: Parameters,
    frames: int = SEGMENT_FRAMES,
) -> Float[Tensor, "segments features"]:
    """Mean features of each of the last `SEGMENTS` complete segments, the latest last.

    Args:
        levels: of the mid, in dB, up to the present.
        parameters: (bands, frames), of the same frames.
        frames: per segment.

    Returns:
        The vectors; those of segments before the start of the recording are NaN.
    """
    count = min(len(levels) // frames, SEGMENTS)
    vectors = torch.full((SEGMENTS, CONTEXT_FEATURES), math.nan)
    if count:
        scaled = (levels[-count * frames :] - LEVEL_MEAN) / LEVEL_STD
        targets = parameter_features(parameters)[:, -count * frames :].T
        joined = torch.cat([scaled, targets], dim=1)
        vectors[SEGMENTS - count :] = joined.unflatten(0, (count, frames)).mean(dim=1)
    return vectors


def level_statistics(levels: Float[Tensor, "positions levels"]) -> Float[Tensor, " statistics"]:
    """Statistics of a recording in dB, over groups of four levels and independent of its gain.

    The mean over time, less the mean of all levels; the deviation over time; the mean change from
    one position to the next; the mean step to the level above. A single position has no deviation
    and no change.

    Args:
        levels: of the mid, in dB, at a position every other frame or so.
    """
    count = len(levels)
    means = levels.mean(dim=0)
    changes = levels.diff(dim=0).abs().sum(dim=0) / max(count - 1, 1)
    steps = F.pad(levels.diff(dim=1).abs().mean(dim=0), (0, 1))
    parts = torch.stack([means - means.mean(), levels.std(dim=0, correction=0), changes, steps])
    return parts.unflatten(1, (-1, _GROUP)).mean(dim=2).flatten()
