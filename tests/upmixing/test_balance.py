import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.upmixing.balance import BalanceHold

INDEX = DESCRIPTORS.index("balance")


def stage(frames: int, seed: int = 0, lean: float = 0.0) -> tuple[Parameters, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    iid = 4 * torch.randn(BANDS, frames, generator=generator) + lean
    coherence = 0.3 + 0.7 * torch.rand(BANDS, frames, generator=generator)
    return Parameters(iid, coherence), torch.rand(BANDS, frames, generator=generator) ** 4


@given(wanted=st.floats(-6, 6), lean=st.floats(-3, 3))
def test_a_first_stretch_has_the_balance(wanted: float, lean: float) -> None:
    parameters, energy = stage(50, lean=lean)
    found = descriptors(BalanceHold(wanted).turned(parameters, energy), energy)
    assert float(found[INDEX]) == pytest.approx(wanted, abs=0.05)


def test_later_stretches_make_up_for_it_without_a_jump() -> None:
    hold = BalanceHold(1.0)
    parts, energies = [], []
    for seed, lean in enumerate([0.0, 3.0, -3.0, 0.0, 0.0]):
        parameters, energy = stage(60, seed, lean)
        parts.append(hold.turned(parameters, energy))
        energies.append(energy)
    whole = Parameters(*(torch.cat(each, dim=1) for each in zip(*parts, strict=True)))
    found = descriptors(whole, torch.cat(energies, dim=1))
    assert float(found[INDEX]) == pytest.approx(1.0, abs=0.4)
    centred = Parameters(torch.zeros(BANDS, 60), torch.ones(BANDS, 60))
    there = BalanceHold(2.0)
    before = there.turned(centred, torch.ones(BANDS, 60)).iid[0]
    leaning = Parameters(torch.full((BANDS, 60), 4.0), torch.ones(BANDS, 60))
    after = there.turned(leaning, torch.ones(BANDS, 60)).iid[0]
    assert torch.allclose(before, before[0], atol=1e-4)
    assert float(after.diff().abs().max()) < 0.15  # dB: in a straight line
    assert float(after[-1]) < float(after[0]) - 1


@given(wanted=st.floats(-6, 6))
def test_a_mirrored_stage_and_wish_are_mirrored(wanted: float) -> None:
    parameters, energy = stage(20, lean=1.0)
    here = BalanceHold(wanted).turned(parameters, energy)
    there = BalanceHold(-wanted).turned(Parameters(-parameters.iid, parameters.coherence), energy)
    torch.testing.assert_close(there.iid, -here.iid, rtol=0, atol=0.02)
    torch.testing.assert_close(there.coherence, here.coherence, rtol=0, atol=2e-3)


def test_silence_and_nothing_stay_as_they_are() -> None:
    parameters, energy = stage(4)
    found = BalanceHold(3.0).turned(parameters, 0 * energy)
    torch.testing.assert_close(found.iid, parameters.iid, rtol=0, atol=1e-3)
    empty = Parameters(torch.zeros(BANDS, 0), torch.zeros(BANDS, 0))
    assert BalanceHold(3.0).turned(empty, torch.zeros(BANDS, 0)).iid.shape == (BANDS, 0)
