"""`nearest` (PS-NN): every frame takes the stereo parameters of the most similar moment of music.

The idea of Serrà et al. (2023, §3.1). Real stereo music is stored as pairs: the key is the mean
magnitude of the mid in each band over 20 frames (0.46 s), the value is the parameters of the last
of them. A frame of the input takes the value of its nearest key. As in the paper, the level
differences of a frame change sign if that brings them nearer to the previous frame, and parameters
are smoothed exponentially.

The paper smooths by 0.95, over half a second, which removes most of the spread of real music: on
the validation music D_F is 2.4 there, 1.8 at 0.9, 1.5 at 0.8 and 1.3 without, from the decoded
sound. The IID fluctuation hardly changes (1.0 to 1.1 dB; true stereo 1.6), since frames overlap by
75 % and decoding smooths as well. The default is 0.8, a tenth of a second.

Differences from the paper: a key is divided by its norm and its cube root is taken, so that it
describes the spectrum and not the level; keys and fused tokens are bytes, 68 a pair. The search is
one matrix product, which finds max(2·q·k − ‖k‖²). With q and k in whole steps from 0 to 255 every
sum is below 2²⁴, which float32 represents exactly: the nearest key depends neither on rounding nor
on the block size.

Takes: seed 0 searches all pairs. Any other seed searches a random half of the tracks, and
mirrors left and right at random.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float, Int64, UInt8
from torch import Tensor

from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, TOKENS, Decoder, Parameters, band_sums, dequantize
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.parametric import ParametricMethod, stack_takes
from soundstage.weights.model import load_weights

KEY_FRAMES = 20
SMOOTHING = 0.8
KEY_STEPS = 255
KEY_FLOOR = 1e-3  # prevents a division by zero; a sine at full scale has a norm of 1e3


def similarity_keys(
    mean_magnitudes: Float[Tensor, "bands frames"],
) -> Float[Tensor, "bands frames"]:
    """The shape of the spectrum over bands on a cube-root scale, in whole steps from 0 to 255."""
    norm = mean_magnitudes.norm(dim=0, keepdim=True)
    return (KEY_STEPS * (mean_magnitudes / (norm + KEY_FLOOR)).pow(1 / 3)).round()


class RunningMean:
    """Mean over the last `KEY_FRAMES` frames of a stream, or over fewer at its start."""

    def __init__(self) -> None:
        self._past = torch.zeros(BANDS, KEY_FRAMES - 1)
        self._frames = 0

    def push(self, values: Float[Tensor, "bands frames"]) -> Float[Tensor, "bands frames"]:
        """One mean for every frame of `values`."""
        count = values.shape[1]
        if not count:
            return values
        window = torch.cat([self._past, values], dim=1)
        self._past = window[:, -(KEY_FRAMES - 1) :]
        frames = torch.arange(self._frames + 1, self._frames + count + 1).clamp(max=KEY_FRAMES)
        self._frames += count
        return window.unfold(1, KEY_FRAMES, 1).sum(dim=-1) / frames


class NearestPredictor:
    """Parameters by exact nearest-neighbor search.

    Args:
        keys: out of `similarity_keys`.
        tokens: fused tokens of the value of every key.
        track_ends: where the pairs of each track end, increasing; the last is their number.
        smoothing: weight of the previous frame, from 0 to below 1.
        device: where the search runs.
    """

    def __init__(
        self,
        keys: UInt8[Tensor, "pairs bands"],
        tokens: UInt8[Tensor, "pairs bands"],
        track_ends: Int64[Tensor, " tracks"],
        smoothing: float = SMOOTHING,
        device: torch.device | str = "cpu",
    ) -> None:
        self._keys, self._tokens = keys, tokens
        self._track_ends = track_ends
        self._smoothing, self._device = smoothing, device

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return self._keys.shape[0]

    def stream(self, seeds: Sequence[int]) -> "NearestStream":
        """Start a signal."""
        return NearestStream([self._take(seed) for seed in seeds])

    def _take(self, seed: int) -> "_TakeSearch":
        """The search of one take, with its pairs and its mirroring."""
        generator = torch.Generator().manual_seed(seed)
        chosen = self._choose(generator) if seed else torch.arange(self.pairs)
        sign = 1.0 - 2.0 * torch.randint(2, (1,), generator=generator).item() if seed else 1.0
        keys = self._keys[chosen].float().to(self._device)
        return _TakeSearch(keys, self._tokens[chosen], sign, self._smoothing)

    def _choose(self, generator: torch.Generator) -> Int64[Tensor, " chosen"]:
        """Pairs of a random half of the tracks."""
        tracks = len(self._track_ends)
        kept = torch.randperm(tracks, generator=generator)[: (tracks + 1) // 2]
        mask = torch.zeros(tracks, dtype=torch.bool)
        mask[kept] = True
        counts = torch.diff(self._track_ends, prepend=torch.zeros(1, dtype=torch.int64))
        return mask.repeat_interleave(counts).nonzero()[:, 0]


class NearestStream:
    """One signal; the search is causal and holds nothing back."""

    def __init__(self, takes: "list[_TakeSearch]") -> None:
        self._takes, self._mean = takes, RunningMean()

    def push(self, spectrogram: Complex[Tensor, "bins frames"], /) -> Parameters:
        """Parameters of these frames, (takes, bands, frames)."""
        if not spectrogram.shape[1]:
            return self.finish()
        queries = similarity_keys(self._mean.push(band_sums(spectrogram.abs())))
        return stack_takes([take.search(queries) for take in self._takes])

    def finish(self) -> Parameters:
        """No parameters are left."""
        return Parameters(*torch.zeros(2, len(self._takes), BANDS, 0))


class _TakeSearch:
    """Search, signs and smoothing of one take.

    Args:
        keys: of its pairs.
        tokens: of their values.
        sign: 1, or −1 for a mirrored take.
        smoothing: weight of the previous frame.
    """

    def __init__(
        self,
        keys: Float[Tensor, "pairs bands"],
        tokens: UInt8[Tensor, "pairs bands"],
        sign: float,
        smoothing: float,
    ) -> None:
        self._keys = keys.T.contiguous()  # (bands, pairs): the search runs along memory, 3 × faster
        self._squares = keys.square().sum(dim=1)
        self._tokens = tokens
        self._sign, self._smoothing = sign, smoothing
        self._last_raw: Tensor | None = None  # level differences of the previous frame, unsigned
        self._last_smooth: Tensor | None = None

    def search(self, queries: Float[Tensor, "bands frames"]) -> Parameters:
        """Parameters of these frames."""
        queries = queries.to(self._keys)
        products = torch.addmm(self._squares, queries.T, self._keys, beta=-1, alpha=2)
        nearest = products.argmax(dim=1).cpu()
        iid, coherence = dequantize(self._tokens[nearest].T)
        return self._smooth(Parameters(self._switch_signs(iid), coherence))

    def _switch_signs(self, iid: Float[Tensor, "bands frames"]) -> Float[Tensor, "bands frames"]:
        """‖−v − p‖ < ‖v − p‖ just when v·p < 0, so the signs are a running product."""
        before = iid[:, :1] if self._last_raw is None else self._last_raw
        values = torch.cat([before, iid], dim=1)
        agreement = (values[:, 1:] * values[:, :-1]).sum(dim=0)
        signs = self._sign * torch.where(agreement < 0, -1.0, 1.0).cumprod(dim=0)
        self._sign = signs[-1].item()
        self._last_raw = iid[:, -1:]
        return iid * signs

    def _smooth(self, parameters: Parameters) -> Parameters:
        """y_t = a·y_{t−1} + (1 − a)·x_t, with y_0 = x_0."""
        kept = self._smoothing
        values = torch.cat(parameters)  # (2·bands, frames)
        start = values[:, :1] if self._last_smooth is None else self._last_smooth
        age = torch.arange(values.shape[1])
        elapsed = age[None, :] - age[:, None]  # from frame s to frame t
        weights = torch.where(elapsed >= 0, (1 - kept) * kept ** elapsed.clamp(min=0).float(), 0.0)
        smooth = values @ weights + start * kept ** (age + 1).float()
        self._last_smooth = smooth[:, -1:]
        iid, coherence = smooth.chunk(2)
        return Parameters(iid, coherence)


def load(
    weights: str = "nearest",
    *,
    style: Style | None = None,
    decoder: Decoder = "prediction",
    device: torch.device | str = "cpu",
    smoothing: float = SMOOTHING,
) -> ParametricMethod:
    """The method with its pairs.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    return ParametricMethod(load_nearest(weights, device, smoothing), decoder=decoder)


def load_nearest(
    weights: str, device: torch.device | str = "cpu", smoothing: float = SMOOTHING
) -> NearestPredictor:
    """The predictor alone; see `load`."""
    loaded = load_weights(weights, "nearest")
    keys = loaded.tensor("keys", torch.uint8, (None, BANDS))
    tokens = loaded.tensor("tokens", torch.uint8, (keys.shape[0], BANDS))
    ends = loaded.tensor("track_ends", torch.int64, (None,))
    ordered = bool((ends.diff() > 0).all()) and int(ends[0]) > 0 and int(ends[-1]) == len(keys)
    if int(tokens.max()) >= TOKENS or not ordered:
        raise WeightsError(f"{loaded.source}: its pairs and tracks do not fit together.")
    return NearestPredictor(keys, tokens, ends, smoothing, device)
