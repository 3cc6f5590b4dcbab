import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.upmixing import Style
from soundstage.upmixing.generative.stage_constraints import DECODED, MAX_GAIN, StageConstraint


def constraint(**values: float) -> StageConstraint:
    return StageConstraint(Style(**values).to_tensor())


def stage(frames: int, seed: int = 0, iid: float = 0.0) -> tuple[Parameters, torch.Tensor]:
    """Parameters and the energy of the mid."""
    generator = torch.Generator().manual_seed(seed)
    differences = 4 * torch.randn(BANDS, frames, generator=generator) + iid
    coherence = 0.3 + 0.7 * torch.rand(BANDS, frames, generator=generator)
    return Parameters(differences, coherence), torch.rand(BANDS, frames, generator=generator) ** 4


def decoded(parameters: Parameters, energy: torch.Tensor) -> dict[str, float]:
    """Descriptors after decoding."""
    found = dict(zip(DESCRIPTORS, descriptors(parameters, energy).tolist(), strict=True))
    return {name: value * (DECODED if "width" in name else 1) for name, value in found.items()}


def constrained(segments: int = 1, **values: float) -> dict[str, float]:
    """Descriptors of several segments with a constraint."""
    applied, parts, energies = constraint(**values), [], []
    for seed in range(segments):
        parameters, energy = stage(60, seed, iid=(0.0, 3.0, -3.0)[seed % 3])
        parts.append(applied.apply(parameters, energy))
        energies.append(energy)
    whole = Parameters(*(torch.cat(each, dim=1) for each in zip(*parts, strict=True)))
    return decoded(whole, torch.cat(energies, dim=1))


@given(balance=st.floats(-4, 4), width=st.floats(0.5, 1.2))
def test_the_first_segment_has_the_balance_whatever_the_width(balance: float, width: float) -> None:
    assert constrained(balance=balance, width=width)["balance"] == pytest.approx(balance, abs=0.05)


@pytest.mark.parametrize("name", ["width", "width_low", "width_mid", "width_high"])
@given(value=st.floats(0.6, 1.4))
def test_the_first_segment_has_the_width(name: str, value: float) -> None:
    before, found = decoded(*stage(60)), constrained(**{name: value})
    assert found[name] == pytest.approx(value, abs=0.01)
    others = {"width_low", "width_mid", "width_high"} - {name}
    for other in others if name != "width" else ():
        assert found[other] == pytest.approx(before[other], abs=1e-3)
    assert found["diffuseness"] == pytest.approx(before["diffuseness"], abs=0.15)


def test_the_other_regions_give_the_overall_width() -> None:
    found = constrained(width=1.0, width_low=0.6, width_high=1.3)
    assert found["width"] == pytest.approx(1.0, abs=0.01)
    assert found["width_low"] == pytest.approx(0.6, abs=0.01)
    assert found["width_high"] == pytest.approx(1.3, abs=0.01)


def test_a_gain_is_limited() -> None:
    before, found = decoded(*stage(60)), constrained(width=0.1)
    assert found["width"] == pytest.approx(before["width"] / MAX_GAIN, abs=0.01)


def test_later_segments_compensate_for_earlier_ones() -> None:
    found = constrained(6, balance=1.0, width=0.8)
    assert found["balance"] == pytest.approx(1.0, abs=0.4)
    assert found["width"] == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("values", [{"balance": 2.0}, {"width": 0.5}])
def test_there_is_no_jump_between_two_segments(values: dict[str, float]) -> None:
    applied, ones = constraint(**values), torch.ones(BANDS, 60)
    before = applied.apply(Parameters(0 * ones, 0.9 * ones), ones)
    after = applied.apply(Parameters(4 * ones, 0.5 * ones), ones)
    assert torch.allclose(before.iid, before.iid[:, :1], atol=1e-4)
    assert float(after.iid[0].diff().abs().max()) < 0.15  # dB, interpolated
    assert float((after.iid[0, -1] - after.iid[0, 0]).abs()) > 0.5


@given(balance=st.floats(-6, 6), width=st.floats(0.5, 1.5))
def test_the_mirrored_style_mirrors_the_stage(balance: float, width: float) -> None:
    parameters, energy = stage(20, iid=1.0)
    here = constraint(balance=balance, width=width).apply(parameters, energy)
    mirrored = Parameters(-parameters.iid, parameters.coherence)
    there = constraint(balance=-balance, width=width).apply(mirrored, energy)
    torch.testing.assert_close(there.iid, -here.iid, rtol=0, atol=0.02)
    torch.testing.assert_close(there.coherence, here.coherence, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("values", "level"),
    [({}, 1.0), ({"balance": 3.0}, 0.0), ({"width": 0.5, "width_low": 0.2}, 0.0)],
)
def test_without_a_constraint_and_in_silence_the_stage_is_unchanged(
    values: dict[str, float], level: float
) -> None:
    parameters, energy = stage(40)
    found = constraint(**values).apply(parameters, level * energy)
    torch.testing.assert_close(found.iid, parameters.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.coherence, parameters.coherence, rtol=0, atol=1e-3)
    empty = Parameters(torch.zeros(BANDS, 0), torch.zeros(BANDS, 0))
    assert constraint(**values).apply(empty, torch.zeros(BANDS, 0)).iid.shape == (BANDS, 0)
