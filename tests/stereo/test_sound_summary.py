import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo.features import LEVELS, STATISTICS, level_statistics

NOISE = 10 * torch.randn(40, LEVELS, generator=torch.Generator().manual_seed(0)) - 50
QUARTER = STATISTICS // 4


@given(gain=st.floats(-30, 30))
def test_a_gain_changes_nothing(gain: float) -> None:
    torch.testing.assert_close(
        level_statistics(NOISE + gain), level_statistics(NOISE), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("positions", [1, 2, 40])
def test_any_length_has_a_summary(positions: int) -> None:
    summary = level_statistics(NOISE[:positions])
    assert summary.shape == (STATISTICS,)
    assert bool(summary.isfinite().all())
    if positions == 1:
        assert not summary[QUARTER : 3 * QUARTER].any()


def test_each_quarter_tells_one_thing() -> None:
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
