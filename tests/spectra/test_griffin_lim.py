import torch

from soundstage.spectra.griffin_lim import griffin_lim

HOP, SIZE, SAMPLES = 128, 512, 8192
WINDOW = torch.hann_window(SIZE)


def magnitudes(sound):
    return torch.stft(
        sound, SIZE, HOP, window=WINDOW, pad_mode="constant", return_complex=True
    ).abs()


def chirp():
    time = torch.arange(SAMPLES) / 16_000
    return 0.3 * torch.sin(2 * torch.pi * (400 + 1000 * time) * time)[None]


def inconsistency(iterations):
    wanted = magnitudes(chirp())
    made = magnitudes(griffin_lim(wanted, HOP, SAMPLES, iterations=iterations))
    return float((made - wanted).norm() / wanted.norm())


def test_iterations_bring_the_magnitudes_near_to_the_wanted_ones():
    assert inconsistency(32) < 0.15
    assert inconsistency(32) < 0.5 * inconsistency(0)


def test_one_seed_gives_one_sound():
    wanted = magnitudes(chirp())
    sounds = [griffin_lim(wanted, HOP, SAMPLES, iterations=2, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(sounds[0], sounds[1])
    assert not torch.allclose(sounds[0], sounds[2], atol=1e-3)


def test_silence_stays_silent():
    assert not griffin_lim(torch.zeros(1, 257, 20), HOP, 19 * HOP).any()
