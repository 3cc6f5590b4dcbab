"""Embeddings that need no download: the bundled tagger, and band energies.

**tagger**: the bundled sound-event network (`networks/models/tagger.py`), the 128 values of the
layer before the classes, before activation, in windows of 1.92 s every 0.96 s. It was trained to
name 50 everyday sounds, not on music.

**bands**: no network, a reference for the others. In windows of 1.02 s, for each of the 34 bands of
the parametric coder, mean and standard deviation over time of

    10·log10(⟨X, X⟩ + floor)     in dB; a full-scale sine has 60 to 62

where ⟨X, X⟩ sums |X|² over a band of a frame. The root of a distance over these 68 values is in dB.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import WeightsError
from soundstage.metrics.embeddings.windowing import pad_to, windows
from soundstage.networks.models.tagger import RATE as TAGGER_RATE
from soundstage.networks.models.tagger import Tagger, TaggerConfig
from soundstage.stereo.encoding import BANDS, RATE, TRANSFORM, band_sums
from soundstage.weights import model_card
from soundstage.weights.model import load_model

TAGGER_WINDOW = 30_720  # samples at 16 kHz, 1.92 s
TAGGER_SIZE = 128
TAGGER_SHORTEST = 4096  # samples of a whole sound; the network needs 16 frames
TAGGER_AT_ONCE = 32  # windows; limits memory without effect on the result

FLOOR = 1e-2  # 80 dB below a full-scale sine: 16-bit noise makes no difference
WINDOW_HOPS = 44  # 1.02 s
WINDOW = WINDOW_HOPS * TRANSFORM.hop
WINDOW_FRAMES = (WINDOW - TRANSFORM.frame) // TRANSFORM.hop + 1  # inside the window
FRAMES_AT_ONCE = 256  # to limit memory


class TaggerEmbedding:
    """The embedding layer of a tagger.

    Args:
        source: name of bundled weights, or path of weights trained with `soundstage train`.

    Raises:
        WeightsError: the weights are missing or damaged.

    >>> TaggerEmbedding().embed(torch.zeros(1, 48_000)).shape
    torch.Size([1, 2, 128])
    """

    name = "tagger"
    rate = TAGGER_RATE
    size = TAGGER_SIZE

    def __init__(self, source: str = "tagger") -> None:
        self._network = _load(source)
        pretrained = not source.endswith(".safetensors")
        self.classes: tuple[str, ...] = tuple(model_card(source)["classes"]) if pretrained else ()

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows 128"]:
        """Embeddings of mono sound at 16 kHz, in windows of 1.92 s every 0.96 s."""
        cut = windows(sound.float(), TAGGER_WINDOW, TAGGER_WINDOW // 2)
        with torch.inference_mode():
            groups = cut.flatten(0, 1).split(TAGGER_AT_ONCE)
            points = [self._network.embed(self._network.mel(group)) for group in groups]
        return torch.cat(points).unflatten(0, cut.shape[:2])

    def outputs(
        self, sound: Float[Tensor, "batch frames"]
    ) -> tuple[Float[Tensor, "batch 128"], Float[Tensor, "batch classes"]]:
        """Embeddings and logits of whole sounds at 16 kHz, one of each a sound."""
        with torch.inference_mode():
            mels = self._network.mel(pad_to(sound.float(), TAGGER_SHORTEST))
            points = self._network.embed(mels)
            return points, self._network.classifier(torch.relu(points))


@cache
def _load(source: str) -> Tagger:
    """The network of a file.

    Raises:
        WeightsError: its embeddings have another size.
    """
    model = load_model(source, TaggerConfig)
    if model.config.embedding_dim != TAGGER_SIZE:
        raise WeightsError(
            f"{model.source}: its embeddings have {model.config.embedding_dim} values, "
            f"not {TAGGER_SIZE}."
        )
    network: Tagger = model.network
    return network


class BandEmbedding:
    """Mean and standard deviation over time of the log band energies, in dB."""

    name = "bands"
    rate = RATE
    size = 2 * BANDS

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows 68"]:
        """34 means, then 34 standard deviations, in windows of 45,056 samples every 22,528."""
        frames = windows(pad_to(sound.float(), WINDOW), TRANSFORM.frame, TRANSFORM.hop)
        levels = [_band_levels(part) for part in frames.split(FRAMES_AT_ONCE, dim=1)]
        cut = windows(torch.cat(levels, dim=-1), WINDOW_FRAMES, WINDOW_HOPS // 2)
        statistics = [cut.mean(dim=-1), cut.std(dim=-1, correction=0)]
        return torch.cat(statistics, dim=1).transpose(1, 2)


def _band_levels(
    frames: Float[Tensor, "batch frames samples"],
) -> Float[Tensor, "batch bands frames"]:
    """Band energies of every frame, in dB."""
    spectra = torch.fft.rfft(frames * TRANSFORM.window)
    power = spectra.real.square() + spectra.imag.square()
    return 10 * torch.log10(band_sums(power.transpose(1, 2)) + FLOOR)
