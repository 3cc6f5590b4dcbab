import pytest
import torch

from making_dualspec import SHAPES, VAES
from soundstage.networks.models.latent_unet import LATENTS, VAE_KINDS
from soundstage.scene.dualspec.assembly import merged, reconstructed, sound_of_latents
from soundstage.spectra.dual_spectra import N_SAMPLES, spectrogram


class Tones:
    """A vocoder: a tone whose level is that of its mel bands."""

    def sound(self, log_mel):
        time = torch.arange(N_SAMPLES) / 16_000
        level = (0.3 * log_mel.mean(dim=(1, 2))).exp()[:, None]
        return 0.1 * level * torch.sin(2 * torch.pi * 500 * time)


def spectra(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 2, 257, 20, generator=generator, dtype=torch.complex64)


def interaural(spectrum):
    return (spectrum[:, 1] * spectrum[:, 0].conj()).angle()


def vaes(variant):
    torch.manual_seed(0)
    return {kind: VAES[VAE_KINDS[kind]].build().eval() for kind in LATENTS[variant]}


@torch.no_grad()
@pytest.mark.parametrize("variant", sorted(LATENTS))
def test_every_variant_has_a_sound(variant):
    latents = {kind: torch.randn(2, *SHAPES[kind]) for kind in LATENTS[variant]}
    sound = sound_of_latents(latents, vaes(variant), Tones())
    assert sound.shape == (2, 1 if variant == "mono-mel" else 2, N_SAMPLES)
    assert torch.isfinite(sound).all()
    assert (sound.std(dim=-1) > 0).all()


def test_magnitudes_are_those_of_the_vocoder_and_the_interaural_phase_is_that_of_the_spectra():
    vocoded, spectrum = spectra(0), spectra(1)
    result = merged(vocoded, spectrum, "interaural")
    assert torch.allclose(result.abs(), vocoded.abs(), atol=1e-5)
    turn = torch.polar(torch.ones(1, 257, 20), interaural(result) - interaural(spectrum))
    assert torch.allclose(turn, torch.ones(()).to(turn), atol=1e-3)
    assert torch.allclose(result[:, 0], vocoded[:, 0])  # the left ear is that of the vocoder


def test_the_paper_takes_both_phases_of_the_spectra():
    vocoded, spectrum = spectra(0), spectra(1)
    result = merged(vocoded, spectrum, "stft")
    assert torch.allclose(result.abs(), vocoded.abs(), atol=1e-5)
    assert torch.allclose(result / result.abs(), spectrum / spectrum.abs(), atol=1e-3)


@torch.no_grad()
def test_ears_of_dualspec_p_are_the_left_then_the_right():
    latents = {kind: torch.zeros(1, *SHAPES[kind]) for kind in LATENTS["dualspec-p"]}
    latents["ears"][:, 1] = 3.0  # only the right ear
    networks = vaes("dualspec-p")
    sound = sound_of_latents(latents, networks, Tones())
    same = sound_of_latents({**latents, "ears": 0 * latents["ears"]}, networks, Tones())
    changed = (spectrogram(sound).abs() - spectrogram(same).abs()).abs().amax(dim=(2, 3))[0]
    assert changed[1] > 10 * changed[0]


@torch.no_grad()
@pytest.mark.parametrize("kind", sorted(VAES))
def test_reconstructions_have_the_shape_of_the_sound(kind):
    sound = 0.1 * torch.randn(2, 2, 40_000)
    assert reconstructed(sound, VAES[kind].build().eval(), Tones()).shape == sound.shape
