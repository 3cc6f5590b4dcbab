"""What generative methods share when they draw: generators, tokens, guidance, styles of takes."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from soundstage.seeding import SEED_STRIDE, seeded_generator
from soundstage.stereo.style_prior import STYLE_FEATURES, StylePrior, style_descriptors
from soundstage.upmixing.generative.stage_constraints import StageHold

STYLE_DRAW = SEED_STRIDE - 1  # in place of a window's number, for the style offset


def generator_of(seed: int, window: int) -> torch.Generator:
    """That of a window of a take, so that neither depends on what was made before."""
    return seeded_generator(seed + 1, window)


def gumbel_noise(
    shape: tuple[int, ...] | torch.Size, generator: torch.Generator
) -> Float[Tensor, "*shape"]:
    """Noise whose sum with scores is highest at a class as often as the softmax says."""
    uniform = torch.rand(shape, generator=generator).clamp(min=1e-20)
    return -(-uniform.log()).log()


def draw_tokens(
    scores: Float[Tensor, "*shape classes"], generator: torch.Generator
) -> Integer[Tensor, "*shape"]:
    """A class for each row, by its likelihood (the Gumbel-max trick)."""
    return (scores + gumbel_noise(scores.shape, generator)).argmax(dim=-1)


class TakeStyle:
    """The style of a take: what is asked, and the rest as it is spread over real music.

    What a take leans to is drawn once; what it leans from follows the sound, as a chorus is mixed
    wider than a verse.

    Args:
        asked: numbers of `stereo.styles`, NaN where nothing is asked; None for no style.
        prior: of the music that the network has learned from; None leaves the rest open.
        spread: of what is drawn; 0 leaves it open.
    """

    def __init__(
        self, asked: Float[Tensor, " style"] | None, prior: StylePrior | None, spread: float
    ) -> None:
        nothing = torch.full((len(STYLE_FEATURES),), torch.nan)
        self.is_asked = asked is not None
        """Whether a person asks, so that guidance is worth its pass."""
        self._asked = nothing if asked is None else asked
        self.descriptors = style_descriptors(self._asked)
        """That are asked for; NaN where one is not."""
        self._prior, self._spread = prior, spread

    def leanings(self, seeds: list[int]) -> Float[Tensor, "takes style"]:
        """Where takes lean, from beginning to end; that of seed 0 does not."""
        drawn = [
            torch.randn(len(STYLE_FEATURES), generator=generator_of(seed, STYLE_DRAW))
            for seed in seeds
        ]
        return torch.stack(drawn) * (torch.tensor(seeds) != 0)[:, None]

    def holds(self, takes: int) -> list[StageHold]:
        """What holds each take to the widths and the balance that are asked; empty if none is."""
        if self.descriptors.isnan().all():
            return []
        return [StageHold(self.descriptors) for _ in range(takes)]

    def of(
        self,
        leanings: Float[Tensor, "takes style"],
        levels: Float[Tensor, "positions levels"],
    ) -> Float[Tensor, "takes style"]:
        """Styles of takes where this is heard; open where nothing is drawn."""
        if self._prior is None or not self._spread:
            return self._asked.expand(len(leanings), -1)
        return self._prior.sample(self._asked, leanings, levels, spread=self._spread)


class Guidance:
    """Ways to make one pass, and how their scores are put together.

    With the sound and the style; for γ without either (Serrà et al. 2023, Eq. 4); and for γ_s,
    which is ours, with the sound and without the style, so that a style is also obeyed where it is
    unlikely:

        U = U_with + γ·(U_with − U_deaf) + γ_s·(U_with − U_unstyled)

    Args:
        sound: γ.
        style: γ_s.
        styles: numbers of `stereo.styles` of every take, NaN where one is open.
    """

    def __init__(self, sound: float, style: float, styles: Float[Tensor, "takes style"]) -> None:
        nothing = torch.full_like(styles, torch.nan)
        rows, deaf, self._strengths = [styles], [False], []
        if sound:
            rows, deaf = [*rows, nothing], [*deaf, True]
            self._strengths.append(sound)
        if style and not styles.isnan().all():
            rows, deaf = [*rows, nothing], [*deaf, False]
            self._strengths.append(style)
        self.styles = torch.cat(rows)
        """Of every row of a batch: all takes one way, then all another."""
        self.deaf = torch.tensor(deaf).repeat_interleave(len(styles))
        """Rows that go without the sound."""
        self.ways = len(deaf)
        """How many there are."""

    def together(self, told: Float[Tensor, "ways ..."]) -> Float[Tensor, "..."]:
        """U, out of the scores that each way gave, or out of what is linear in them."""
        whole = told[0]
        for strength, other in zip(self._strengths, told[1:], strict=True):
            whole = whole + strength * (told[0] - other)
        return whole
