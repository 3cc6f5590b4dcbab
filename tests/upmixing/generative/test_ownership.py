import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut
from soundstage.separation.separator import SourceInfo
from soundstage.separation.stage_balance import pan_gain
from soundstage.stereo import BANDS, TRANSFORM
from soundstage.stereo.descriptors import DESCRIPTORS
from soundstage.stereo.encoding import IID_STEPS
from soundstage.upmixing.generative.ownership import (
    LevelStream,
    MovingMean,
    Placing,
    Stage,
    level_gain,
    one_place,
)
from soundstage.upmixing.generative.stage_constraints import StageConstraint
from soundstage.upmixing.generative.windowed_decoding import FREE
from soundstage.upmixing.plan import PlacedSource, Plan

SOURCES = (
    SourceInfo("lead", "lead"),
    SourceInfo("drums", "drums"),
    SourceInfo("other-1", "object"),
    SourceInfo("left over", "residual"),
)
PLAN = Plan(
    (
        PlacedSource("lead", "lead", 0.0, 0.3),
        PlacedSource("drums", "drums", 0.0, 0.5),
        PlacedSource("other-1", "object", 8.0, 1.0),
        PlacedSource("left over", "residual", 0.0, 1.0),
    )
)
FRAMES = 3
ZERO = torch.zeros(BANDS, FRAMES)
LOUD = ZERO + 20  # dB over the mean of the band
POWER = torch.rand(TRANSFORM.bins, FRAMES, generator=torch.Generator().manual_seed(0)) + 0.1


def masks(*shares: float) -> torch.Tensor:
    """Masks of the sources, the same in all bins and frames."""
    return torch.tensor(shares)[:, None, None].expand(-1, TRANSFORM.bins, FRAMES)


def shares(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None].expand(-1, BANDS, FRAMES)


def level_difference(alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Left over right in dB, of uncorrelated mid and copy of equal power."""
    left, right = (1 + alpha).square() + beta.square(), (1 - alpha).square() + beta.square()
    return 10 * (left / right).log10()


@given(pan=st.floats(-12, 12), beta=st.floats(0, 0.6))
def test_left_over_right_has_the_level_of_the_pan_beside_diffuse_sound(
    pan: float, beta: float
) -> None:
    diffuse = torch.tensor(beta).double()
    alpha = level_gain(torch.tensor(pan_gain(pan)).double(), diffuse)
    assert float(level_difference(alpha, diffuse)) == pytest.approx(pan, abs=1e-6)
    assert float(alpha) * pan >= 0


@given(beta=st.floats(0, 4))
def test_much_diffuse_sound_limits_the_panning(beta: float) -> None:
    panning = torch.linspace(-0.6, 0.6, 9)
    alpha = level_gain(panning, torch.tensor(beta))
    assert bool((alpha.diff() > 0).all())
    assert float(alpha[4]) == 0
    bound = (1 + beta**2) / (1 + 0.1**0.5)
    assert float(alpha.abs().max()) <= bound + 1e-5


def test_a_source_that_owns_a_band_settles_its_level_difference() -> None:
    owned, settled = Stage(PLAN, SOURCES).tiles(shares(0.0, 0.0, 1.0, 0.0), LOUD)
    assert float(owned.min()) > 0.999
    assert bool((IID_STEPS[settled] == 8).all())


def test_sources_at_one_place_own_together() -> None:
    stage = Stage(PLAN, SOURCES)
    owned, settled = stage.tiles(shares(0.55, 0.45, 0.0, 0.0), LOUD)
    assert float(owned.min()) > 0.999
    assert bool((settled == FREE).all())  # at the center coherence is drawn as ever
    owned, settled = stage.tiles(shares(0.5, 0.0, 0.5, 0.0), LOUD)
    assert bool((owned == 0).all())
    assert bool((settled == FREE).all())
    assert one_place(SOURCES, PLAN) == [[0, 1], [2]]


def test_what_is_left_over_owns_nothing() -> None:
    owned, settled = Stage(PLAN, SOURCES).tiles(shares(0.0, 0.0, 0.0, 1.0), LOUD)
    assert bool((owned == 0).all())
    assert bool((settled == FREE).all())


def test_ownership_rises_between_its_thresholds() -> None:
    stage = Stage(PLAN, SOURCES, Placing(owned=(0.5, 0.9)))
    part = torch.linspace(0, 1, 21)
    values = torch.stack([0 * part, 0 * part, part, 1 - part])[:, None].expand(-1, BANDS, -1)
    owned, _ = stage.tiles(values, torch.full((BANDS, 21), 20.0))
    expected = ((part - 0.5) / 0.4).clamp(0, 1)
    torch.testing.assert_close(owned, expected.expand(BANDS, -1))


def test_masks_mix_places_and_diffuseness() -> None:
    stage = Stage(PLAN, SOURCES, Placing(diffuse_gain=1.0))
    direct, diffuse = stage.gains(
        masks(0.5, 0.0, 0.5, 0.0), POWER, LOUD, ZERO + 1, ZERO, ZERO + 0.2
    )
    torch.testing.assert_close(diffuse, torch.full_like(diffuse, 0.2 * (0.15 + 0.5)))
    panning = torch.full_like(direct, 0.5 * pan_gain(8.0))
    torch.testing.assert_close(direct, level_gain(panning, diffuse))


def test_drawn_panning_enters_free_tiles_only() -> None:
    stage, values = Stage(PLAN, SOURCES, Placing(drawn_gain=0.25)), masks(0.0, 0.0, 0.0, 1.0)
    owned = ZERO.clone()
    owned[10:] = 1
    direct, _ = stage.gains(values, POWER, LOUD, owned, ZERO + 0.8, ZERO)
    assert float(direct[:3].min()) == pytest.approx(0.2)
    assert float(direct[-1000:].abs().max()) == 0


def test_a_requested_width_scales_all_that_is_drawn() -> None:
    narrow = PLAN.placed("other-1", diffuseness=0.4)
    values = masks(0.0, 0.0, 1.0, 0.0)
    for level in (LOUD, -LOUD):
        usual, less = (
            Stage(plan, SOURCES).gains(values, POWER, level, ZERO, ZERO + 0.3, ZERO + 0.2)
            for plan in (PLAN, narrow)
        )
        torch.testing.assert_close(less[1], 0.4 * usual[1])
    torch.testing.assert_close(less[0], 0.4 * usual[0])  # in gaps there is drawn panning alone
    others = masks(0.5, 0.5, 0.0, 0.0)
    same = [
        Stage(plan, SOURCES).gains(others, POWER, LOUD, ZERO, ZERO + 0.3, ZERO + 0.2)
        for plan in (PLAN, narrow)
    ]
    torch.testing.assert_close(same[0], same[1])


def test_quiet_tiles_are_free() -> None:
    stage, placing = Stage(PLAN, SOURCES), Placing()
    quiet, own_all = ZERO + placing.loud[0], shares(0.0, 0.0, 1.0, 0.0)
    owned, settled = stage.tiles(own_all, quiet)
    assert bool((owned == 0).all())
    assert bool((settled == FREE).all())
    direct, diffuse = stage.gains(
        masks(0.0, 0.0, 1.0, 0.0), POWER, quiet, owned, ZERO + 0.4, ZERO + 0.3
    )
    torch.testing.assert_close(direct, torch.full_like(direct, 0.4 * placing.drawn_gain))
    torch.testing.assert_close(diffuse, torch.full_like(diffuse, 0.3))


def test_loud_tiles_are_drier() -> None:
    stage = Stage(PLAN, SOURCES, Placing(diffuse_gain=0.5))
    values = masks(0.0, 0.0, 1.0, 0.0)
    _, diffuse = stage.gains(values, POWER, LOUD, ZERO + 1, ZERO, ZERO + 0.4)
    torch.testing.assert_close(diffuse, torch.full_like(diffuse, 0.2))


@settings(max_examples=20)
@given(frames=st.integers(0, 30), places=st.lists(st.integers(0, 30), max_size=4))
def test_levels_are_relative_to_the_frames_around(frames: int, places: list[int]) -> None:
    power = torch.rand(TRANSFORM.bins, frames, generator=torch.Generator().manual_seed(frames))
    stream = LevelStream(9)
    found = torch.cat([*map(stream.push, cut(power, places)), stream.finish()], dim=-1)
    louder = LevelStream(9)
    scaled = torch.cat([louder.push(100 * power), louder.finish()], dim=-1)
    assert found.shape == (BANDS, frames)
    torch.testing.assert_close(found, scaled, atol=1e-3, rtol=0)
    if frames:
        assert float((10 ** (found / 10)).mean()) == pytest.approx(1, abs=0.25)


def test_a_constraint_gives_the_side_its_width_and_balance() -> None:
    requested = torch.full((len(DESCRIPTORS),), torch.nan)
    requested[DESCRIPTORS.index("width")] = 0.5
    requested[DESCRIPTORS.index("balance")] = 0.0
    stage = Stage(PLAN, SOURCES, constraint=StageConstraint(requested, 1.0))
    direct, diffuse = stage.gains(
        masks(0.2, 0.0, 0.8, 0.0), POWER, LOUD, ZERO + 1, ZERO, ZERO + 0.5
    )
    side = (POWER * (direct.square() + diffuse.square())).sum() / POWER.sum()
    left = (POWER * ((1 + direct).square() + diffuse.square())).sum()
    right = (POWER * ((1 - direct).square() + diffuse.square())).sum()
    assert 10 * float((left / right).log10()) == pytest.approx(0, abs=0.1)
    assert 2 * float(side.sqrt()) < 0.55


@settings(max_examples=30)
@given(
    frames=st.integers(0, 30),
    length=st.sampled_from([1, 3, 5, 9]),
    places=st.lists(st.integers(0, 30), max_size=5),
)
def test_a_moving_mean_does_not_depend_on_blocks(
    frames: int, length: int, places: list[int]
) -> None:
    values = torch.rand(2, frames, generator=torch.Generator().manual_seed(frames))
    mean = MovingMean(length)
    *first, last = cut(values, places)
    found = torch.cat([*map(mean.push, first), mean.finish(last)], dim=-1)
    assert found.shape == values.shape
    if frames:
        half = length // 2
        edges = [values[:, :1].expand(-1, half), values, values[:, -1:].expand(-1, half)]
        expected = torch.cat(edges, dim=-1).unfold(-1, length, 1).mean(dim=-1)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "wrong", [{"owned": (0.9, 0.5)}, {"smoothing": 4}, {"sharpness": 0}, {"loud": (1.0, 0.0)}]
)
def test_settings_are_checked(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"rise|odd|above"):
        Placing(**wrong)
