"""Systems of the benchmark of DualSpec: each makes binaural clips for test prompts.

Every clip is 5.1 s at 16 kHz. Generators get a prompt in the paper's template. `library + hrtf` is
`soundstage.generate` with recordings of the built-in library, `mono + hrtf` a generated sound,
convolved with the head's responses of the azimuth; `true binaural` does so with recordings of the
test fold that are not in the reference. The autoencoders get the reference clip of a prompt and
return its reconstruction.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora.events import event_clips
from soundstage.corpora.spatial_events import (
    AZIMUTHS,
    RATE,
    event_sound,
    five_seconds,
    horizontal_hrirs,
    spatialize,
)
from soundstage.evaluation.spatial_generation import SpatialPrompt
from soundstage.networks.models.spectrogram_vae import SpectrogramVAEConfig
from soundstage.scene.api import GenerateOptions, SceneGenerator
from soundstage.scene.dualspec.assembly import reconstructed
from soundstage.scene.dualspec.model import DualSpec, load_dualspec
from soundstage.scene.dualspec.prompts import prompt_for
from soundstage.scene.dualspec.sampling import SamplingOptions
from soundstage.scene.sources.library import built_in_recordings
from soundstage.scene.vocoders import load_vocoder
from soundstage.spectra.dual_spectra import N_SAMPLES, log_mel, spectrogram
from soundstage.weights import list_models
from soundstage.weights.model import load_model

VARIANTS = ("mel-base", "stft-base", "dualspec", "dualspec-d", "dualspec-p")
VAES = ("mel-vae", "mono-mel-vae", "stft-vae", "dual-vae")
VOCODER = "vocoder alone"
MONO, LIBRARY, TRUE = "mono + hrtf", "library + hrtf", "true binaural"
REFERENCE = "reference"
HEAD = "kemar"
PEAK = 0.5  # of a mono sound before the head's responses; the level that models are trained at

Clips = Float[Tensor, "clips 2 samples"]
System = Callable[[Sequence[SpatialPrompt]], Clips]


def make_system(name: str, data: Path, fold: int, sampling: SamplingOptions) -> System:
    """A system by its name.

    Args:
        name: one of the names above.
        data: collection of events.
        fold: of the recordings.
        sampling: settings of the generators.
    """
    if name in (REFERENCE, TRUE):
        return partial(_recorded, data, fold, 0 if name == REFERENCE else 1)
    if name == LIBRARY:
        return _library
    if name == MONO:
        return partial(_placed, variant("mono-mel"), sampling)
    if name in VAES or name == VOCODER:
        return partial(_rebuilt, name, partial(_recorded, data, fold, 0))
    return partial(_generated, variant(name), sampling)


def has_weights(name: str) -> bool:
    """Whether the weights of a system are in the package."""
    needed = {VOCODER: "vocoder", MONO: "mono-mel", **{each: each for each in (*VARIANTS, *VAES)}}
    return name not in needed or needed[name] in list_models()


def covers(name: str, label: str) -> bool:
    """Whether a system has an event: the built-in library lacks one of the 50 classes."""
    if name != LIBRARY:
        return True
    return any(label in recording.labels for recording in built_in_recordings())


def needed_weights(name: str) -> tuple[str, ...]:
    """Names of the weights that a system is made of."""
    if name in VARIANTS or name == MONO:
        model = "mono-mel" if name == MONO else name
        return (model, *variant(model).config.vaes, "vocoder")
    if name in VAES or name == VOCODER:
        return (name, "vocoder") if name in VAES else ("vocoder",)
    return ()


@cache
def variant(name: str) -> DualSpec:
    """A generator with its networks."""
    return load_dualspec(name)


@cache
def head_responses() -> Float[Tensor, "12 2 taps"]:
    """Responses of the head at all azimuths."""
    return horizontal_hrirs(HEAD)


@cache
def recordings(data: Path, fold: int) -> dict[str, list[Float[Tensor, " samples"]]]:
    """The sounds of a fold by label, five seconds each with a peak of 0.5."""
    sounds: dict[str, list[Tensor]] = {}
    for clip in event_clips(data):
        sound = event_sound(clip) if clip.fold == fold else None
        if sound is not None and bool(sound.abs().max() > 0):
            part = five_seconds(sound)
            sounds.setdefault(clip.label, []).append(PEAK * part / part.abs().max())
    return sounds


def _recorded(data: Path, fold: int, half: int, prompts: Sequence[SpatialPrompt]) -> Clips:
    """Every second recording of a class, the next one for every second azimuth."""
    chosen = []
    for prompt in prompts:
        sounds = recordings(data, fold)[prompt.label][half::2]
        chosen.append(sounds[AZIMUTHS.index(prompt.azimuth) // 2 % len(sounds)])
    return _at_azimuths(torch.stack(chosen), prompts)


@cache
def library(rate: int = RATE) -> SceneGenerator:
    """The generator of scenes from recordings."""
    return SceneGenerator(GenerateOptions(source="library", rate=rate))


def _library(prompts: Sequence[SpatialPrompt]) -> Clips:
    scenes = [library().compose(prompt.text, seed=prompt.seed) for prompt in prompts]
    sounds = [torch.tensor(library().render(scene).samples) for scene in scenes]
    return torch.stack([_of_length(sound.float()) for sound in sounds])


def _placed(model: DualSpec, sampling: SamplingOptions, prompts: Sequence[SpatialPrompt]) -> Clips:
    events = [prompt_for(prompt.label) for prompt in prompts]
    seeds = [prompt.seed for prompt in prompts]
    sounds = model.generate_prompts(events, seeds=seeds, options=sampling)
    return _at_azimuths(sounds[:, 0], prompts)


def _generated(
    model: DualSpec, sampling: SamplingOptions, prompts: Sequence[SpatialPrompt]
) -> Clips:
    return model.generate_prompts(
        [prompt.text for prompt in prompts],
        seeds=[prompt.seed for prompt in prompts],
        options=sampling,
    )


def _at_azimuths(sounds: Float[Tensor, "clips samples"], prompts: Sequence[SpatialPrompt]) -> Clips:
    responses = head_responses()[[AZIMUTHS.index(prompt.azimuth) for prompt in prompts]]
    return spatialize(_of_length(sounds), responses)


def _of_length(sound: Float[Tensor, "*channels samples"]) -> Float[Tensor, "*channels 81664"]:
    return torch.nn.functional.pad(sound[..., :N_SAMPLES], (0, max(N_SAMPLES - sound.shape[-1], 0)))


@torch.inference_mode()
def _rebuilt(name: str, recorded: System, prompts: Sequence[SpatialPrompt]) -> Clips:
    """True clips through an autoencoder and back, or through log-mel bands and the vocoder."""
    sounds = recorded(prompts)
    vocoder = load_vocoder()
    if name == VOCODER:
        mel = log_mel(spectrogram(sounds.flatten(0, 1)))
        return vocoder.sound(mel).unflatten(0, sounds.shape[:2])
    return reconstructed(sounds, load_model(name, SpectrogramVAEConfig).network, vocoder)
