import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.features import parameter_features, parameters_from_features


@given(seed=st.integers(0, 1000), frames=st.integers(0, 5))
def test_features_of_parameters_within_their_range_lead_back_to_them(seed, frames):
    generator = torch.Generator().manual_seed(seed)
    iid = 40 * torch.rand(BANDS, frames, generator=generator) - 20
    coherence = 2 * torch.rand(BANDS, frames, generator=generator) - 1
    back = parameters_from_features(parameter_features(Parameters(iid, coherence)))
    torch.testing.assert_close(back.iid, iid, rtol=0, atol=1e-5)
    assert torch.equal(back.coherence, coherence)


def test_any_numbers_become_parameters_that_can_be():
    wild = torch.cat([torch.full((BANDS, 1), -90.0), torch.full((BANDS, 1), 1.5)])
    iid, coherence = parameters_from_features(wild)
    assert torch.equal(iid, torch.full((BANDS, 1), -20.0))
    assert torch.equal(coherence, torch.ones(BANDS, 1))
