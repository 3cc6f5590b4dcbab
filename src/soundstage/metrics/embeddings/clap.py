"""CLAP as an embedding: contrastive language-audio pretraining.

Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and
keyword-to-caption augmentation" (2023), through the transformers library; only the audio encoder is
loaded. Windows are 10 s every 5 s at 48 kHz, the input length of the network; shorter sound is
padded with silence, not repeated. The embedding is the projected one, normalized to length 1. The
fusion of longer sounds is not used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import WeightsError, missing_extra, quoted, reason
from soundstage.metrics.embeddings.windowing import embed_windows, windows
from soundstage.weights.external import HUB

RATE = 48_000  # Hz
SECONDS = 10
WINDOW = SECONDS * RATE
STEP = WINDOW // 2
FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
AT_ONCE = 4  # windows, so that memory stays under 1 GB


class ClapEmbedding:
    """The audio embedding of a CLAP model.

    Args:
        model: a `transformers.ClapAudioModelWithProjection`.
        extractor: its `transformers.ClapFeatureExtractor`, for 10 s at 48 kHz.
    """

    name = "clap"
    rate = RATE

    def __init__(self, model: Any, extractor: Any) -> None:
        self.size: int = model.config.projection_dim
        self._model = model.eval()
        self._extractor = extractor

    @classmethod
    def load(cls, place: str, *, local_files_only: bool = False) -> "ClapEmbedding":
        """Load from a folder written by transformers, or from hub:OWNER/NAME.

        Args:
            place: a folder or a repository with the three `FILES`.
            local_files_only: do not download.

        Raises:
            OptionError: transformers is not installed.
            WeightsError: a file is missing, damaged, or not of a CLAP model.
        """
        source, local = place.removeprefix(HUB), local_files_only
        if source == place:
            source, local = str(Path(place).expanduser()), True
            absent = [name for name in FILES if not (Path(source) / name).is_file()]
            if absent:
                raise WeightsError(f"{source} has no CLAP model: {absent[0]} is missing.")
        library = _transformers()
        try:
            with _quiet(library, show_progress=not local):
                extractor, config, model, info = _read(library, source, local)
        except Exception as error:  # damaged files and the hub raise errors of many libraries
            hint = "" if local else "; offline, only the cache is used"
            raise WeightsError(
                f"{place}: no CLAP model can be loaded ({reason(error)}){hint}."
            ) from error
        _check(source, extractor, config, info)
        return cls(model, extractor)

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Embeddings of length 1, of windows of 10 s every 5 s of sound at 48 kHz."""
        return embed_windows(self._embed, windows(sound.float(), WINDOW, STEP), AT_ONCE)

    def _embed(self, cut: Float[Tensor, "batch length"]) -> Float[Tensor, "batch size"]:
        features = self._extractor(list(cut.numpy()), sampling_rate=RATE, return_tensors="np")
        spectrograms = torch.from_numpy(np.asarray(features["input_features"], np.float32))
        # explicit: the extractor of the fused variant marks a random sound as longer
        longer = torch.zeros(len(cut), 1, dtype=torch.bool)
        embeds = self._model(input_features=spectrograms, is_longer=longer).audio_embeds
        return F.normalize(embeds, dim=-1)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise missing_extra("embeddings", "transformers", "CLAP") from error
    return transformers


@contextmanager
def _quiet(library: Any, *, show_progress: bool) -> Iterator[None]:
    """Silence the report on the text encoder, which is not loaded; errors are still raised."""
    log = library.utils.logging
    verbosity, had_progress = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    if not show_progress:
        log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if had_progress:
            log.enable_progress_bar()


def _read(library: Any, source: str, local: bool) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Extractor, settings, model, and the loading report."""
    extractor = library.ClapFeatureExtractor.from_pretrained(source, local_files_only=local)
    config = library.ClapConfig.from_pretrained(source, local_files_only=local).audio_config
    model, info = library.ClapAudioModelWithProjection.from_pretrained(
        source,
        config=config,
        local_files_only=local,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # reported, and refused by `_check`
    )
    return extractor, config, model, info


def _check(source: str, extractor: Any, config: Any, info: dict[str, Any]) -> None:
    """Raise `WeightsError` where transformers would continue with random weights."""
    wrong = sorted([*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])])
    if wrong:
        raise WeightsError(
            f"{source}: tensors are missing or have another shape, such as {quoted(wrong[0])}."
        )
    if (extractor.sampling_rate, extractor.nb_max_samples) != (RATE, WINDOW):
        raise WeightsError(f"{source}: this CLAP model does not take {SECONDS} s at {RATE} Hz.")
    if (extractor.truncation == "fusion") != bool(config.enable_fusion):
        raise WeightsError(
            f"{source}: config.json and preprocessor_config.json disagree on feature fusion."
        )
