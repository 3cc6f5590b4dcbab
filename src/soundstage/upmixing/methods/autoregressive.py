"""`autoregressive` (PS-AR): a transformer samples stereo tokens one after the other.

The second system of Serrà et al. (2023, §3.2): the bands of a position from low to high, then the
next position, each token given the mid and all tokens before it, with temperature τ and guidance
U = (1 + γ)·U_cond − γ·U_uncond (Eq. 4).

    fast    the network of `stereo_autoregression.py`: a causal transformer advances by one position
            with a KV cache, then a small head samples the bands. The head's token embeddings are
            looked up; its last matrix is applied after the guidance, which is equivalent since
            both are linear.
    paper   the network of the paper, one full pass a token: 34 passes a position over the last six
            seconds, hundreds of times slower than real time.
"""

from dataclasses import dataclass, replace
from typing import Final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from soundstage.networks.backbones.transformer import TokenEmbedding
from soundstage.networks.models.stereo_autoregression import (
    BandwiseHead,
    StereoAutoregression,
    StereoAutoregressionConfig,
)
from soundstage.networks.models.stereo_tokens import StereoTokens
from soundstage.stereo import BANDS, TOKENS, Decoder, Parameters, quantize
from soundstage.stereo.features import MIN_LEVEL_DB
from soundstage.stereo.style_prior import StylePrior
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.upmixing.generative.sampling import Guidance, TakeStyle, gumbel_noise
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.generative.windowed_decoding import Window, WindowedPredictor
from soundstage.upmixing.parametric import ParametricMethod

FAMILY: Final = "autoregressive"
MASK = TOKENS
BATCH = 4
"""Takes in every batch, the last one repeated: matrix products round differently with another
number of rows, and a take must not depend on the others. The repeated rows cost little."""
SILENCE_TOKEN = int(quantize(Parameters(torch.zeros(1, 1), torch.ones(1, 1))))


@dataclass(frozen=True)
class AutoregressiveDecoding:
    """Settings of the sampler."""

    temperature: float = 1.0
    """τ; 0 takes the most likely token. The paper has 0.9."""
    guidance: float = 0.0
    """γ; 0 saves the branch without the sound. The paper has 0.25."""
    style_guidance: float = 1.0
    """γ_s for a requested style; 0 saves the branch without it."""
    style_spread: float = 1.0
    """Spread of unrequested styles, 1 as in real music; 0 leaves them undefined."""


SETTINGS = AutoregressiveDecoding()


class AutoregressiveSampler:
    """Fills windows token by token.

    Args:
        network: in evaluation mode, on `device`.
        config: of the network.
        decoding: settings.
        style: requested; None for no style.
        prior: of unrequested styles.
        device: where the network runs.
    """

    def __init__(
        self,
        network: StereoAutoregression | StereoTokens,
        config: StereoAutoregressionConfig,
        decoding: AutoregressiveDecoding = SETTINGS,
        style: Style | None = None,
        prior: StylePrior | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.style = TakeStyle(style, prior, decoding.style_spread)
        if not self.style.is_requested:
            decoding = replace(decoding, style_guidance=0.0)
        self._form: _FastForm | _PaperForm
        if isinstance(network, StereoAutoregression):
            self._form = _FastForm(network, config, decoding, device)
        else:
            self._form = _PaperForm(network, config, decoding, device)
        self.context_frames, self.stride = self._form.context_frames, config.stride

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """Tokens of the positions that are not known."""
        return self._form.fill(window)


class _FastForm:
    """One step of the transformer a position."""

    def __init__(
        self,
        network: StereoAutoregression,
        config: StereoAutoregressionConfig,
        decoding: AutoregressiveDecoding,
        device: torch.device | str,
    ) -> None:
        self._network, self._config, self._decoding = network, config, decoding
        self._device = device
        self._sample_bands = _BandSampler(network.head, decoding.temperature)
        self.context_frames = config.context_frames

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """`BATCH` takes at a time."""
        takes = torch.arange(len(window.generators)).split(BATCH)
        return torch.cat([self._fill(window, some.tolist()) for some in takes])

    def _fill(self, window: Window, takes: list[int]) -> Integer[Tensor, "some rest bands"]:
        repeated = BATCH - len(takes)
        rows = takes + takes[-1:] * repeated
        generators = [window.generators[take] for take in takes]
        guidance = Guidance(
            self._decoding.guidance, self._decoding.style_guidance, window.styles[rows]
        )
        branches, device = guidance.branches, self._device
        batch = branches * BATCH
        uncond = guidance.uncond.repeat_interleave(BATCH).to(device)
        style = guidance.styles.flatten(0, 1).to(device) if self._config.style_dim else None
        levels = window.levels.to(device).expand(batch, -1, -1)
        memory = None
        if self._config.memory:
            memory = window.memory[rows].repeat(branches, 1, 1).to(device)
        total = len(window.levels)
        cache = self._network.new_cache(memory, batch, total)
        conditioning = self._network.encode(levels, uncond)
        masked = torch.full((BATCH, 1, BANDS), MASK)
        previous = torch.cat([masked, window.known[rows]], dim=1).to(device)  # of the next step
        count = previous.shape[1]
        samples: list[Tensor] = []
        for position in range(count - 1, total):
            hidden = self._network.step(
                cache,
                levels[:, position + 1 - count : position + 1],
                previous.repeat(branches, 1, 1),
                uncond,
                style=style,
            )[:, -1].unflatten(0, (branches, BATCH))
            noise = [gumbel_noise((BANDS, TOKENS), generator) for generator in generators]
            noise += noise[-1:] * repeated
            local = None
            if conditioning is not None:
                local = conditioning[:, position].unflatten(0, (branches, BATCH))
            tokens = self._sample_bands(
                hidden, local, previous[:, -1], torch.stack(noise, dim=1).to(device), guidance
            )
            samples.append(tokens)
            previous, count = tokens[:, None], 1
        return torch.stack(samples, dim=1)[: len(takes)].cpu()


class _BandSampler:
    """The head of the fast form, `BandwiseHead`, unrolled: scores and a sample, band after band.

    Args:
        head: of the network.
        temperature: τ.
    """

    def __init__(self, head: BandwiseHead, temperature: float) -> None:
        self._head, self._temperature = head, temperature
        self._lower = _embeddings(head.lower_embedding, BANDS)
        (self._below,) = _embeddings(head.below_embedding, 1)
        (self._earlier,) = _embeddings(head.previous_embedding, 1)
        self._shared = head.out.weight.T.contiguous()

    def __call__(
        self,
        hidden: Float[Tensor, "branches takes hidden"],
        conditioning: Float[Tensor, "branches takes bands width"] | None,
        earlier: Integer[Tensor, "takes bands"],
        noise: Float[Tensor, "bands takes classes"],
        guidance: Guidance,
    ) -> Integer[Tensor, "takes bands"]:
        """Tokens of one position.

        Args:
            hidden: state of the transformer.
            conditioning: local conditioning of each tile.
            earlier: tokens of the previous position, or the mask.
            noise: Gumbel noise of the samples.
            guidance: combines the branches.
        """
        head = self._head
        known = (head.band_embedding + self._earlier[earlier]).transpose(0, 1)
        frames = known[:, None] + head.proj(hidden)
        if conditioning is not None:
            frames = frames + conditioning.movedim(2, 0)
        # argmax(scores/τ + noise) = argmax(scores + τ·noise)
        offsets = head.out_bias[:, None] + self._temperature * noise
        lower = hidden.new_zeros(len(earlier), head.proj.out_features)
        below = self._below[MASK].expand_as(lower)
        samples = []
        for frame, offset, embeddings in zip(frames, offsets, self._lower, strict=True):
            x = frame + below
            x = head.norm_out(x + head.mlp(head.norm(x)))
            scores = torch.addmm(offset, guidance.combine(x), self._shared)
            samples.append(scores.argmax(dim=-1))
            lower = lower + embeddings[samples[-1]]
            below = lower + self._below[samples[-1]]
        return torch.stack(samples, dim=1)


def _embeddings(embedding: TokenEmbedding, bands: int) -> Float[Tensor, "bands tokens width"]:
    """Of every token in every band, the mask last."""
    tokens = torch.arange(TOKENS + 1, device=embedding.table.weight.device)
    rows = embedding.rows(tokens[:, None].expand(-1, bands))
    return embedding.table(rows).sum(dim=-2).transpose(0, 1).contiguous()


class _PaperForm:
    """One pass of the whole network a token, over the last positions.

    The network is trained to predict the last of `config.context_frames` positions alone: a window
    is long enough to give each new position all of those before; a signal starts after silence.
    """

    def __init__(
        self,
        network: StereoTokens,
        config: StereoAutoregressionConfig,
        decoding: AutoregressiveDecoding,
        device: torch.device | str,
    ) -> None:
        self._network, self._config, self._decoding = network, config, decoding
        self._device = device
        self._past = config.context_frames - 1  # positions before the predicted one
        self.context_frames = 2 * self._past

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """Take by take."""
        each = zip(window.known, window.memory, window.styles, window.generators, strict=True)
        return torch.stack([self._fill(window.levels, *take) for take in each]).cpu()

    def _fill(
        self,
        levels: Float[Tensor, "positions levels"],
        known: Integer[Tensor, "known bands"],
        memory: Float[Tensor, "segments values"],
        style: Float[Tensor, " style"],
        generator: torch.Generator,
    ) -> Integer[Tensor, "rest bands"]:
        guidance = Guidance(self._decoding.guidance, self._decoding.style_guidance, style[None])
        rest, missing = len(levels) - len(known), max(self._past - len(known), 0)
        silence = torch.full((missing, levels.shape[1]), MIN_LEVEL_DB)
        levels = torch.cat([silence, levels]).to(self._device)
        tokens = torch.cat(
            [
                torch.full((missing, BANDS), SILENCE_TOKEN),
                known.long(),
                torch.full((rest, BANDS), MASK),
            ]
        ).to(self._device)
        for position in range(len(tokens) - rest, len(tokens)):
            seen = slice(position - self._past, position + 1)
            noise = self._decoding.temperature * gumbel_noise((BANDS, TOKENS), generator)
            noise = noise.to(self._device)
            for band in range(BANDS):
                scores = self._scores(levels[seen], tokens[seen], memory, guidance)[band]
                tokens[position, band] = (scores + noise[band]).argmax()
        return tokens[-rest:]

    def _scores(
        self, levels: Tensor, tokens: Tensor, memory: Tensor, guidance: Guidance
    ) -> Float[Tensor, "bands classes"]:
        """Guided scores of the last position."""
        branches, device = guidance.branches, self._device
        remembered = memory.to(device).expand(branches, -1, -1)
        scores = self._network(
            levels.expand(branches, -1, -1),
            tokens.expand(branches, -1, -1),
            guidance.uncond.to(device),
            style=guidance.styles[:, 0].to(device) if self._config.style_dim else None,
            memory=remembered if self._config.memory else None,
            first_frame=self._past,
        )
        return guidance.combine(scores[:, 0])


def load(
    weights: str = FAMILY,
    *,
    style: Style | None = None,
    decoder: Decoder = "prediction",
    device: torch.device | str = "cpu",
    decoding: AutoregressiveDecoding = SETTINGS,
) -> ParametricMethod:
    """The method with its weights.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    model, prior = load_generative(weights, StereoAutoregressionConfig, device)
    sampler = AutoregressiveSampler(model.network, model.config, decoding, style, prior, device)
    return ParametricMethod(WindowedPredictor(sampler), decoder=decoder)
