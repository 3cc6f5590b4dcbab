import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, tone
from soundstage.spectra.filterbanks import hertz_to_htk_mel
from soundstage.stereo import BANDS, RATE, TRANSFORM, Parameters, band_energy
from soundstage.stereo.encoding import FRAME_RATE
from soundstage.stereo.features import (
    CONTEXT_FEATURES,
    FULL_SCALE,
    LEVELS,
    MIN_LEVEL_DB,
    SEGMENT_FRAMES,
    SEGMENTS,
    STATISTICS,
    context_vectors,
    energy_of_levels,
    level_statistics,
    mid_levels,
    parameter_features,
    parameters_from_features,
)


def levels_of(sound):
    return mid_levels(TRANSFORM.analyze(sound))


@pytest.mark.parametrize("hz", [100.0, 1000.0, 9000.0])
def test_a_sine_is_loudest_in_the_band_of_its_frequency(hz):
    loudest = int(levels_of(tone(20_000, hz=hz))[8].argmax())
    width = float(hertz_to_htk_mel(RATE / 2)) / (LEVELS + 1)
    assert abs(loudest - (float(hertz_to_htk_mel(hz)) / width - 1)) <= 0.75


def test_the_level_of_a_sine_at_full_scale_is_near_zero():
    # in the middle of a bin, whose neighbors hold −6 dB each
    hz = 200 * RATE / TRANSFORM.frame
    assert -3.1 < float(levels_of(tone(20_000, hz=hz, level=1.0))[8].max()) < 1.8


def test_every_band_has_a_level_in_white_noise():
    levels = levels_of(noise(40_000, level=0.1))
    assert levels.shape == (TRANSFORM.frames(40_000), LEVELS)
    assert float(levels[4:-4].mean(dim=0).min()) > -70


def test_a_gain_is_added_to_all_levels():
    change = levels_of(noise(20_000, level=0.4)) - levels_of(noise(20_000, level=0.1))
    assert torch.allclose(change[3:-3], torch.tensor(12.0412), atol=0.01)


def test_silence_has_the_lowest_level():
    assert torch.allclose(levels_of(torch.zeros(9000)), torch.tensor(MIN_LEVEL_DB), atol=1e-3)


def test_levels_give_the_energy_of_the_bands():
    spectrogram = TRANSFORM.analyze(noise(60_000, level=0.1))
    energy = energy_of_levels(mid_levels(spectrogram))
    assert energy.shape == (BANDS, spectrogram.shape[1])
    expected = band_energy(spectrogram).mean(dim=1) / FULL_SCALE
    error = 10 * (energy.mean(dim=1) / expected).log10()
    assert float(error[1:].abs().max()) < 0.5
    assert -2.5 < float(error[0]) < 0.5  # the bin at 0 Hz lies in no level


def test_the_energy_of_a_sine_at_full_scale_is_near_one():
    hz = 200 * RATE / TRANSFORM.frame
    energy = energy_of_levels(levels_of(tone(20_000, hz=hz, level=1.0)))[:, 8]
    assert 0.7 < float(energy.sum()) < 1.7
    assert float(energy.max()) > 0.5


def test_energies_are_computed_for_batches():
    levels = levels_of(noise(20_000)).expand(2, 3, -1, -1)
    energy = energy_of_levels(levels)
    assert energy.shape == (2, 3, BANDS, levels.shape[2])
    assert torch.allclose(energy[1, 2], energy_of_levels(levels[0, 0]))


@given(seed=st.integers(0, 1000), frames=st.integers(0, 5))
def test_parameters_within_range_are_recovered_from_their_features(seed, frames):
    generator = torch.Generator().manual_seed(seed)
    iid = 40 * torch.rand(BANDS, frames, generator=generator) - 20
    coherence = 2 * torch.rand(BANDS, frames, generator=generator) - 1
    back = parameters_from_features(parameter_features(Parameters(iid, coherence)))
    torch.testing.assert_close(back.iid, iid, rtol=0, atol=1e-5)
    assert torch.equal(back.coherence, coherence)


def test_any_features_give_possible_parameters():
    wild = torch.cat([torch.full((BANDS, 1), -90.0), torch.full((BANDS, 1), 1.5)])
    iid, coherence = parameters_from_features(wild)
    assert torch.equal(iid, torch.full((BANDS, 1), -20.0))
    assert torch.equal(coherence, torch.ones(BANDS, 1))


LONGEST = (SEGMENTS + 2) * SEGMENT_FRAMES
_GENERATOR = torch.Generator().manual_seed(0)
PAST_LEVELS = -58 + 20 * torch.randn(LONGEST, LEVELS, generator=_GENERATOR)
PAST_PARAMETERS = Parameters(
    10 * torch.randn(BANDS, LONGEST, generator=_GENERATOR),
    1 - 2 * torch.rand(BANDS, LONGEST, generator=_GENERATOR),
)


def context(begin: int, end: int, **more: int) -> torch.Tensor:
    parameters = Parameters(*(each[:, begin:end] for each in PAST_PARAMETERS))
    return context_vectors(PAST_LEVELS[begin:end], parameters, **more)


@given(frames=st.integers(0, LONGEST))
def test_context_vectors_are_means_of_the_last_segments(frames: int) -> None:
    vectors = context(0, frames)
    assert vectors.shape == (SEGMENTS, CONTEXT_FEATURES)
    known = min(frames // SEGMENT_FRAMES, SEGMENTS)
    assert bool(vectors[: SEGMENTS - known].isnan().all())
    features = parameter_features(PAST_PARAMETERS)
    for ago in range(1, known + 1):
        rows = slice(frames - ago * SEGMENT_FRAMES, frames - (ago - 1) * SEGMENT_FRAMES)
        levels = (PAST_LEVELS[rows] + 58).mean(dim=0) / 20
        row = vectors[SEGMENTS - ago]
        torch.testing.assert_close(row[:LEVELS], levels, rtol=0, atol=1e-4)
        torch.testing.assert_close(row[LEVELS:], features[:, rows].mean(dim=1), rtol=0, atol=1e-4)


def test_the_context_is_limited_to_48_seconds() -> None:
    seconds = SEGMENTS * SEGMENT_FRAMES / FRAME_RATE
    assert seconds == pytest.approx(47.6, abs=0.1)
    late = context(LONGEST - SEGMENTS * SEGMENT_FRAMES, LONGEST)
    assert torch.equal(context(0, LONGEST), late)
    assert not bool(late.isnan().any())


def test_segments_can_have_another_length() -> None:
    vectors = context(0, 20, frames=8)
    assert int(vectors.isnan().all(dim=1).sum()) == SEGMENTS - 2
    torch.testing.assert_close(vectors[-1, :LEVELS], (PAST_LEVELS[12:20] + 58).mean(dim=0) / 20)


def test_context_vectors_are_of_order_one() -> None:
    assert 0.05 < float(context(0, LONGEST).abs().mean()) < 1.5


NOISE = 10 * torch.randn(40, LEVELS, generator=torch.Generator().manual_seed(0)) - 50
QUARTER = STATISTICS // 4


@given(gain=st.floats(-30, 30))
def test_level_statistics_do_not_depend_on_the_gain(gain: float) -> None:
    torch.testing.assert_close(
        level_statistics(NOISE + gain), level_statistics(NOISE), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("positions", [1, 2, 40])
def test_any_length_has_level_statistics(positions: int) -> None:
    values = level_statistics(NOISE[:positions])
    assert values.shape == (STATISTICS,)
    assert bool(values.isfinite().all())
    if positions == 1:
        assert not values[QUARTER : 3 * QUARTER].any()


def test_each_quarter_is_one_statistic() -> None:
    spectrum = torch.linspace(0, -64, LEVELS).expand(6, LEVELS)
    means, deviations, changes, steps = level_statistics(spectrum).unflatten(0, (4, -1))
    assert float(means[0]) > 30 > -30 > float(means[-1])
    assert float(deviations.abs().max()) < 1e-5
    assert float(changes.abs().max()) < 1e-5
    assert torch.allclose(steps[:-1], torch.tensor(64 / (LEVELS - 1)), atol=1e-4)
    beat = spectrum + 10 * (torch.arange(6) % 2)[:, None]
    _, deviations, changes, _ = level_statistics(beat).unflatten(0, (4, -1))
    assert torch.allclose(deviations, torch.tensor(5.0), atol=1e-4)
    assert torch.allclose(changes, torch.tensor(10.0), atol=1e-4)
