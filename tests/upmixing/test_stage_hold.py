import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.upmixing.generative.stage_constraints import DECODED, LARGEST_GAIN, StageHold

INDEX = {name: index for index, name in enumerate(DESCRIPTORS)}


def asking(**values: float) -> torch.Tensor:
    asked = torch.full((len(DESCRIPTORS),), torch.nan)
    for name, value in values.items():
        asked[INDEX[name]] = value
    return asked


def stage(frames: int, seed: int = 0, lean: float = 0.0) -> tuple[Parameters, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    iid = 4 * torch.randn(BANDS, frames, generator=generator) + lean
    coherence = 0.3 + 0.7 * torch.rand(BANDS, frames, generator=generator)
    return Parameters(iid, coherence), torch.rand(BANDS, frames, generator=generator) ** 4


def measured(parameters: Parameters, energy: torch.Tensor) -> dict[str, float]:
    """As decoding will leave them."""
    found = dict(zip(DESCRIPTORS, descriptors(parameters, energy).tolist(), strict=True))
    return {name: value * (DECODED if "width" in name else 1) for name, value in found.items()}


def held(asked: torch.Tensor, count: int = 1) -> tuple[Parameters, torch.Tensor]:
    """Some stretches through a hold, joined."""
    hold, parts, energies = StageHold(asked), [], []
    for seed in range(count):
        parameters, energy = stage(60, seed, lean=(0.0, 3.0, -3.0)[seed % 3])
        parts.append(hold.held(parameters, energy))
        energies.append(energy)
    whole = Parameters(*(torch.cat(each, dim=1) for each in zip(*parts, strict=True)))
    return whole, torch.cat(energies, dim=1)


@given(balance=st.floats(-6, 6), width=st.floats(0.5, 1.5))
def test_a_first_stretch_has_the_balance_whatever_the_width(balance: float, width: float) -> None:
    found = measured(*held(asking(balance=balance, width=width)))
    assert found["balance"] == pytest.approx(balance, abs=0.05)


@pytest.mark.parametrize("name", ["width", "width_low", "width_mid", "width_high"])
@given(wanted=st.floats(0.6, 1.4))
def test_a_first_stretch_has_the_width(name: str, wanted: float) -> None:
    before = measured(*stage(60))
    found = measured(*held(asking(**{name: wanted})))
    assert found[name] == pytest.approx(wanted, abs=0.01)
    apart = {"width_low", "width_mid", "width_high"} - {name}
    for other in apart if name != "width" else ():
        assert found[other] == pytest.approx(before[other], abs=1e-3)
    assert found["diffuseness"] == pytest.approx(before["diffuseness"], abs=0.15)


def test_the_regions_that_nobody_asks_for_give_the_overall_width() -> None:
    found = measured(*held(asking(width=1.0, width_low=0.6, width_high=1.3)))
    assert found["width"] == pytest.approx(1.0, abs=0.01)
    assert found["width_low"] == pytest.approx(0.6, abs=0.01)
    assert found["width_high"] == pytest.approx(1.3, abs=0.01)


def test_a_width_far_from_what_was_made_is_approached() -> None:
    before, found = measured(*stage(60)), measured(*held(asking(width=0.1)))
    assert found["width"] == pytest.approx(before["width"] / LARGEST_GAIN, abs=0.01)


def test_later_stretches_make_up_for_earlier_ones() -> None:
    found = measured(*held(asking(balance=1.0, width=0.8), 6))
    assert found["balance"] == pytest.approx(1.0, abs=0.4)
    assert found["width"] == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("asked", [asking(balance=2.0), asking(width=0.5)])
def test_there_is_no_jump_between_two_stretches(asked: torch.Tensor) -> None:
    hold, ones = StageHold(asked), torch.ones(BANDS, 60)
    first = Parameters(0 * ones, 0.9 * ones)
    before = hold.held(first, ones)
    after = hold.held(Parameters(4 * ones, 0.5 * ones), ones)
    assert torch.allclose(before.iid, before.iid[:, :1], atol=1e-4)
    assert float(after.iid[0].diff().abs().max()) < 0.15  # dB: in a straight line
    assert float((after.iid[0, -1] - after.iid[0, 0]).abs()) > 0.5


def test_a_stage_of_which_nothing_is_asked_stays_as_it_is() -> None:
    parameters, energy = stage(40)
    found = StageHold(asking()).held(parameters, energy)
    torch.testing.assert_close(found.iid, parameters.iid, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.coherence, parameters.coherence, rtol=0, atol=1e-3)


@given(balance=st.floats(-6, 6), width=st.floats(0.5, 1.5))
def test_a_mirrored_stage_and_wish_are_mirrored(balance: float, width: float) -> None:
    parameters, energy = stage(20, lean=1.0)
    here = StageHold(asking(balance=balance, width=width)).held(parameters, energy)
    mirrored = Parameters(-parameters.iid, parameters.coherence)
    there = StageHold(asking(balance=-balance, width=width)).held(mirrored, energy)
    torch.testing.assert_close(there.iid, -here.iid, rtol=0, atol=0.02)
    torch.testing.assert_close(there.coherence, here.coherence, rtol=0, atol=2e-3)


@pytest.mark.parametrize("asked", [asking(balance=3.0), asking(width=0.5, width_low=0.2)])
def test_silence_and_nothing_stay_as_they_are(asked: torch.Tensor) -> None:
    parameters, energy = stage(4)
    found = StageHold(asked).held(parameters, 0 * energy)
    torch.testing.assert_close(found.iid, parameters.iid, rtol=0, atol=1e-3)
    empty = Parameters(torch.zeros(BANDS, 0), torch.zeros(BANDS, 0))
    assert StageHold(asked).held(empty, torch.zeros(BANDS, 0)).iid.shape == (BANDS, 0)
