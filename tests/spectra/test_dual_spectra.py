import math

import pytest
import torch

from soundstage.spectra.dual_spectra import (
    FLOOR,
    INTERAURAL_CHANNELS,
    MELS,
    N_FRAMES,
    N_SAMPLES,
    RATE,
    ROWS,
    STFT_CHANNELS,
    consistent_phases,
    from_interaural_features,
    from_stft_features,
    interaural_features,
    inverse_spectrogram,
    log_mel,
    mel_to_magnitude,
    normalized_log,
    spectrogram,
    stft_features,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def two_ears(samples: int = N_SAMPLES) -> torch.Tensor:
    """Noise that reaches the right ear 5 samples later at half the level."""
    left = noise(1, samples)
    return torch.stack([left, 0.5 * left.roll(5, dims=-1)], dim=1)


def without_nyquist(spectrum: torch.Tensor) -> torch.Tensor:
    result = spectrum.clone()
    result[..., -1, :] = 0
    return result


def test_an_example_of_five_seconds_has_the_frames_that_networks_divide():
    assert N_SAMPLES >= 5 * RATE
    assert spectrogram(noise(2, 2, N_SAMPLES)).shape == (2, 2, 257, N_FRAMES)


@pytest.mark.parametrize("samples", [1, 255, 4096, 80_000])
def test_the_inverse_of_a_spectrogram_returns_the_sound(samples):
    sound = noise(3, samples)
    assert torch.allclose(inverse_spectrogram(spectrogram(sound), samples), sound, atol=1e-6)


def test_a_sine_at_full_scale_has_magnitude_one():
    sine = torch.sin(2 * math.pi * 1000 * torch.arange(8192) / RATE)
    assert spectrogram(sine).abs().amax().item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("forward", "inverse", "channels"),
    [
        (stft_features, from_stft_features, STFT_CHANNELS),
        (interaural_features, from_interaural_features, INTERAURAL_CHANNELS),
    ],
)
def test_features_of_two_ears_are_inverted(forward, inverse, channels):
    spectrum = spectrogram(two_ears())
    features = forward(spectrum)
    assert features.shape == (1, channels, ROWS, N_FRAMES)
    assert torch.allclose(inverse(features), without_nyquist(spectrum), atol=3e-5)


def test_the_transfer_between_the_ears_is_in_channels_of_its_own():
    features = interaural_features(spectrogram(two_ears()))[0, :, :, 5:-5]
    expected = -2 * math.pi * 5 * torch.arange(ROWS) / 512  # 5 samples, in radians for every bin
    assert torch.allclose(features[3].mean(dim=1)[8:], expected.cos()[8:], atol=0.1)
    assert torch.allclose(features[4].mean(dim=1)[8:], expected.sin()[8:], atol=0.1)
    assert features[5].median().item() == pytest.approx(math.log(0.5), abs=0.02)


def test_interaural_phases_may_have_any_magnitude():
    features = interaural_features(spectrogram(two_ears()))
    scaled = features * torch.tensor([1, 0.2, 0.2, 3, 3, 1.0])[:, None, None]
    original = from_interaural_features(features)
    assert torch.allclose(from_interaural_features(scaled), original, atol=1e-6)


def test_silence_is_finite_and_stays_silent():
    spectrum = spectrogram(torch.zeros(1, 2, 4096))
    assert log_mel(spectrum).isfinite().all()
    for features, inverse in (
        (stft_features(spectrum), from_stft_features),
        (interaural_features(spectrum), from_interaural_features),
    ):
        assert features.isfinite().all()
        assert inverse(features).abs().max() <= FLOOR


def test_features_of_events_are_about_normalized():
    envelope = torch.exp(-torch.arange(N_SAMPLES) / RATE)
    sound = 0.5 * envelope * noise(1, N_SAMPLES)
    spectrum = spectrogram(torch.stack([sound, sound], dim=1))
    for features in (log_mel(spectrum), stft_features(spectrum)):
        assert abs(features.mean().item()) < 1.5
        assert 0.2 < features.std().item() < 2


def test_magnitudes_from_mel_bands_have_these_mel_bands():
    mel = log_mel(spectrogram(noise(2, 8192)))
    magnitude = mel_to_magnitude(mel)
    assert magnitude.shape == (2, 257, 33)
    assert magnitude.min() >= 0
    assert (log_mel(magnitude.to(torch.complex64)) - mel).abs().mean() < 0.02


def test_bands_cover_every_bin_but_the_first_and_last():
    impulse = torch.zeros(257, 257, dtype=torch.complex64)
    impulse.fill_diagonal_(1.0)
    bands = log_mel(impulse[..., None].expand(-1, -1, 1))
    assert bands.shape[-2] == MELS
    silent = (bands.amax(dim=(1, 2)) <= normalized_log(torch.tensor(FLOOR)) + 1e-6).nonzero()
    assert silent.flatten().tolist() == [0, 256]


def test_gradients_of_inverse_features_are_finite():
    features = interaural_features(spectrogram(two_ears(4096)))
    features[:, 1:5] = 0  # phases without magnitude
    for inverse, values in (
        (from_interaural_features, features),
        (from_stft_features, torch.zeros(1, 4, ROWS, 3)),
    ):
        values = values.requires_grad_()
        inverse(values).abs().square().sum().backward()
        assert values.grad.isfinite().all()


def test_consistent_phases_reduce_the_error_of_magnitudes_and_keep_the_relation_of_the_ears():
    spectrum = without_nyquist(spectrogram(two_ears(31 * 256)))
    generator = torch.Generator().manual_seed(3)
    turn = 2 * math.pi * torch.rand(spectrum[:, :1].shape, generator=generator)
    scrambled = torch.polar(spectrum.abs(), spectrum.angle() + turn)

    def error(phases: torch.Tensor) -> float:
        sound = inverse_spectrogram(phases, 31 * 256)
        return (spectrogram(sound).abs() - spectrum.abs()).square().mean().sqrt().item()

    refined = consistent_phases(scrambled)
    assert error(refined) < 0.4 * error(scrambled)
    assert torch.allclose(refined.abs(), spectrum.abs(), atol=1e-6)
    cross, true_cross = (each[:, 0] * each[:, 1].conj() for each in (refined, spectrum))
    assert torch.allclose(cross, true_cross, atol=1e-6)


def test_silence_has_no_phase_to_refine():
    silence = torch.zeros(1, 2, 257, 5, dtype=torch.complex64)
    assert not consistent_phases(silence).abs().any()
