import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sounds import RATE, noise, song, stereo_scene, tone
from soundstage.metrics.artifacts import artifact
from soundstage.spectra import STFT

LENGTH = 5 * RATE


def value(stereo: Tensor, mono: Tensor, truth: Tensor | None = None, rate: int = RATE) -> float:
    return artifact(stereo, mono, truth, rate).item()


def both(mono: Tensor) -> Tensor:
    return torch.stack([mono, mono])


def tremolo(samples: Tensor, depth: float, *, hz: float = 8.0, rate: int = RATE) -> Tensor:
    time = torch.arange(samples.shape[-1], dtype=torch.float64) / rate
    return samples * (1 + depth * torch.sin(2 * torch.pi * hz * time)).float()


def excess_of(depth: float) -> float:
    """RMS of 20·log10(1 + depth·sin) about its mean, by summing it up."""
    phase = 2 * torch.pi * torch.arange(10_000, dtype=torch.float64) / 10_000
    return (20 * torch.log10(1 + depth * torch.sin(phase))).std().item()


def musical_noise(stereo: Tensor, depth_db: float) -> Tensor:
    """Every tile of a spectrogram loses that much or nothing, by chance, for 23 ms."""
    transform = STFT(1024, 256)
    spectrogram = transform.analyze(stereo)
    generator = torch.Generator().manual_seed(7)
    lost = torch.rand(spectrogram[..., ::4].shape, generator=generator) < 0.5
    gains = torch.where(lost, 10 ** (-depth_db / 20), 1.0).repeat_interleave(4, dim=-1)
    return transform.synthesize(spectrogram * gains[..., : spectrogram.shape[-1]], LENGTH)


@pytest.fixture(scope="module")
def scene() -> Tensor:
    return stereo_scene(LENGTH)


def test_truth_has_no_artifact(scene: Tensor) -> None:
    assert value(scene, scene.mean(dim=0), scene) == 0


def test_mono_on_both_sides_has_no_artifact(scene: Tensor) -> None:
    mono = scene.mean(dim=0)
    assert value(both(mono), mono) == 0
    assert value(both(mono), mono, scene) == 0


@given(st.floats(0.01, 2), st.floats(0.01, 2))
@settings(max_examples=5, deadline=None)
def test_panning_has_no_artifact(left: float, right: float) -> None:
    mono = song(2 * RATE)
    assert value(torch.stack([left * mono, right * mono]), mono) < 1e-3


@pytest.mark.parametrize(
    ("depth", "rate"), [(0.1, 44_100), (0.6, 44_100), (0.3, 8000), (0.3, 48_000), (0.3, 96_000)]
)
def test_tremolo_of_a_tone_has_its_known_depth(depth: float, rate: int) -> None:
    steady = tone(4 * rate, hz=1000.0, rate=rate)
    found = value(both(tremolo(steady, depth, rate=rate)), steady, rate=rate)
    assert found == pytest.approx(excess_of(depth), rel=0.1)  # frames of 23 ms fill deep dips


def test_the_documented_formula_is_the_known_depth() -> None:
    root = (1 - math.sqrt(1 - 0.6**2)) / 0.6
    dilogarithm = sum(root ** (2 * k) / k**2 for k in range(1, 50))
    assert 20 / math.log(10) * math.sqrt(2 * dilogarithm) == pytest.approx(excess_of(0.6), 1e-3)


@pytest.mark.parametrize("hz", [5.0, 13.0, 30.0])
def test_artifact_grows_with_the_depth_of_a_tremolo(scene: Tensor, hz: float) -> None:
    mono = scene.mean(dim=0)
    depths = (0.0, 0.1, 0.2, 0.4, 0.6)
    found = [value(tremolo(scene, depth, hz=hz), mono, scene) for depth in depths]
    assert found == sorted(found)
    assert found[0] == 0
    assert found[3] > 1


def test_slow_modulation_is_no_artifact(scene: Tensor) -> None:
    mono = scene.mean(dim=0)
    assert value(tremolo(scene, 0.3, hz=1.0), mono, scene) < 0.1


def test_modulation_of_one_channel_or_in_opposition_counts(scene: Tensor) -> None:
    mono = scene.mean(dim=0)
    whole = value(tremolo(scene, 0.3), mono, scene)
    half = value(torch.stack([tremolo(scene[0], 0.3), scene[1]]), mono, scene)
    turned = torch.stack([tremolo(scene[0], 0.3), tremolo(scene[1], -0.3)])
    assert half == pytest.approx(whole / math.sqrt(2), rel=0.1)
    assert value(turned, mono, scene) == pytest.approx(whole, rel=0.1)


def test_modulation_of_the_mono_is_no_artifact() -> None:
    modulated = tremolo(tone(LENGTH, hz=1000.0), 0.4)
    assert value(both(modulated), modulated) == 0
    assert value(0.3 * both(modulated), modulated) < 1e-3


def test_modulation_of_the_truth_is_no_artifact(scene: Tensor) -> None:
    modulated = torch.stack([tremolo(scene[0], 0.4), tremolo(scene[1], -0.4)])
    mono = modulated.mean(dim=0)
    assert value(modulated, mono, modulated) == 0
    assert value(modulated, mono) > 0.5
    assert value(modulated.flip(0), mono, modulated) < 0.2  # at other moments


def test_independent_noise_is_almost_no_artifact() -> None:
    mono, other = noise(LENGTH), noise(LENGTH, seed=1)
    decorrelated = torch.stack([mono + other, mono - other])
    assert value(decorrelated, mono) < 0.35
    assert value(decorrelated, mono) < 0.25 * value(tremolo(decorrelated, 0.3), mono)


def test_the_artifact_grows_with_musical_noise(scene: Tensor) -> None:
    mono = scene.mean(dim=0)
    found = [value(musical_noise(scene, depth), mono, scene) for depth in (0.0, 3.0, 6.0, 12.0)]
    assert found[0] < 1e-3
    assert found == sorted(found)
    assert found[-1] > 1


@pytest.mark.parametrize("gain", [1e-3, 30.0])
def test_level_does_not_matter(scene: Tensor, gain: float) -> None:
    mono = scene.mean(dim=0)
    damaged = tremolo(scene, 0.2)
    wanted = value(damaged, mono, scene)
    assert value(gain * damaged, gain * mono, gain * scene) == pytest.approx(wanted, rel=1e-3)
    assert value(gain * damaged, mono, scene) == pytest.approx(wanted, rel=1e-3)


def test_swapped_channels_have_the_same_artifact(scene: Tensor) -> None:
    mono = scene.mean(dim=0)
    damaged = torch.stack([tremolo(scene[0], 0.2), scene[1]])
    assert value(damaged.flip(0), mono, scene.flip(0)) == pytest.approx(value(damaged, mono, scene))


def test_the_artifact_of_a_batch_is_that_of_its_items(scene: Tensor) -> None:
    short = scene[:, : 2 * RATE]
    stereo = torch.stack([short, tremolo(short, 0.3), 0.5 * tremolo(short, 0.1)])[None]
    mono, truth = short.mean(dim=0).expand(1, 3, -1), short.expand(1, 3, -1, -1)
    found = artifact(stereo, mono, truth, RATE)
    assert found.shape == (1, 3)
    singles = [value(one, mono[0, 0], short) for one in stereo[0]]
    assert found[0].tolist() == pytest.approx(singles)


def test_double_precision_is_accepted(scene: Tensor) -> None:
    wide = scene.double()
    assert value(wide, wide.mean(dim=0), wide) == 0


def test_silence_has_no_artifact_and_short_sounds_no_value() -> None:
    silent = torch.zeros(2, 2 * RATE)
    assert value(silent, silent[0], silent) == 0
    one_sided = torch.stack([noise(2 * RATE), silent[0]])
    assert value(one_sided, noise(2 * RATE) / 2) < 1e-3
    assert math.isnan(value(silent[:, :1000], silent[0, :1000]))


def test_wrong_shapes_and_rates_are_refused(scene: Tensor) -> None:
    with pytest.raises(ValueError, match="must have shape"):
        artifact(scene, scene, None, RATE)
    with pytest.raises(ValueError, match="must have shape"):
        artifact(scene, scene[0], scene[:1], RATE)
    with pytest.raises(ValueError, match="8000 Hz"):
        artifact(scene, scene[0], None, 4000)
