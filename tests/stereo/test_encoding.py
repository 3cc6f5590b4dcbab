import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, stereo_scene
from soundstage.stereo import (
    BANDS,
    TOKENS,
    TRANSFORM,
    Parameters,
    band_energy,
    band_sums,
    dequantize,
    encode,
    encode_signal,
    quantize,
)
from soundstage.stereo.encoding import (
    BAND_EDGES,
    IC_STEPS,
    IID_STEPS,
    SPREADING,
    cross_energy,
    nearest_step,
    spread,
)

LENGTH = 30_000


def test_band_sums_match_a_loop() -> None:
    values = noise(2049 * 3, level=1.0).reshape(2049, 3)
    edges = BAND_EDGES.tolist()
    looped = torch.stack([values[low:high].sum(dim=0) for low, high in itertools.pairwise(edges)])
    torch.testing.assert_close(band_sums(values), looped, rtol=1e-4, atol=1e-4)


def test_energies_match_complex_arithmetic() -> None:
    one, other = TRANSFORM.analyze(stereo_scene(LENGTH))
    torch.testing.assert_close(
        band_energy(one), band_sums((one * one.conj()).real) + 1e-6, rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(
        cross_energy(one, other), band_sums((one * other.conj()).real), rtol=1e-4, atol=0.05
    )


@given(level_db=st.floats(-30, 30))
def test_a_panned_sound_has_the_level_difference_of_its_gains(level_db: float) -> None:
    mono = noise(LENGTH)
    iid, coherence = encode_signal(torch.stack([10 ** (level_db / 20) * mono, mono]))
    torch.testing.assert_close(iid, torch.full_like(iid, level_db), rtol=0, atol=0.02)
    assert coherence.min() > 0.999  # the floor of the energies weighs a little in faint bins


def test_left_louder_is_a_positive_level_difference() -> None:
    iid, _ = encode_signal(torch.stack([noise(LENGTH), 0.5 * noise(LENGTH)]))
    assert iid.mean().item() == pytest.approx(20 * math.log10(2), abs=0.01)


def test_inverted_channels_have_coherence_minus_one() -> None:
    mono = noise(LENGTH)
    iid, coherence = encode_signal(torch.stack([mono, -mono]))
    assert iid.abs().max() < 1e-3
    assert coherence.max() < -0.9999


def test_a_quarter_turn_between_channels_has_no_real_coherence() -> None:
    left = TRANSFORM.analyze(noise(LENGTH))
    _, coherence = encode(left, 1j * left)
    assert coherence.abs().max() < 1e-4


def test_independent_noises_are_incoherent_where_bands_are_wide() -> None:
    _, coherence = encode_signal(torch.stack([noise(88_200), noise(88_200, seed=1)]))
    assert coherence[20:].mean().abs() < 0.01
    assert coherence[20:].abs().mean() < 0.2


def test_half_common_noise_has_coherence_one_half() -> None:
    common = noise(400_000)
    scene = torch.stack([common + noise(400_000, seed=seed) for seed in (1, 2)])
    _, coherence = encode_signal(scene)
    assert coherence[20:].mean().item() == pytest.approx(0.5, abs=0.01)


def test_silence_is_centered_and_coherent() -> None:
    iid, coherence = encode_signal(torch.zeros(2, 5_000))
    assert torch.all(iid == 0)
    assert torch.all(coherence == 1)


def test_one_silent_channel_gives_a_large_finite_level_difference() -> None:
    iid, coherence = encode_signal(torch.stack([noise(LENGTH), torch.zeros(LENGTH)]))
    assert torch.isfinite(iid).all()
    assert iid.min() > 50
    assert coherence.abs().max() < 0.01


def test_swapped_channels_change_the_sign_of_iid_and_keep_ic() -> None:
    scene = stereo_scene(LENGTH)
    iid, coherence = encode_signal(scene)
    swapped = encode_signal(scene.flip(0))
    torch.testing.assert_close(swapped.iid, -iid, rtol=0, atol=1e-4)
    assert torch.equal(swapped.coherence, coherence)


def test_parameters_do_not_depend_on_the_level() -> None:
    scene = stereo_scene(LENGTH)
    loud, soft = encode_signal(scene), encode_signal(0.03 * scene)
    torch.testing.assert_close(loud.iid, soft.iid, rtol=0, atol=0.01)
    torch.testing.assert_close(loud.coherence, soft.coherence, rtol=0, atol=0.005)


@pytest.mark.parametrize("length", [1, 1_024, 5_000])
def test_there_is_a_column_for_every_frame(length: int) -> None:
    iid, coherence = encode_signal(noise(2 * length).reshape(2, length))
    assert iid.shape == coherence.shape == (BANDS, TRANSFORM.frames(length))
    assert coherence.abs().max() <= 1


def test_steps_match_the_paper() -> None:
    right = [0, 2, 4, 6, 8, 10, 13, 16, 19, 22, 25, 30, 35, 40, 45, 50]
    assert IID_STEPS.tolist() == [-step for step in right[:0:-1]] + right
    target = [1, 0.937, 0.84118, 0.60092, 0.36764, 0, -0.589, -1]
    assert IC_STEPS.tolist() == pytest.approx(target)


def test_every_token_is_recovered() -> None:
    tokens = torch.arange(TOKENS, dtype=torch.uint8)
    assert TOKENS == 248
    assert torch.equal(quantize(dequantize(tokens)), tokens)


def test_a_token_is_eight_times_the_level_step_plus_the_coherence_step() -> None:
    parameters = dequantize(torch.tensor([8 * 17 + 3]))
    assert parameters.iid.item() == 4
    assert parameters.coherence.item() == pytest.approx(0.60092)


@given(
    iid=st.lists(st.floats(-90, 90), min_size=1, max_size=20),
    coherence=st.lists(st.floats(-1, 1), min_size=1, max_size=20),
)
def test_the_nearest_step_matches_a_brute_force_search(
    iid: list[float], coherence: list[float]
) -> None:
    for values, steps in ((iid, IID_STEPS), (coherence, IC_STEPS)):
        inputs = torch.tensor(values)
        found = steps[nearest_step(inputs, steps)]
        distances = (inputs[:, None].double() - steps.double()).abs().amin(dim=1)
        torch.testing.assert_close((inputs - found).abs().double(), distances, rtol=1e-5, atol=1e-6)


def test_a_tie_goes_to_the_lower_step() -> None:
    steps = IID_STEPS[nearest_step(torch.tensor([1.0, -1.0, 11.5]), IID_STEPS)]
    assert steps.tolist() == [0.0, -2.0, 10.0]


def test_tokens_are_bytes_below_248_whatever_the_parameters() -> None:
    extreme = torch.tensor([-1e9, -50.0, 0.0, 50.0, 1e9])
    coherence = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    grid = Parameters(*torch.meshgrid(extreme, coherence, indexing="ij"))
    tokens = quantize(grid)
    assert tokens.dtype == torch.uint8
    assert tokens.max() < TOKENS


def test_quantizing_is_off_by_no_more_than_half_a_step() -> None:
    iid, coherence = noise(1_000, level=12.0), noise(1_000, seed=1, level=0.5).clamp(-1, 1)
    again = dequantize(quantize(Parameters(iid, coherence)))
    assert (again.iid - iid.clamp(-50, 50)).abs().max() <= 2.5
    assert (again.coherence - coherence).abs().max() <= 0.589 / 2 + 1e-6


def test_shapes_and_transposed_views_are_kept() -> None:
    values = noise(24, level=5.0).reshape(4, 6).T
    tokens = quantize(Parameters(values, torch.ones(6, 4)))
    assert tokens.shape == (6, 4)
    expected = np.abs(values.numpy()[..., None] - IID_STEPS.numpy()).argmin(axis=-1) * 8
    assert np.array_equal(tokens.numpy(), expected)


def test_equal_bands_spread_to_equal_bins() -> None:
    torch.testing.assert_close(spread(torch.full((BANDS, 2), 0.7)), torch.full((2049, 2), 0.7))


def test_every_band_has_a_bin_with_its_value() -> None:
    values = noise(BANDS, level=1.0)[:, None]
    bins = spread(values)
    for band, (low, high) in enumerate(itertools.pairwise(BAND_EDGES)):
        assert (bins[low:high] - values[band]).abs().min() < 1e-6


def test_borders_are_ramps_that_never_overshoot() -> None:
    step = torch.zeros(BANDS, 1)
    step[20:] = 1.0
    bins = spread(step)[:, 0]
    assert torch.all(bins.diff() >= -1e-6)
    assert bins.diff().max() < 0.2  # a step would be 1
    low, border, high = BAND_EDGES[19], BAND_EDGES[20], BAND_EDGES[21]
    assert bins[(low + border) // 2] == 0
    assert bins[(border + high) // 2] == 1
    assert (bins[border - 1] + bins[border] - 1).abs() < 1e-6  # halfway between them is one half


def test_the_shares_of_a_bin_add_up_to_one() -> None:
    assert SPREADING.min() >= 0
    torch.testing.assert_close(SPREADING.sum(dim=1), torch.ones(2049))
