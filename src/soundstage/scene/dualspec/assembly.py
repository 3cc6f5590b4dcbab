"""Sound from latents: VAE decoders, vocoder, and the merging of two spectrograms.

Mel bands become a sound by the vocoder, each ear by itself. Where there are spectra too, the sound
of the vocoder gives the magnitudes and the spectra give the phase (DualSpec, Fig. 1), and the
inverse STFT the result:

    S_e = |V_e|·exp(j∠P_e),    ear e, V of the vocoder, P of the STFT-VAE

A latent of 32:1 keeps no absolute phase of noise, so that P has the right relation of the ears and
a phase of its own that fits no magnitude. By default the left ear keeps the phase of the vocoder,
which fits its magnitudes, and P gives the phase of the right relative to it:

    S_l = V_l,    S_r = |V_r|·exp(j(∠V_l + ∠P_r − ∠P_l))

For spectra without mel bands, the phases of both ears are turned together until they fit from frame
to frame (`consistent_phases`). `phase="stft"` is the paper's way, with ∠P as it is.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.networks.models.latent_unet import Latent
from soundstage.networks.models.spectrogram_vae import SpectrogramVAE
from soundstage.scene.vocoders import MelVocoder
from soundstage.spectra.dual_spectra import (
    N_SAMPLES,
    consistent_phases,
    inverse_spectrogram,
    spectrogram,
)

Phase = Literal["interaural", "stft"]


def sound_of_latents(
    latents: Mapping[Latent, Float[Tensor, "batch _ _ _"]],
    vaes: Mapping[Latent, SpectrogramVAE],
    vocoder: MelVocoder,
    *,
    phase: Phase = "interaural",
) -> Float[Tensor, "batch ears samples"]:
    """Sound of the latents of a variant, `N_SAMPLES` long.

    Args:
        latents: by kind.
        vaes: of each kind.
        vocoder: for mel bands.
        phase: of spectra; "stft" is the paper's.
    """
    mel: Tensor | None = None
    spectrum: Tensor | None = None
    for kind, latent in latents.items():
        vae = vaes[kind]
        if kind in ("stft", "dual"):
            spectrum = vae.spectrum(vae.decode(latent))
        elif kind == "ears":
            mel = vae.mel(vae.decode(latent.unflatten(1, (2, -1)).flatten(0, 1)))
            mel = mel[:, 0].unflatten(0, (-1, 2))
        else:
            mel = vae.mel(vae.decode(latent))
    if mel is None:
        assert spectrum is not None
        if phase == "interaural":
            spectrum = consistent_phases(spectrum)
        return inverse_spectrogram(spectrum, N_SAMPLES)
    sound = vocoder.sound(mel.flatten(0, 1)).unflatten(0, mel.shape[:2])
    if spectrum is None:
        return sound
    return inverse_spectrogram(merged(spectrogram(sound), spectrum, phase), N_SAMPLES)


def merged(
    vocoded: Complex[Tensor, "batch 2 bins frames"],
    spectrum: Complex[Tensor, "batch 2 bins frames"],
    phase: Phase,
) -> Complex[Tensor, "batch 2 bins frames"]:
    """Magnitudes of the first with the phase of the second, or with its interaural phase."""
    if phase == "stft":
        return torch.polar(vocoded.abs(), spectrum.angle())
    left, right = vocoded.unbind(dim=1)
    difference = (spectrum[:, 1] * spectrum[:, 0].conj()).angle()
    return torch.stack([left, torch.polar(right.abs(), left.angle() + difference)], dim=1)


def reconstructed(
    sound: Float[Tensor, "batch ears samples"], vae: SpectrogramVAE, vocoder: MelVocoder
) -> Float[Tensor, "batch ears samples"]:
    """A sound through one VAE and back, for its evaluation (DualSpec, Table I).

    Args:
        sound: at 16 kHz; zero-padded or cut to `N_SAMPLES`.
        vae: of any kind; `mono-mel` takes each ear by itself.
        vocoder: for mel bands.
    """
    length = sound.shape[-1]
    padded = torch.nn.functional.pad(sound, (0, N_SAMPLES - length))
    by_ear = vae.config.n_ears == 1
    spectrum = spectrogram(padded.flatten(0, 1)[:, None] if by_ear else padded)
    latent = vae.encode(vae.features(spectrum)).mean
    kind: Latent = "mono" if by_ear else "dual" if vae.config.spectral_channels else "mel"
    whole = sound_of_latents({kind: latent}, {kind: vae}, vocoder)
    return whole.reshape(len(sound), -1, N_SAMPLES)[..., :length]
