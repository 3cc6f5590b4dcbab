import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, stereo_scene
from soundstage.stereo import BANDS, TRANSFORM, band_energy, band_sums, encode, encode_signal
from soundstage.stereo.encoding import BAND_EDGES, cross_energy

LENGTH = 30_000


def test_band_sums_are_those_of_a_plain_loop() -> None:
    values = noise(2049 * 3, level=1.0).reshape(2049, 3)
    edges = BAND_EDGES.tolist()
    looped = torch.stack([values[low:high].sum(dim=0) for low, high in itertools.pairwise(edges)])
    torch.testing.assert_close(band_sums(values), looped, rtol=1e-4, atol=1e-4)


def test_energies_are_those_of_complex_arithmetic() -> None:
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
    assert coherence.min() > 0.999  # what counts as silence weighs a little in faint bins


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


def test_silence_lies_in_the_center() -> None:
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
