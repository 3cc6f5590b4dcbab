"""FLAN-T5, the text encoder of the paper: frozen, its last hidden states are the text τ (§III.B).

The encoder of google/flan-t5-large has 341 million parameters and vectors of 1024. It is read from
a local folder, or from the hub of Hugging Face: "hub:google/flan-t5-large". Nothing is downloaded
unless the name begins with "hub:", and only safetensors are read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from soundstage.errors import OptionError, WeightsError, missing_extra, quoted, reason

HUB = "hub:"
MAX_BATCH = 64  # prompts a pass


class FlanT5:
    """An encoder with its tokenizer.

    Args:
        source: folder of a T5 in the layout of transformers, or "hub:OWNER/NAME".
        max_tokens: prompts are padded or cut to this length.
        device: of the encoder.

    Raises:
        OptionError: transformers is not installed, or there is no such folder.
        WeightsError: the folder or the name holds no such model.
    """

    def __init__(self, source: str, max_tokens: int, device: torch.device | str = "cpu") -> None:
        try:
            from transformers import AutoTokenizer, T5EncoderModel
        except ModuleNotFoundError as error:
            raise missing_extra("generate", "transformers", "FLAN-T5") from error
        name, online = source.removeprefix(HUB), source.startswith(HUB)
        if not online and not Path(name).is_dir():
            raise OptionError(
                f"{source}: there is no such folder; for a model on the hub write hub:OWNER/NAME."
            )
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name, local_files_only=not online)
            encoder: Any = T5EncoderModel.from_pretrained(
                name, local_files_only=not online, use_safetensors=True
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise WeightsError(
                f"{quoted(source)} cannot be read as a T5 ({reason(error)})."
            ) from error
        self._encoder = encoder.to(device).eval().requires_grad_(False)
        self._max_tokens, self._device = max_tokens, device

    @property
    def dim(self) -> int:
        """Of a vector."""
        return int(self._encoder.config.d_model)

    @torch.no_grad()
    def __call__(
        self, prompts: Sequence[str]
    ) -> tuple[Float[Tensor, "prompts tokens dim"], Bool[Tensor, "prompts tokens"]]:
        """τ, and which tokens are not padding; an empty prompt is its end mark alone."""
        parts = []
        for first in range(0, len(prompts), MAX_BATCH):
            tokens = self._tokenizer(
                list(prompts[first : first + MAX_BATCH]),
                padding="max_length",
                truncation=True,
                max_length=self._max_tokens,
                return_tensors="pt",
            ).to(self._device)
            ids, mask = tokens["input_ids"], tokens["attention_mask"]
            hidden = self._encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            parts.append((hidden.float(), mask.bool()))
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
