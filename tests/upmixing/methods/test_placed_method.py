from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, decibels, noise, song
from soundstage.errors import OptionError
from soundstage.separation.separator import SourceInfo
from soundstage.stereo import TRANSFORM, to_left_right
from soundstage.stereo.encoding import SILENCE
from soundstage.upmixing import Style, fit_to_song, make_side, plans_of, upmix_blocks
from soundstage.upmixing.generative.ownership import SETTINGS, Placing
from soundstage.upmixing.generative.style import parse_style
from soundstage.upmixing.methods.masked import MaskedDecoding, MaskedSampler
from soundstage.upmixing.methods.placed import PlacedMethod
from soundstage.upmixing.placing import SurveyedMethod
from soundstage.upmixing.plan import PlacedSource, Plan
from soundstage.upmixing.song_pass import needs_survey, plan_takes
from soundstage.upmixing.stage_options import StageOptions
from tiny import MASKED, generative_network, style_prior

RATE = 44_100
EDGES = (0, 60, 400, TRANSFORM.bins)  # bins of the sources: 0, 650 and 4300 Hz
PANS = (0.0, 8.0, -6.0)
SOURCES = (
    SourceInfo("bass", "bass", 0.4, 150.0, 1.0),
    SourceInfo("other-1", "object", 0.3, 2000.0, 1.0),
    SourceInfo("other-2", "object", 0.3, 9000.0, 1.0),
)
NETWORK = generative_network("masked")


class Ranges:
    """Sources in ranges of frequency, known exactly."""

    rate = RATE

    def __init__(self, sources: Sequence[SourceInfo] = SOURCES) -> None:
        self.sources = tuple(sources)
        bins = torch.arange(TRANSFORM.bins)
        inside = [(low <= bins) & (bins < high) for low, high in pairwise(EDGES)]
        self.mask = torch.stack(inside).float()

    def mask_stream(self) -> "Ranges":
        return self

    def push(self, spectrogram: torch.Tensor) -> torch.Tensor:
        return self.mask[..., None].expand(-1, -1, spectrogram.shape[1])

    def finish(self) -> torch.Tensor:
        return self.mask[..., None][..., :0]


class Late(Ranges):
    """The same, with frames held back."""

    def mask_stream(self) -> "Late":
        self.waiting = 0
        return self

    def push(self, spectrogram: torch.Tensor) -> torch.Tensor:
        self.waiting += spectrogram.shape[1]
        ready = max(self.waiting - 7, 0)
        self.waiting -= ready
        return self.mask[..., None].expand(-1, -1, ready)

    def finish(self) -> torch.Tensor:
        return self.mask[..., None].expand(-1, -1, self.waiting)


class OfSong:
    """Knows the centroids of the sources after a survey."""

    rate = RATE

    def survey(self) -> "OfSong":
        self.samples = 0
        return self

    def push(self, mono: torch.Tensor) -> None:
        self.samples += len(mono)

    def finish(self) -> Ranges:
        unknown = [replace(each, centroid=0.0, energy=0.0, activity=0.0) for each in SOURCES]
        return Ranges(SOURCES if self.samples else unknown)


def plans(sources, seeds, energies=None, *, pans=PANS, diffuseness=0.0) -> list[Plan]:
    """Even seeds have the pans, odd ones their mirror."""
    return [
        Plan(
            tuple(
                PlacedSource(each.name, each.kind, (-1) ** seed * pan, diffuseness)
                for each, pan in zip(sources, pans, strict=True)
            ),
            seed,
            "placed",
        )
        for seed in seeds
    ]


def by_rules(stage: StageOptions | None = None, style: Style | None = None):
    stage = stage or StageOptions()

    def plan(sources, seeds, energies=None):
        return plan_takes(sources, seeds, method="placed", stage=stage, style=style)

    return plan


EXACT = Placing(loud=(-90.0, -80.0), drawn_gain=0.0, diffuse_gain=1.0)  # the plan everywhere


def sampler(style: Style | None = None) -> MaskedSampler:
    return MaskedSampler(NETWORK, MASKED, MaskedDecoding(2, 3), style, prior=style_prior())


def method(
    plan=plans, separator=None, style: Style | None = None, placing: Placing = SETTINGS
) -> PlacedMethod:
    return PlacedMethod(separator or Ranges(), sampler(style), plan, placing)


def run(upmixer, sound: torch.Tensor, seeds=(0,), places=()) -> torch.Tensor:
    """The side of every take."""
    stream = upmixer.stream(list(seeds))
    with torch.inference_mode():
        parts = [*map(stream.push, cut(sound, places)), stream.finish()]
    return torch.cat(parts, dim=-1)[:, 0]


def levels(side: torch.Tensor, sound: torch.Tensor) -> list[float]:
    """Left over right in dB in the middle of the range of each source."""
    left, right = (TRANSFORM.analyze(each).abs().square() for each in to_left_right(sound, side))
    found = []
    for low, high in pairwise(EDGES):
        inside = slice(low + 8, high - 8)
        ratio = (left[inside].sum() + SILENCE) / (right[inside].sum() + SILENCE)
        found.append(10 * float(ratio.log10()))
    return found


SOUND = noise(90_000)


@pytest.mark.parametrize("diffuseness", [0.0, 0.5])
def test_sources_stand_where_the_plan_says(diffuseness: float) -> None:
    def plan(sources, seeds, energies=None):
        return plans(sources, seeds, diffuseness=diffuseness)

    assert levels(run(method(plan, placing=EXACT), SOUND)[0], SOUND) == pytest.approx(PANS, abs=0.5)


def test_sources_stand_near_their_places_with_the_default_settings() -> None:
    found = levels(run(method(), SOUND)[0], SOUND)
    assert abs(found[0]) < 2
    assert 3 < found[1] < 10
    assert -9 < found[2] < -2.5


def test_takes_follow_their_plans_alone_and_beside_others() -> None:
    exact = method(placing=EXACT)
    together = run(exact, SOUND, [0, 1, 4])
    assert levels(together[1], SOUND) == pytest.approx([-pan for pan in PANS], abs=0.3)
    for take, seed in enumerate([0, 1, 4]):
        assert torch.equal(run(exact, SOUND, [seed])[0], together[take])


@settings(max_examples=3)
@given(
    length=st.sampled_from([1023, 40_000]),
    places=st.lists(st.integers(0, 70_000), max_size=4),
    late=st.booleans(),
)
def test_blocks_of_any_size_give_the_same_side(length: int, places: list[int], late: bool) -> None:
    sound, separator = song(length), Late() if late else Ranges()
    whole = run(method(by_rules(), Ranges()), sound, [3])
    parts = run(method(by_rules(), separator), sound, [3], places)
    assert parts.shape == (1, length)
    torch.testing.assert_close(parts, whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_the_fold_down_returns_the_input(rate: int) -> None:
    mono = song(30_000, rate=rate).numpy()
    blocks = list(upmix_blocks([mono], method(by_rules()), rate, seeds=[0]))
    stereo = np.concatenate([take.left_right() for (take,) in blocks], axis=1)
    assert decibels(stereo.mean(axis=0) - mono, mono) < -140
    assert decibels(stereo[0] - stereo[1], mono) > -30


@pytest.mark.parametrize("length", [0, 1])
def test_the_shortest_sounds_keep_their_length(length: int) -> None:
    assert run(method(by_rules()), SOUND[:length], [0, 1]).shape == (2, length)


def test_silence_stays_silent() -> None:
    assert float(run(method(by_rules()), torch.zeros(50_000)).abs().max()) < 1e-9


def test_a_survey_decides_who_stands_where() -> None:
    upmixer = SurveyedMethod(OfSong(), lambda fitted: PlacedMethod(fitted, sampler(), by_rules()))
    assert needs_survey(upmixer)
    fitted = fit_to_song(upmixer, [SOUND.numpy()], RATE)
    assert not needs_survey(fitted)
    plan, mirrored = plans_of(fitted, [0, 1])
    bass, low, high = (source.pan_db for source in plan.sources)
    assert bass == 0
    assert low * high < 0
    assert abs(high) > abs(low) > 2
    assert [source.pan_db for source in mirrored.sources] == [0, -low, -high]
    side = make_side(upmixer, SOUND)[0]
    torch.testing.assert_close(side, run(fitted, SOUND)[0])


def test_a_stream_that_is_not_surveyed_has_steady_places() -> None:
    upmixer = SurveyedMethod(OfSong(), lambda fitted: PlacedMethod(fitted, sampler(), by_rules()))
    plan = plans_of(upmixer, [0])[0]
    side = run(upmixer, noise(150_000))[0]
    first, second = (
        levels(part, sound)
        for part, sound in zip(side.chunk(2), noise(150_000).chunk(2), strict=True)
    )
    assert first == pytest.approx(second, abs=1.5)
    signs = [np.sign(source.pan_db) for source in plan.sources[1:]]
    assert [np.sign(value) for value in first[1:]] == signs


def test_requested_places_move_their_source_alone() -> None:
    usual, moved = (
        method(by_rules(StageOptions(place=place))).plans([0])[0] for place in (None, "other-2=3")
    )
    assert moved.sources[2].pan_db == 3
    assert moved.sources[:2] == usual.sources[:2]
    style = parse_style("bass left")
    assert method(by_rules(style=style)).plans([0])[0].sources[0].pan_db == 8


def test_energies_of_the_separator_balance_the_stage() -> None:
    given: list = []

    def plan(sources, seeds, energies=None):
        given.append(energies)
        return plans(sources, seeds)

    separator = Ranges()
    separator.balance_energies = np.ones((3, 5))
    method(plan, separator).plans([0])
    assert given[0] is separator.balance_energies


def test_a_requested_width_is_met() -> None:
    def width(style: Style | None) -> float:
        side = run(method(style=style, placing=EXACT), SOUND)[0]
        return 2 * float((side.square().mean() / SOUND.square().mean()).sqrt())

    assert width(None) == pytest.approx(0.7, abs=0.1)
    assert width(Style(width=0.45)) == pytest.approx(0.45, abs=0.04)


def test_what_no_source_owns_is_drawn() -> None:
    free = [replace(each, kind="residual") for each in SOURCES]

    def plan(sources, seeds, energies=None):
        return plans(sources, seeds, pans=(0.0, 0.0, 0.0), diffuseness=1.0)

    sound = song(90_000)
    one, other = run(method(plan, Ranges(free)), sound, [0, 2])
    assert decibels(one, sound) > -20
    assert decibels(one - other, sound) > -25


def test_the_delay_is_bounded() -> None:
    stream = method(by_rules(), Late()).stream([0])
    window = MASKED.context_frames * MASKED.stride * TRANSFORM.hop
    pushed = done = 0
    with torch.inference_mode():
        for block in noise(60 * 16_384).split(16_384):
            pushed += len(block)
            done += stream.push(block).shape[-1]
            assert pushed - done < window + 110 * TRANSFORM.hop
    for queue in (stream._smoothed, stream._spectrogram, stream._power, stream._owned):
        assert len(queue) < window / TRANSFORM.hop + 110


def test_a_separator_without_masks_is_refused() -> None:
    class Waveforms:
        rate, sources = RATE, SOURCES

    with pytest.raises(OptionError, match="by masks"):
        method(separator=Waveforms())
