"""Text to audio by published latent diffusion models, from a folder in the layout of diffusers.

- Stable Audio Open (Evans et al., Stable Audio Open, 2024): 44.1 kHz stereo, up to 47 s
- AudioLDM 2 (Liu et al., AudioLDM 2, IEEE/ACM TASLP 32, 2024): 16 kHz mono, usually 10 s

The folder is read with safetensors only, and nothing is downloaded. A stereo result is downmixed,
since an HRTF set places a mono sound. The results for one seed are equal on one machine with the
same number of threads. The code was tested with small random networks of both kinds; no published
weights were run.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from soundstage import interruption
from soundstage.errors import OptionError, WeightsError, missing_extra, quoted, reason
from soundstage.parallel import resolve_device
from soundstage.precision import in_single_precision
from soundstage.scene.sources.clip_analysis import active_segment, cut
from soundstage.scene.sources.source import DrySound, SourceOptions
from soundstage.text_files import TextKind, read_json

INDEX = "model_index.json"
INDEX_KIND = TextKind("the index of a model of diffusers", 1 << 20, WeightsError)
DEFAULT_SECONDS = 5.0
SILENT_PEAK = 1e-4  # −80 dB: published models answer some requests with silence


class PipelineKind(NamedTuple):
    """How a pipeline of diffusers is called."""

    title: str
    length_option: str
    max_seconds: float
    steps: int
    guidance: float
    rate_at: str
    """The component with the `sampling_rate` in its config."""


KINDS: Mapping[str, PipelineKind] = {
    "StableAudioPipeline": PipelineKind(
        "Stable Audio Open", "audio_end_in_s", 47.0, 100, 7.0, "vae"
    ),
    "AudioLDM2Pipeline": PipelineKind("AudioLDM 2", "audio_length_in_s", 30.0, 200, 3.5, "vocoder"),
}
"""By class; steps and guidance are the defaults of diffusers."""


@in_single_precision
def load(name: str, options: SourceOptions) -> "DiffusersSource":
    """The model in the folder `options.place`.

    Raises:
        OptionError: diffusers is not installed, or the folder has another kind of model.
        WeightsError: the folder is missing or damaged.
    """
    folder = Path(options.place or "")
    if not (folder / INDEX).is_file():
        raise WeightsError(
            f"{folder} has no {INDEX}: name the folder of a model in the layout of diffusers."
        )
    index = read_json(folder / INDEX, INDEX_KIND)
    class_name = index.get("_class_name") if isinstance(index, dict) else None
    if not isinstance(class_name, str) or class_name not in KINDS:
        raise OptionError(
            f"{folder} has a model of the class {quoted(class_name)}: "
            f"{' and '.join(KINDS)} are supported."
        )
    for library in ("diffusers", "transformers"):
        if find_spec(library) is None:
            raise missing_extra("generate", library, "The source diffusers")
    device = resolve_device(options.device)
    try:
        pipeline_class = getattr(import_module("diffusers"), class_name)
        pipeline = pipeline_class.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=find_spec("accelerate") is not None,
        ).to(device)
    except Exception as error:  # of several libraries, with classes of their own
        raise WeightsError(
            f"The model in {folder} cannot be loaded ({reason(error)}): all of its weights must be "
            "there as safetensors."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return DiffusersSource(name, pipeline, KINDS[class_name], options)


class DiffusersSource:
    """A `SoundSource` of generated sounds.

    Args:
        name: in the registry.
        pipeline: of diffusers.
        kind: how it is called.
        options: steps, guidance and negative prompt.
    """

    def __init__(
        self, name: str, pipeline: Any, kind: PipelineKind, options: SourceOptions
    ) -> None:
        self.name, self.kind = name, kind
        self._pipeline, self._options = pipeline, options

    @in_single_precision
    def sound(self, text: str, *, seconds: float | None, seed: int) -> DrySound:
        """A generated sound, without silence around it.

        Args:
            text: words of the event, the prompt.
            seconds: length to generate; None: 5 s.
            seed: of the take.

        Raises:
            OptionError: the length is beyond that of the model, or the result is silent.
        """
        import torch

        kind, options = self.kind, self._options
        length = DEFAULT_SECONDS if seconds is None else seconds
        if not 0 < length <= kind.max_seconds:
            raise OptionError(
                f"{kind.title} generates up to {kind.max_seconds:g} s, not {length:g} s."
            )
        try:
            result = self._pipeline(
                prompt=text,
                negative_prompt=options.negative_prompt or None,
                num_inference_steps=options.steps or kind.steps,
                guidance_scale=kind.guidance if options.guidance is None else options.guidance,
                generator=torch.Generator("cpu").manual_seed(seed % 2**63),
                callback=_check_interruption,
                output_type="np",
                **{kind.length_option: length},
            )
        except ValueError as error:  # such as a length beyond that of this model
            raise OptionError(
                f"{kind.title} refuses {quoted(text)} of {length:g} s: {reason(error)}."
            ) from error
        rate = int(getattr(self._pipeline, kind.rate_at).config.sampling_rate)
        audio = np.atleast_2d(np.asarray(result.audios[0], np.float32))
        samples = audio.mean(axis=0)[: round(length * rate)]
        peak = float(np.abs(samples).max(initial=0.0))
        if not np.isfinite(peak) or peak < SILENT_PEAK:
            raise OptionError(
                f"{kind.title} generated silence for {quoted(text)}: try other words or a seed."
            )
        samples = samples / max(peak, 1.0)
        samples = cut(samples, active_segment(samples, rate), rate)
        return DrySound(samples, rate, title=kind.title, credit={"title": kind.title}, label=text)


def _check_interruption(step: int, time: int, latents: Any) -> None:
    interruption.check()
