"""`autoregressive` (PS-AR): a transformer draws one stereo token after the other.

The second system of Serrà et al. (2023, §3.2): the bands of a position from low to high, then the
next position, each token drawn given the mid and all tokens before it, with temperature τ and
guidance U = (1 + γ)·U_with − γ·U_without (Eq. 4).

    fast    the network of `stereo_autoregression.py`: a causal transformer goes on by one position
            with what it remembers of those before, then a small head draws the bands. What the
            head needs of a token is looked up; its last matrix is applied after the guidance,
            which is the same since both are linear.
    paper   the network of the paper, which knows one token more in every pass: 34 passes a
            position over the last six seconds, hundreds of times slower than the sound.
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
from soundstage.stereo import BANDS, TOKENS, Parameters, quantize
from soundstage.stereo.features import MIN_LEVEL_DB
from soundstage.stereo.style_prior import StylePrior
from soundstage.upmixing.generative.pretrained import load_generative
from soundstage.upmixing.generative.sampling import Guidance, TakeStyle, gumbel_noise
from soundstage.upmixing.generative.windowed_decoding import PatchPredictor, Window

FAMILY: Final = "autoregressive"
TOGETHER = 4
"""Takes in one batch, always: a product of matrices rounds by how many rows it has, and a take is
to be the same whether others are drawn beside it or not. Rows that are left over cost little."""
SILENT = int(quantize(Parameters(torch.zeros(1, 1), torch.ones(1, 1))))  # the token of silence


@dataclass(frozen=True)
class AutoregressiveDecoding:
    """How tokens are drawn."""

    temperature: float = 1.0
    """τ: scores are divided by it; 0 takes the likeliest token. The paper has 0.9."""
    guidance: float = 0.0
    """γ; 0 leaves out the passes without the sound. The paper has 0.25."""
    style_guidance: float = 1.0
    """γ_s, where a style is asked; 0 leaves out the passes without it."""
    style_spread: float = 1.0
    """Of the style that is drawn for a take where none is asked, 1 as in real music; 0: none."""


class AutoregressiveSampler:
    """Fills windows token by token.

    Args:
        network: in evaluation mode.
        config: of the network; tells which form it is.
        decoding: how.
        style: numbers of `stereo.styles`, NaN where nothing is asked; None for no style.
        prior: what the rest is drawn from.
    """

    def __init__(
        self,
        network: StereoAutoregression | StereoTokens,
        config: StereoAutoregressionConfig,
        decoding: AutoregressiveDecoding | None = None,
        style: Float[Tensor, " style"] | None = None,
        prior: StylePrior | None = None,
    ) -> None:
        decoding = decoding or AutoregressiveDecoding()
        self.style = TakeStyle(style, prior, decoding.style_spread)
        if not self.style.is_asked:
            decoding = replace(decoding, style_guidance=0.0)
        self._form: _FastForm | _PaperForm
        if isinstance(network, StereoAutoregression):
            self._form = _FastForm(network, config, decoding)
        else:
            self._form = _PaperForm(network, config, decoding)
        self.patch, self.stride = self._form.patch, self._form.stride

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
    ) -> None:
        self._network, self._config, self._decoding = network, config, decoding
        self._bands = _BandDraw(network.head, decoding.temperature)
        self.patch, self.stride = config.context_frames, config.stride

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """`TOGETHER` takes at a time."""
        takes = torch.arange(len(window.generators)).split(TOGETHER)
        return torch.cat([self._fill(window, some.tolist()) for some in takes])

    def _fill(self, window: Window, takes: list[int]) -> Integer[Tensor, "some rest bands"]:
        """Of some takes; the last of them is drawn again in every row that is left over."""
        rows = takes + takes[-1:] * (TOGETHER - len(takes))
        generators = [window.generators[take] for take in takes]
        guidance = Guidance(
            self._decoding.guidance, self._decoding.style_guidance, window.styles[rows]
        )
        ways = guidance.ways
        levels = window.levels.expand(ways * TOGETHER, -1, -1)
        known, total = window.known[rows], len(window.levels)
        masked = torch.full((TOGETHER, 1, BANDS), TOKENS)
        heard = torch.cat([masked, known], dim=1)  # tokens before each position of the next step
        count = heard.shape[1]
        memory = None
        if self._config.memory:
            memory = window.memory[rows].repeat(ways, 1, 1)
        past = self._network.new_cache(memory, ways * TOGETHER, total)
        hearing = self._network.encode(levels, guidance.deaf)
        made: list[Tensor] = []
        for position in range(count - 1, total):
            hidden = self._network.step(
                past,
                levels[:, position + 1 - count : position + 1],
                heard.repeat(ways, 1, 1),
                guidance.deaf,
                style=guidance.styles if self._config.style_dim else None,
            )[:, -1].unflatten(0, (ways, TOGETHER))
            noise = [gumbel_noise((BANDS, TOKENS), generator) for generator in generators]
            noise += noise[-1:] * (TOGETHER - len(noise))
            tiles = None if hearing is None else hearing[:, position].unflatten(0, (ways, TOGETHER))
            made.append(
                self._bands(hidden, tiles, heard[:, -1], torch.stack(noise, dim=1), guidance)
            )
            heard, count = made[-1][:, None], 1
        return torch.stack(made, dim=1)[: len(takes)]


class _BandDraw:
    """The head of the fast form, `BandwiseHead`, unrolled: scores and a draw, band after band.

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
        hidden: Float[Tensor, "ways takes hidden"],
        tiles: Float[Tensor, "ways takes bands width"] | None,
        earlier: Integer[Tensor, "takes bands"],
        noise: Float[Tensor, "bands takes classes"],
        guidance: Guidance,
    ) -> Integer[Tensor, "takes bands"]:
        """Tokens of one position.

        Args:
            hidden: what the transformer says of it, with the sound and perhaps without.
            tiles: what each tile hears, the same ways.
            earlier: tokens of the position before, or the mask.
            noise: Gumbel's, which decides the draw.
            guidance: how the ways are put together.
        """
        head = self._head
        known = (head.band_embedding + self._earlier[earlier]).transpose(0, 1)
        frames = known[:, None] + head.proj(hidden)
        if tiles is not None:
            frames = frames + tiles.movedim(2, 0)
        # A score divided by τ plus noise is highest where the score plus τ times the noise is.
        offsets = head.out_bias[:, None] + self._temperature * noise
        lower = torch.zeros(len(earlier), head.proj.out_features)
        heard = self._below[TOKENS].expand_as(lower)
        drawn = []
        for frame, offset, embeddings in zip(frames, offsets, self._lower, strict=True):
            x = frame + heard
            x = head.norm_out(x + head.mlp(head.norm(x)))
            scores = torch.addmm(offset, guidance.together(x), self._shared)
            drawn.append(scores.argmax(dim=-1))
            lower = lower + embeddings[drawn[-1]]
            heard = lower + self._below[drawn[-1]]
        return torch.stack(drawn, dim=1)


def _embeddings(embedding: TokenEmbedding, bands: int) -> Float[Tensor, "bands tokens width"]:
    """Of every token in every band, the mask last."""
    tokens = torch.arange(TOKENS + 1)[:, None].expand(-1, bands)
    return embedding.table(embedding.rows(tokens)).sum(dim=-2).transpose(0, 1).contiguous()


class _PaperForm:
    """One pass of the whole network a token, over the last positions.

    The network learns to tell the last of `config.context_frames` positions alone, so that a window is made
    as long as will give each of its positions all of those before; a signal begins after silence.
    """

    def __init__(
        self,
        network: StereoTokens,
        config: StereoAutoregressionConfig,
        decoding: AutoregressiveDecoding,
    ) -> None:
        self._network, self._config, self._decoding = network, config, decoding
        self._before = config.context_frames - 1  # positions that a token is told by
        self.patch, self.stride = 2 * self._before, config.stride

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """Take by take."""
        each = zip(window.known, window.memory, window.styles, window.generators, strict=True)
        return torch.stack([self._fill(window.levels, *take) for take in each])

    def _fill(
        self,
        levels: Float[Tensor, "positions levels"],
        known: Integer[Tensor, "known bands"],
        memory: Float[Tensor, "stretches numbers"],
        style: Float[Tensor, " style"],
        generator: torch.Generator,
    ) -> Integer[Tensor, "rest bands"]:
        guidance = Guidance(self._decoding.guidance, self._decoding.style_guidance, style[None])
        rest, missing = len(levels) - len(known), max(self._before - len(known), 0)
        silence = torch.full((missing, levels.shape[1]), MIN_LEVEL_DB)
        levels = torch.cat([silence, levels])
        tokens = torch.cat(
            [
                torch.full((missing, BANDS), SILENT),
                known.long(),
                torch.full((rest, BANDS), TOKENS),
            ]
        )
        for position in range(len(tokens) - rest, len(tokens)):
            heard = slice(position - self._before, position + 1)
            noise = self._decoding.temperature * gumbel_noise((BANDS, TOKENS), generator)
            for band in range(BANDS):
                scores = self._scores(levels[heard], tokens[heard], memory, guidance)[band]
                tokens[position, band] = (scores + noise[band]).argmax()
        return tokens[-rest:]

    def _scores(
        self, levels: Tensor, tokens: Tensor, memory: Tensor, guidance: Guidance
    ) -> Float[Tensor, "bands classes"]:
        """Of the last position, guided."""
        ways = guidance.ways
        scores = self._network(
            levels.expand(ways, -1, -1),
            tokens.expand(ways, -1, -1),
            guidance.deaf,
            style=guidance.styles if self._config.style_dim else None,
            memory=memory.expand(ways, -1, -1) if self._config.memory else None,
            first_frame=self._before,
        )
        return guidance.together(scores[:, 0])


def load_autoregressive(
    source: str = FAMILY,
    style: Float[Tensor, " style"] | None = None,
    *,
    decoding: AutoregressiveDecoding | None = None,
) -> PatchPredictor:
    """The predictor of `autoregressive`.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    model, prior = load_generative(source, StereoAutoregressionConfig)
    sampler = AutoregressiveSampler(model.network, model.config, decoding, style, prior)
    return PatchPredictor(sampler)
