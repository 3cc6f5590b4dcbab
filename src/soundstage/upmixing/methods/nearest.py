"""`nearest` (PS-NN): every frame takes the stereo parameters of a record's most similar moment.

The idea of Serrà et al. (2023, §3.1). From real stereo music, pairs are kept: as key the mean
magnitude of the mid in each band over 20 frames (0.46 s), as value the parameters of the last of
them. A frame of the input gets the value of the nearest key. Then, as in the paper, a frame whose
level differences lie nearer to the frame before with their sign switched is switched, and
parameters are smoothed exponentially.

The paper smooths by 0.95, over half a second, which takes away most of the spread that real music
has: on the validation music D_F is 2.4 there, 1.8 at 0.9, 1.5 at 0.8 and 1.3 without, all from the
decoded sound, and iid_fluctuation hardly moves (1.0 to 1.1 dB; true stereo 1.6), since frames overlap by
75 % and the decoder smooths by itself. The default is 0.8, a tenth of a second.

What differs from the paper, and why: a key is divided by its length and its cube root is taken, so
that it hears the color of a sound and not how loudly it was transferred; keys and fused tokens are
bytes, 68 a pair. The search is one matrix product, which finds max(2·q·k − ‖k‖²). With q and k in
whole steps from 0 to 255 every sum stays below 2²⁴, so that float32 holds it exactly: the nearest
key does not depend on rounding, nor on how a signal is cut.

Takes: seed 0 searches every pair. Any other seed searches a random half of the records, and
mirrors left and right or not.
"""

import torch
from jaxtyping import Complex, Float, UInt8
from torch import Tensor

from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, TOKENS, Parameters, band_sums, dequantize
from soundstage.weights.model import load_weights

KEY_FRAMES = 20
SMOOTHING = 0.8
PAPER_SMOOTHING = 0.95
KEY_STEPS = 255
KEY_FLOOR = 1e-3  # against dividing by silence; a sine at full scale has a norm of 1e3


def similarity_keys(
    mean_magnitudes: Float[Tensor, "bands frames"],
) -> Float[Tensor, "bands frames"]:
    """Whole numbers, 0 to 255: the shape of the spectrum over bands, on a cube-root scale."""
    length = mean_magnitudes.norm(dim=0, keepdim=True)
    return (KEY_STEPS * (mean_magnitudes / (length + KEY_FLOOR)).pow(1 / 3)).round()


class RunningMean:
    """Mean over the last `KEY_FRAMES` frames of a stream, or over as many as there are."""

    def __init__(self) -> None:
        self._past = torch.zeros(BANDS, KEY_FRAMES - 1)
        self._seen = 0

    def push(self, values: Float[Tensor, "bands frames"]) -> Float[Tensor, "bands frames"]:
        """One mean for every frame of `values`."""
        count = values.shape[1]
        if not count:
            return values
        window = torch.cat([self._past, values], dim=1)
        self._past = window[:, -(KEY_FRAMES - 1) :]
        frames = torch.arange(self._seen + 1, self._seen + count + 1).clamp(max=KEY_FRAMES)
        self._seen += count
        return window.unfold(1, KEY_FRAMES, 1).sum(dim=-1) / frames


class NearestPredictor:
    """Parameters by exact nearest-neighbor search.

    Args:
        keys: out of `similarity_keys`.
        tokens: fused tokens of the value of every key.
        record_ends: where each record's run of pairs ends, increasing, the last the pair count.
        smoothing: what a frame keeps of the one before, from 0 to below 1.
    """

    def __init__(
        self,
        keys: UInt8[Tensor, "pairs bands"],
        tokens: UInt8[Tensor, "pairs bands"],
        record_ends: Tensor,
        smoothing: float = SMOOTHING,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._record_ends = record_ends
        self._smoothing = smoothing

    @classmethod
    def load(cls, source: str = "nearest", *, smoothing: float = SMOOTHING) -> "NearestPredictor":
        """With the shipped pairs, or with those of a file made by `soundstage train`.

        Raises:
            WeightsError: the file is missing, damaged, or its tensors do not fit together.
        """
        weights = load_weights(source, "nearest")
        keys = weights.tensor("keys", torch.uint8, (None, BANDS))
        tokens = weights.tensor("tokens", torch.uint8, (keys.shape[0], BANDS))
        ends = weights.tensor("record_ends", torch.int64, (None,))
        ordered = bool((ends.diff() > 0).all()) and int(ends[0]) > 0 and int(ends[-1]) == len(keys)
        if int(tokens.max()) >= TOKENS or not ordered:
            raise WeightsError(f"{weights.source}: the pairs and records do not fit together.")
        return cls(keys, tokens, ends, smoothing)

    @property
    def pairs(self) -> int:
        """How many pairs are held."""
        return self._keys.shape[0]

    def stream(self, *, seed: int) -> "NearestStream":
        """Begin a signal, with the pairs and the mirroring of this take."""
        generator = torch.Generator().manual_seed(seed)
        chosen = self._choose(generator) if seed else torch.arange(self.pairs)
        sign = 1.0 - 2.0 * torch.randint(2, (1,), generator=generator).item() if seed else 1.0
        return NearestStream(
            self._keys[chosen].float(), self._tokens[chosen], sign, self._smoothing
        )

    def _choose(self, generator: torch.Generator) -> Tensor:
        records = len(self._record_ends)
        kept = torch.randperm(records, generator=generator)[: (records + 1) // 2]
        mask = torch.zeros(records, dtype=torch.bool)
        mask[kept] = True
        counts = torch.diff(self._record_ends, prepend=torch.zeros(1, dtype=torch.int64))
        return mask.repeat_interleave(counts).nonzero()[:, 0]


class NearestStream:
    """One signal on its way through the search; causal, so nothing is held back."""

    def __init__(
        self,
        keys: Float[Tensor, "pairs bands"],
        tokens: UInt8[Tensor, "pairs bands"],
        sign: float,
        smoothing: float = SMOOTHING,
    ) -> None:
        self._keys = keys.T.contiguous()  # (bands, pairs): the search runs along memory, 3 × faster
        self._squares = keys.square().sum(dim=1)
        self._tokens = tokens
        self._mean = RunningMean()
        self._last_raw: Tensor | None = None  # level differences of the frame before, switched
        self._sign = sign
        self._smoothing = smoothing
        self._last_smooth: Tensor | None = None

    def push(self, spectrogram: Complex[Tensor, "bins frames"]) -> Parameters:
        """Parameters of these frames."""
        if not spectrogram.shape[1]:
            return Parameters(torch.zeros(BANDS, 0), torch.zeros(BANDS, 0))
        queries = similarity_keys(self._mean.push(band_sums(spectrogram.abs())))
        nearest = torch.addmm(self._squares, queries.T, self._keys, beta=-1, alpha=2).argmax(dim=1)
        iid, coherence = dequantize(self._tokens[nearest].T)
        return self._smooth(Parameters(self._switch_signs(iid), coherence))

    def finish(self) -> Parameters:
        """Nothing is left."""
        return Parameters(torch.zeros(BANDS, 0), torch.zeros(BANDS, 0))

    def _switch_signs(self, iid: Float[Tensor, "bands frames"]) -> Float[Tensor, "bands frames"]:
        """‖−v − p‖ < ‖v − p‖ just when v·p < 0, so the signs are a running product."""
        before = iid[:, :1] if self._last_raw is None else self._last_raw
        follows = torch.cat([before, iid], dim=1)
        agree = (follows[:, 1:] * follows[:, :-1]).sum(dim=0)
        signs = self._sign * torch.where(agree < 0, -1.0, 1.0).cumprod(dim=0)
        self._sign = signs[-1].item()
        self._last_raw = iid[:, -1:]
        return iid * signs

    def _smooth(self, parameters: Parameters) -> Parameters:
        """y_t = a·y_{t−1} + (1 − a)·x_t, begun at the first x."""
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
