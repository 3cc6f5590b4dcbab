"""Latents of binaural events, encoded once and kept in the user's cache.

Every clip is placed at 12 azimuths and encoded by the VAEs of a variant (`networks/models/
latent_unet.py`), a few times with other starts. A training reads them many times, and variants
share them: the mel latents of `dualspec` are those of `mel-base`. So each kind of latent is a file
in `cache_folder()`, named by everything that it depends on: clips, starts, HRTF set and VAE.

The level is that of the VAEs' training: each clip has a peak of −6 dB before its head-related
responses.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Float16
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.cache_folder import cache_folder
from soundstage.corpora.spatial_events import AZIMUTHS, RATE, horizontal_hrirs, spatialize
from soundstage.errors import WeightsError
from soundstage.networks.models.latent_unet import VAE_KINDS, Latent
from soundstage.networks.models.spectrogram_vae import SpectrogramVAEConfig
from soundstage.seeding import seeded_generator
from soundstage.spectra.dual_spectra import N_SAMPLES, spectrogram
from soundstage.training.data.event_batches import Sound
from soundstage.weights.model import LoadedModel, load_model, load_weights, save_weights

FAMILY = "latents"
PEAK = 0.5  # of a clip before its responses, as in the training of the VAEs
MAX_START = RATE  # samples: a take begins up to a second into its clip
MIN_LENGTH = RATE  # samples that are left from there on

ClipLatents = Float16[Tensor, "clips takes azimuths channels rows frames"]


def clip_latents(
    kind: Latent, vae: str, sounds: Sequence[Sound], *, takes: int, hrtf: str, digest: str
) -> ClipLatents:
    """Latents of clips, from the cache or encoded now.

    Args:
        kind: of the latent.
        vae: weights of its VAE, a name or a path.
        sounds: clips at 16 kHz.
        takes: versions of each clip; the first begins at its start.
        hrtf: HRTF set, see `horizontal_hrirs`; "mono" has one direction and no responses.
        digest: of the weights.

    Raises:
        WeightsError: the VAE is missing, or of another kind.
        InputError: the HRTF set cannot be read.
        OutputError: the cache cannot be written.
    """
    path = cache_folder() / FAMILY / f"{kind}-{_key(kind, sounds, takes, hrtf, digest)}.safetensors"
    if path.is_file():
        try:
            return load_weights(path, FAMILY).tensors["latents"]
        except (WeightsError, KeyError):
            path.unlink(missing_ok=True)  # damaged: it is made again
    model = load_vae(kind, vae)
    hrirs = None if kind == "mono" else horizontal_hrirs(hrtf)
    encoded = [
        torch.stack([encode(kind, model, take, hrirs) for take in takes_of(sound, takes, index)])
        for index, sound in enumerate(sounds)
    ]
    latents = torch.stack(encoded)
    save_weights(path, FAMILY, {"latents": latents})
    return latents


def load_vae(kind: Latent, source: str) -> LoadedModel[SpectrogramVAEConfig]:
    """The VAE of a kind of latent.

    Raises:
        WeightsError: it is missing, or of another kind.
    """
    model = load_model(source, SpectrogramVAEConfig)
    if model.config.kind != VAE_KINDS[kind]:
        raise WeightsError(
            f"{model.source}: this is the VAE {model.config.kind!r}; latents {kind!r} need "
            f"{VAE_KINDS[kind]!r}."
        )
    return model


def takes_of(sound: Sound, takes: int, index: int) -> Iterator[Float[Tensor, " N_SAMPLES"]]:
    """Versions of a clip, cut or zero-padded to an example: the first whole, others from later on.

    Args:
        sound: the clip.
        takes: number of versions.
        index: of the clip, which determines the starts.
    """
    generator = seeded_generator(0, index)
    latest = max(min(MAX_START, len(sound) - MIN_LENGTH), 0)
    starts = (torch.rand(takes, generator=generator) * (latest + 1)).long().tolist()
    scaled = sound * (PEAK / sound.abs().max().clamp(min=1e-4))
    for start in [0, *starts[1:]]:
        part = scaled[start : start + N_SAMPLES]
        yield F.pad(part, (0, N_SAMPLES - len(part)))


@torch.no_grad()
def encode(
    kind: Latent,
    model: LoadedModel[SpectrogramVAEConfig],
    sound: Float[Tensor, " samples"],
    hrirs: Float[Tensor, "azimuths 2 taps"] | None,
) -> Float16[Tensor, "azimuths channels rows frames"]:
    """Posterior means of a sound at all azimuths, in half precision.

    Args:
        kind: of the latent.
        model: its VAE.
        sound: mono.
        hrirs: responses of the azimuths; None for a latent without a direction.
    """
    ears = sound[None, None] if hrirs is None else spatialize(sound, hrirs)
    spectrum = spectrogram(ears)
    if kind == "ears":
        spectrum = spectrum.flatten(0, 1)[:, None]
    vae = model.network
    latent = vae.encode(vae.features(spectrum)).mean
    if kind == "ears":
        latent = latent.unflatten(0, (-1, 2)).flatten(1, 2)
    return latent.half()


def _key(kind: Latent, sounds: Sequence[Sound], takes: int, hrtf: str, digest: str) -> str:
    facts = [kind, takes, hrtf if kind != "mono" else "", digest, AZIMUTHS, len(sounds)]
    if Path(hrtf).is_file():
        facts.append(hashlib.sha256(Path(hrtf).read_bytes()).hexdigest())
    whole = hashlib.sha256(json.dumps(facts).encode())
    for sound in sounds:
        whole.update(sound.numpy().tobytes())
    return whole.hexdigest()[:24]
