"""`ambisonic`: the Ambisonizer, which completes the mid to a sound field and decodes it to stereo.

The method of Zang et al. (2024). W is the mid, a network gives X and Y (`networks/models/
ambisonic_vae.py`), and two virtual microphones in the directions θ_L and θ_R are the stereo:

    L = W + X·cos θ_L + Y·sin θ_L,     R = W + X·cos θ_R + Y·sin θ_R

with the θ, in steps of 10°, for which L and R have the nearest RMS over the song. By default they
face opposite directions, as those that condition the network in training do, so that (L + R)/2 = W
exactly and the side is X·cos θ_L + Y·sin θ_L. With the decoder "mixing" any two directions are
searched, as published: the mono sum is then not exact.

The latent c that holds the places is drawn from its prior, once for a take and constant over the
song, or, in networks of samples as published, anew in every frame. A survey keeps up to a minute of
excerpts of the song; the directions of a take are searched in these.

The signal is processed in windows with a context on either side, longer than the receptive field of
the small network, and a short crossfade between them for networks that have none. Windows lie at
fixed samples: the result does not depend on the block size.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.ambisonics.stereo_decoding import (
    LEFT,
    RIGHT,
    MomentMeter,
    search_azimuths,
)
from soundstage.diffusion import CounterNoise
from soundstage.networks.models.ambisonic_vae import AmbisonicVAE, AmbisonicVAEConfig
from soundstage.spectra import SampleQueue
from soundstage.upmixing.generative.style import Style
from soundstage.weights.model import load_model

RATE = 44_100  # Hz
CONTEXT_SECONDS, STEP_SECONDS = 1.0, 4.0  # about: whole frames of the network
FADE = 512  # samples of a crossfade between windows
MAX_EXCERPTS = 40  # blocks of the engine, a minute in all
X, Y = 0, 1  # rows of a field


class Ambisonic:
    """The method, for any song or, with excerpts, for one.

    Args:
        network: in evaluation mode, on `device`.
        decoder: "prediction" for opposite directions, "mixing" for any.
        device: where the network runs.
        excerpts: of the song.
    """

    rate = RATE
    highest_order = 1

    def __init__(
        self,
        network: AmbisonicVAE,
        *,
        decoder: str = "prediction",
        device: torch.device | str = "cpu",
        excerpts: Sequence[Float[Tensor, " samples"]] = (),
    ) -> None:
        self.config = network.config
        self.n_outputs = 1 if decoder == "prediction" else 2
        self._network, self._decoder, self._device = network, decoder, device
        self._excerpts = excerpts

    def survey(self) -> "AmbisonicSurvey":
        """Start a song."""
        return AmbisonicSurvey(self)

    def fitted(self, excerpts: Sequence[Float[Tensor, " samples"]]) -> "Ambisonic":
        """The method for the song of these excerpts."""
        return Ambisonic(
            self._network, decoder=self._decoder, device=self._device, excerpts=excerpts
        )

    def stream(self, seeds: Sequence[int]) -> "DecodedStream":
        """Start a signal."""
        return DecodedStream(self, seeds)

    def field_stream(self, seeds: Sequence[int]) -> "TurnedStream":
        """Start a signal of the sides of a sound field of the first order (`sound_field`)."""
        return TurnedStream(self, seeds)

    def azimuths(self, seed: int) -> tuple[float, float]:
        """Directions of L and R of a take, in degrees."""
        if not self._excerpts:
            return LEFT, RIGHT
        meter = MomentMeter()
        for excerpt in self._excerpts:
            x, y = self.complete(excerpt, seed, 0)
            meter.push(torch.stack([excerpt, y, torch.zeros_like(y), x]).numpy())
        return search_azimuths(meter.moments(), opposite=self.n_outputs == 1)

    def complete(
        self, mid: Float[Tensor, " samples"], seed: int, first: int
    ) -> Float[Tensor, "2 samples"]:
        """X and Y of a window.

        Args:
            mid: W.
            seed: of the take.
            first: position of the window, in frames of the network.
        """
        noise = CounterNoise((self.config.latent_dim,), seed)
        frames = -(-mid.shape[0] // self.config.hop)
        drawn = noise.window(0, 1) if self.config.is_constant else noise.window(first, frames)
        latent = self._network.draw(drawn[None].to(self._device))
        field = self._network.decode(mid[None].to(self._device), latent)
        return field[0].float().cpu()


class AmbisonicSurvey:
    """Excerpts of a song, evenly over its length: a `MethodSurvey`.

    Args:
        method: that is fitted.
    """

    def __init__(self, method: Ambisonic) -> None:
        self._method, self._stride, self._blocks = method, 1, 0
        self._excerpts: list[Tensor] = []

    def push(self, mid: Float[Tensor, " length"], /) -> None:
        """The next block."""
        if self._blocks % self._stride == 0 and mid.shape[0]:
            self._excerpts.append(mid.clone())
        self._blocks += 1
        if len(self._excerpts) > MAX_EXCERPTS:
            self._excerpts, self._stride = self._excerpts[::2], 2 * self._stride

    def finish(self) -> Ambisonic:
        """The method for this song."""
        return self._method.fitted(self._excerpts)


class FieldWindows:
    """X and Y of all takes of one signal.

    Args:
        method: with its network.
        seeds: one a take.
    """

    def __init__(self, method: Ambisonic, seeds: Sequence[int]) -> None:
        self._method, self._seeds, hop = method, seeds, method.config.hop
        self._context = hop * -(-int(CONTEXT_SECONDS * RATE) // hop)
        self._step = hop * -(-int(STEP_SECONDS * RATE) // hop)
        self._mid = SampleQueue()
        self._before = torch.zeros(0)  # of the next window
        self._last: Tensor | None = None  # of the last window, over the crossfade
        self._first = 0  # sample of the next window, without its context

    def push(self, mid: Float[Tensor, " length"]) -> Float[Tensor, "takes 2 ready"]:
        """The samples that whole windows cover."""
        self._mid.push(mid)
        ready = [mid.new_zeros(len(self._seeds), 2, 0)]
        while len(self._mid) >= self._step + FADE + self._context:
            ready.append(self._window(self._step + FADE + self._context, self._step))
        return torch.cat(ready, dim=-1)

    def finish(self) -> Float[Tensor, "takes 2 rest"]:
        """The rest."""
        ready = [self._before.new_zeros(len(self._seeds), 2, 0)]
        while (rest := len(self._mid)) > self._step + FADE:
            ready.append(self._window(min(rest, self._step + FADE + self._context), self._step))
        if rest:
            ready.append(self._window(rest, rest))
        return torch.cat(ready, dim=-1)

    def _window(self, length: int, step: int) -> Float[Tensor, "takes 2 step"]:
        """The first `step` samples of a window that looks `length` samples ahead."""
        mid = self._mid.pop(length)
        whole, before = torch.cat([self._before, mid]), self._before.shape[0]
        position = (self._first - before) // self._method.config.hop
        fields = torch.stack([self._method.complete(whole, seed, position) for seed in self._seeds])
        fields = fields[..., before:]
        if self._last is not None:
            shared = min(FADE, length)
            rise = (torch.arange(FADE) + 0.5)[:shared] / FADE
            start = self._last[..., :shared].lerp(fields[..., :shared], rise)
            fields = torch.cat([start, fields[..., shared:]], dim=-1)
        self._last = fields[..., step : step + FADE].clone()
        self._before = whole[: before + step][-self._context :].clone()
        self._requeue(mid[step:])
        self._first += step
        return fields[..., :step]

    def _requeue(self, ahead: Tensor) -> None:
        """Put back what the next window begins with."""
        rest = self._mid.pop(len(self._mid))
        self._mid.push(ahead)
        self._mid.push(rest)


class DecodedStream:
    """The stereo of the fields of all takes: a `SideStream`.

    Args:
        method: fitted to the song.
        seeds: one a take.
    """

    def __init__(self, method: Ambisonic, seeds: Sequence[int]) -> None:
        self._fields, self._mid = FieldWindows(method, seeds), SampleQueue()
        self._makes_mid = method.n_outputs == 2
        angles = np.radians([method.azimuths(seed) for seed in seeds])  # (takes, 2)
        facing = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        left, right = facing[:, 0], facing[:, 1]
        sums = np.stack([left + right, left - right], axis=1) / 2  # (takes, mid and side, x and y)
        self._sums = torch.from_numpy(sums.astype(np.float32))

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes n_outputs ready"]:
        """The samples that `mid` completes."""
        self._mid.push(mid)
        return self._decoded(self._fields.push(mid))

    def finish(self) -> Float[Tensor, "takes n_outputs rest"]:
        """The remaining samples."""
        return self._decoded(self._fields.finish())

    def _decoded(self, fields: Float[Tensor, "takes 2 ready"]) -> Tensor:
        mid, sums = self._mid.pop(fields.shape[-1]), self._sums[..., None]
        both = sums[:, :, X] * fields[:, None, X] + sums[:, :, Y] * fields[:, None, Y]
        both[:, 0] += mid
        return both if self._makes_mid else both[:, 1:]


class TurnedStream:
    """The fields of all takes, turned so that Y is the side of the stereo: a `SideStream`.

    Args:
        method: fitted to the song.
        seeds: one a take.
    """

    def __init__(self, method: Ambisonic, seeds: Sequence[int]) -> None:
        self._fields, self._mid = FieldWindows(method, seeds), SampleQueue()
        left = np.radians([method.azimuths(seed)[0] for seed in seeds]).astype(np.float32)
        self._cos, self._sin = torch.from_numpy(np.stack([np.cos(left), np.sin(left)]))[..., None]

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes 3 ready"]:
        """The samples that `mid` completes: Y, Z and X without W, as of a source ahead."""
        self._mid.push(mid)
        return self._turned(self._fields.push(mid))

    def finish(self) -> Float[Tensor, "takes 3 rest"]:
        """The remaining samples."""
        return self._turned(self._fields.finish())

    def _turned(self, fields: Float[Tensor, "takes 2 ready"]) -> Float[Tensor, "takes 3 ready"]:
        mid, (x, y) = self._mid.pop(fields.shape[-1]), fields.unbind(dim=1)
        side = self._cos * x + self._sin * y
        ahead = self._sin * x - self._cos * y
        return torch.stack([side, torch.zeros_like(side), ahead - mid], dim=1)


def load(
    weights: str,
    *,
    style: Style | None = None,
    decoder: str = "prediction",
    device: torch.device | str = "cpu",
) -> Ambisonic:
    """The method with its weights.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    model = load_model(weights, AmbisonicVAEConfig, device)
    return Ambisonic(model.network, decoder=decoder, device=device)
