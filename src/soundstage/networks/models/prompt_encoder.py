"""The small built-in text encoder: words of a prompt, embedded together with the model.

A prompt of the form "EVENT: dog & LOCATION: DOA 90" (DualSpec, Fig. 4) is a short list of words
from a small vocabulary: classes of events and about sixty words of directions. So each word and
each position has a learned vector, and a small transformer relates them ("right rear" is neither
right nor rear):

    τ = transformer(E(words) + P(positions)) ∈ R^(L × d)

The paper freezes FLAN-T5-Large for τ (§III.B), which reads any sentence and takes 1.4 GB
(`scene/dualspec/flan_t5.py`). The first token starts every prompt; an empty prompt is this token
alone, the condition ∅ of classifier-free guidance (Eq. 16).
"""

import re
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

PAD, START, UNKNOWN = 0, 1, 2
SPECIAL = 3  # ids that are no words
HEADS = 4
WORDS = re.compile(r"[a-z]+|[0-9]+")


def words_of(prompt: str) -> list[str]:
    """Words and numbers of a prompt in lower case, without punctuation.

    >>> words_of("EVENT: clock_tick & LOCATION: 12 o' clock direction")
    ['event', 'clock', 'tick', 'location', '12', 'o', 'clock', 'direction']
    """
    return WORDS.findall(prompt.lower())


def vocabulary_of(prompts: Iterable[str]) -> tuple[str, ...]:
    """The words of prompts, each once, sorted."""
    return tuple(sorted({word for prompt in prompts for word in words_of(prompt)}))


class PromptEncoder(nn.Module):
    """Vectors of the words of prompts.

    Args:
        vocabulary: known words; others share one vector.
        dim: d of a vector, a multiple of `HEADS`.
        max_tokens: L; further words of a prompt are dropped.
    """

    def __init__(self, vocabulary: Sequence[str], dim: int, max_tokens: int) -> None:
        super().__init__()
        self.max_tokens = max_tokens
        self._ids = {word: SPECIAL + index for index, word in enumerate(vocabulary)}
        self.words = nn.Embedding(SPECIAL + len(vocabulary), dim)
        self.positions = nn.Parameter(torch.zeros(max_tokens, dim))
        self.block = nn.TransformerEncoderLayer(
            dim, HEADS, 2 * dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        nn.init.normal_(self.words.weight, std=0.5)
        nn.init.normal_(self.positions, std=0.1)

    def token_ids(self, prompts: Sequence[str]) -> Int64[Tensor, "prompts tokens"]:
        """Ids of the words of prompts, padded to `max_tokens`."""
        ids = torch.full((len(prompts), self.max_tokens), PAD)
        for row, prompt in zip(ids, prompts, strict=True):
            known = [START, *(self._ids.get(word, UNKNOWN) for word in words_of(prompt))]
            known = known[: self.max_tokens]
            row[: len(known)] = torch.tensor(known)
        return ids

    def forward(
        self, ids: Int64[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch tokens dim"], Bool[Tensor, "batch tokens"]]:
        """τ, and which tokens are not padding."""
        used = ids != PAD
        # An additive mask: torch's fast path for boolean ones returns another result per batch
        mask = torch.zeros(used.shape, device=ids.device).masked_fill(~used, float("-inf"))
        hidden = self.words(ids) + self.positions[: ids.shape[1]]
        return self.block(hidden, src_key_padding_mask=mask.to(hidden.dtype)), used
