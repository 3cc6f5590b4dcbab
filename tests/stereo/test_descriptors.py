import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise, song, stereo_scene, tone
from soundstage.metrics.image import normalized_width
from soundstage.stereo import (
    BANDS,
    RATE,
    TRANSFORM,
    Parameters,
    band_energy,
    dequantize,
    encode,
    quantize,
)
from soundstage.stereo.decoding import decode_signal
from soundstage.stereo.descriptors import DESCRIPTORS, MAX_BALANCE_DB, REGIONS, descriptors
from soundstage.stereo.encoding import BAND_EDGES
from soundstage.stereo.features import energy_of_levels, mid_levels
from soundstage.stereo.prediction import MAX_SIDE_GAIN, prediction_gains, scale_side

LENGTH = 60_000


def measured(stereo: torch.Tensor) -> dict[str, float]:
    left, right = TRANSFORM.analyze(stereo)
    values = descriptors(encode(left, right), band_energy((left + right) / 2))
    return dict(zip(DESCRIPTORS, values.tolist(), strict=True))


def of(iid: float, coherence: float, frames: int = 3) -> dict[str, float]:
    """Of the same parameters in every band and frame."""
    one = torch.ones(BANDS, frames)
    values = descriptors(Parameters(iid * one, coherence * one), one)
    return dict(zip(DESCRIPTORS, values.tolist(), strict=True))


def random_parameters(seed: int, *shape: int) -> Parameters:
    generator = torch.Generator().manual_seed(seed)
    iid = 8 * torch.randn(shape, generator=generator)
    return Parameters(iid, 1 - 1.2 * torch.rand(shape, generator=generator))


def panned(gain: float) -> torch.Tensor:
    return torch.stack([song(LENGTH), gain * song(LENGTH)])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_width_matches_the_width_of_the_sound(seed: int) -> None:
    scene = stereo_scene(LENGTH, seed=seed)
    assert measured(scene)["width"] == pytest.approx(float(normalized_width(scene)), rel=0.05)


def test_width_matches_the_width_of_the_decoded_sound() -> None:
    mid = song(LENGTH)
    tokens = torch.randint(248, (BANDS, 1), generator=torch.Generator().manual_seed(1))
    parameters = dequantize(tokens.expand(-1, TRANSFORM.frames(LENGTH)))
    energy = band_energy(TRANSFORM.analyze(mid))
    side = decode_signal(mid, parameters, seed=0)[0]
    stereo = torch.stack([mid + side, mid - side])
    width = float(descriptors(parameters, energy)[0])
    assert width == pytest.approx(float(normalized_width(stereo)), rel=0.15)


def test_uncorrelated_channels_have_a_width_of_two_and_no_balance() -> None:
    found = measured(torch.stack([noise(LENGTH, seed=0), noise(LENGTH, seed=1)]))
    for name in ("width", "width_mid", "width_high"):
        assert found[name] == pytest.approx(2, rel=0.05)
    assert abs(found["balance"]) < 0.3


@pytest.mark.parametrize(("hz", "region"), [(100, "low"), (1000, "mid"), (9000, "high")])
def test_each_region_has_its_own_width(hz: float, region: str) -> None:
    side = tone(LENGTH, hz=hz, level=0.1)
    mid = song(LENGTH)
    found = measured(torch.stack([mid + side, mid - side]))
    widths = {name: found[f"width_{name}"] for name in ("low", "mid", "high")}
    loudest = max(widths, key=lambda name: widths[name])
    assert loudest == region
    assert widths[region] > 5 * sorted(widths.values())[1]


def test_every_band_lies_in_the_region_of_its_center() -> None:
    assert torch.equal(REGIONS.sum(dim=0), torch.ones(BANDS))
    edges = torch.as_tensor(BAND_EDGES) * RATE / TRANSFORM.frame
    centers = (edges[1:] + edges[:-1]) / 2
    assert torch.equal(REGIONS[0].bool(), centers < 250)
    assert torch.equal(REGIONS[2].bool(), centers > 4000)


@pytest.mark.parametrize("gain", [0.0, 0.1, 0.5, 0.8])
def test_a_panned_source_has_its_balance_and_no_diffuseness(gain: float) -> None:
    found = measured(panned(gain))
    expected = MAX_BALANCE_DB if gain == 0 else -20 * torch.tensor(gain).log10().item()
    assert found["balance"] == pytest.approx(min(expected, MAX_BALANCE_DB), abs=0.1)
    assert found["diffuseness"] == pytest.approx(0, abs=0.01)
    assert found["offset"] == pytest.approx((1 - gain) / (1 + gain), abs=0.01)
    assert found["width"] == pytest.approx(2 * (1 - gain) / (1 + gain), abs=0.02)


def test_incoherent_channels_are_all_diffuse() -> None:
    found = of(0.0, 0.0)
    assert found["diffuseness"] == pytest.approx(1)
    assert found["balance"] == pytest.approx(0, abs=1e-4)
    assert found["offset"] == pytest.approx(0, abs=1e-6)
    assert found["width"] == pytest.approx(2)


def test_mono_has_no_width() -> None:
    for found in (of(0.0, 1.0), measured(song(LENGTH).expand(2, -1))):
        assert all(abs(value) < 2e-3 for value in found.values())


def test_descriptors_of_silence_are_zero() -> None:
    parameters = random_parameters(0, BANDS, 4)
    assert descriptors(parameters, torch.zeros(BANDS, 4)).tolist() == [0.0] * len(DESCRIPTORS)


@given(seed=st.integers(0, 1000))
def test_swapping_left_and_right_negates_the_balance_only(seed: int) -> None:
    iid, coherence = random_parameters(seed, BANDS, 5)
    energy = torch.rand(BANDS, 5, generator=torch.Generator().manual_seed(seed)) + 0.1
    here = descriptors(Parameters(iid, coherence), energy)
    there = descriptors(Parameters(-iid, coherence), energy)
    sign = torch.tensor([-1.0 if name == "balance" else 1.0 for name in DESCRIPTORS])
    torch.testing.assert_close(there, sign * here, rtol=1e-3, atol=1e-3)


@given(seed=st.integers(0, 1000), gain=st.floats(1e-3, 1e3))
def test_the_unit_of_the_energy_does_not_matter(seed: int, gain: float) -> None:
    parameters, energy = random_parameters(seed, BANDS, 5), torch.ones(BANDS, 5)
    torch.testing.assert_close(
        descriptors(parameters, gain * energy), descriptors(parameters, energy)
    )


def test_examples_of_a_batch_are_independent() -> None:
    parameters, energy = random_parameters(3, 4, BANDS, 6), torch.rand(4, BANDS, 6)
    together = descriptors(parameters, energy)
    assert together.shape == (4, len(DESCRIPTORS))
    alone = descriptors(Parameters(parameters.iid[2], parameters.coherence[2]), energy[2])
    torch.testing.assert_close(together[2], alone)


def test_energies_of_levels_are_accurate_enough() -> None:
    left, right = TRANSFORM.analyze(stereo_scene(LENGTH))
    mid, parameters = (left + right) / 2, encode(left, right)
    exact = descriptors(parameters, band_energy(mid))
    approximate = descriptors(parameters, energy_of_levels(mid_levels(mid)))
    torch.testing.assert_close(approximate, exact, rtol=0.1, atol=0.1)


def row(value: float) -> torch.Tensor:
    return torch.full((BANDS, 1), value)


def plain(**changes: float) -> dict[str, torch.Tensor]:
    return {
        name: row(changes.get(name, default))
        for name, default in (("direct", 1.0), ("diffuse", 1.0), ("shift", 0.0))
    }


@given(seed=st.integers(0, 1000))
def test_unit_gains_change_nothing(seed: int) -> None:
    parameters = random_parameters(seed, BANDS, 6)
    alpha, beta = prediction_gains(*parameters)
    again = scale_side(parameters, **plain())
    within = alpha.square() + beta.square() < (0.99 * MAX_SIDE_GAIN) ** 2
    assert float((again.iid - parameters.iid)[within].abs().max()) < 0.05
    assert float((again.coherence - parameters.coherence)[within].abs().max()) < 2e-3


@given(seed=st.integers(0, 1000), gain=st.floats(0.2, 1.5))
def test_widths_are_proportional_to_the_gain_of_the_side(seed: int, gain: float) -> None:
    iid, coherence = random_parameters(seed, BANDS, 6)
    parameters, energy = Parameters(iid / 4, coherence.abs()), torch.ones(BANDS, 6)
    before = descriptors(parameters, energy)
    after = descriptors(scale_side(parameters, **plain(direct=gain, diffuse=gain)), energy)
    torch.testing.assert_close(after[:4], gain * before[:4], rtol=0.01, atol=1e-3)
    torch.testing.assert_close(after[5], before[5], rtol=0.01, atol=1e-3)
    torch.testing.assert_close(after[6], gain * before[6], rtol=0.01, atol=1e-3)


def test_one_region_can_be_widened() -> None:
    parameters, energy = random_parameters(5, BANDS, 6), torch.ones(BANDS, 6)
    parameters = Parameters(parameters.iid / 4, parameters.coherence.abs())
    gains = (1 + 0.5 * REGIONS[0])[:, None]
    before = descriptors(parameters, energy)
    after = descriptors(scale_side(parameters, direct=gains, diffuse=gains, shift=row(0)), energy)
    torch.testing.assert_close(after[1], 1.5 * before[1], rtol=0.01, atol=0)
    torch.testing.assert_close(after[2:4], before[2:4], rtol=1e-3, atol=0)


@pytest.mark.parametrize("shift", [-0.3, 0.2])
def test_a_shift_pans_a_centered_source(shift: float) -> None:
    center = Parameters(torch.zeros(BANDS, 2), torch.ones(BANDS, 2))
    shifted = scale_side(center, **plain(shift=shift))
    found = descriptors(shifted, torch.ones(BANDS, 2))
    expected = 20 * torch.tensor((1 + shift) / (1 - shift)).log10().item()
    assert float(shifted.iid.mean()) == pytest.approx(expected, abs=0.01)
    assert float(found[DESCRIPTORS.index("balance")]) == pytest.approx(expected, abs=0.01)


def test_the_side_is_limited() -> None:
    wide = scale_side(random_parameters(7, BANDS, 6), **plain(direct=50.0, diffuse=50.0))
    c, coherence = 10 ** (wide.iid / 20), wide.coherence
    ratio = (c**2 + 1 - 2 * coherence * c) / (c**2 + 1 + 2 * coherence * c)  # side over mid
    assert float(ratio.max()) == pytest.approx(MAX_SIDE_GAIN**2, rel=0.01)
    assert int(quantize(wide).max()) < 248
    assert bool(wide.iid.isfinite().all())
