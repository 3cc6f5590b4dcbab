from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import soundstage
from sounds import chord, cut, noise, song, tone
from soundstage.audio import Audio
from soundstage.errors import OptionError
from soundstage.parallel import single_thread
from soundstage.separation.masking import MaskedSourceStream
from soundstage.separation.separator import SourceInfo
from soundstage.stereo import BANDS
from soundstage.stereo.encoding import BAND_EDGES, RATE, TRANSFORM, band_energy
from soundstage.upmixing.engine import upmix_blocks
from soundstage.upmixing.methods.separate import (
    DIFFUSE,
    RemixMethod,
)
from soundstage.upmixing.placing import SurveyedMethod
from soundstage.upmixing.plan import PlacedSource, Plan, make_plan
from soundstage.upmixing.registry import load_method
from soundstage.upmixing.song_pass import fit_to_song, plans_of
from soundstage.upmixing.stage_options import StageOptions

COHERENT, INCOHERENT = torch.ones(BANDS), torch.zeros(BANDS)
SPLIT = 1000.0  # Hz
SOURCES = (SourceInfo("low", "object"), SourceInfo("high", "object"))


class Crossover:
    """Two sources, below and above `SPLIT`."""

    rate, sources = RATE, SOURCES

    def stream(self) -> MaskedSourceStream:
        return MaskedSourceStream(self, self.sources)

    def push(self, spectrogram: Tensor, /) -> Tensor:
        is_high = torch.arange(TRANSFORM.bins) * RATE / TRANSFORM.frame > SPLIT
        masks = torch.stack([~is_high, is_high]).float()
        return masks[..., None].expand(-1, -1, spectrogram.shape[-1])

    def finish(self) -> Tensor:
        return torch.zeros(2, TRANSFORM.bins, 0)


def remix(*places: tuple[float, float], coherence: Tensor = COHERENT) -> RemixMethod:
    """Low and high at (pan in dB, diffuseness), the same in every take."""

    def plan(sources, seeds, energies):
        placed = [
            PlacedSource(source.name, source.kind, *place)
            for source, place in zip(sources, places, strict=True)
        ]
        return [Plan(tuple(placed), seed) for seed in seeds]

    return RemixMethod(Crossover(), coherence, plan)


def side(method: RemixMethod, mid: Tensor, *seeds: int) -> Tensor:
    stream = method.stream(seeds or [0])
    return torch.cat([stream.push(mid), stream.finish()], dim=-1)[:, 0]


@settings(max_examples=10)
@given(low=st.floats(-12, 12), high=st.floats(-12, 12))
def test_each_source_stands_where_the_plan_says(low: float, high: float) -> None:
    lows, highs = tone(30_000, hz=300), tone(30_000, hz=4000)
    made = side(remix((low, 0.0), (high, 0.0)), lows + highs)[0]
    for source, other, pan in ((lows, highs, low), (highs, lows, high)):
        middle = slice(5000, 25_000)
        gain = (made[middle] @ source[middle]) / (source[middle] @ source[middle])
        level = 20 * torch.log10((1 + gain) / (1 - gain)).item()
        assert level == pytest.approx(pan, abs=0.1), other


def test_the_side_is_the_sum_of_panned_and_diffuse_sources() -> None:
    mid = chord(40_000)
    panned = side(remix((6.0, 0.0), (-6.0, 0.0), coherence=INCOHERENT), mid)
    diffuse = side(remix((0.0, 0.5), (0.0, 0.8), coherence=INCOHERENT), mid)
    both = side(remix((6.0, 0.5), (-6.0, 0.8), coherence=INCOHERENT), mid)
    torch.testing.assert_close(both, panned + diffuse, atol=1e-6, rtol=1e-5)
    double = side(remix((0.0, 1.0), (0.0, 1.6), coherence=INCOHERENT), mid)
    torch.testing.assert_close(double, 2 * diffuse, atol=1e-6, rtol=1e-5)


def test_the_diffuse_part_has_its_share_of_the_energy_in_every_band_but_the_bass() -> None:
    mid = noise(100_000)
    coherence = load_method("decorrelate")._coherence
    made = side(remix((0.0, 1.0), (0.0, 2.0), coherence=coherence), mid)[0]
    middle = slice(20, 80)
    energies, mids = (
        band_energy(TRANSFORM.analyze(each))[:, middle].sum(dim=1) for each in (made, mid)
    )
    edges = torch.as_tensor(BAND_EDGES) * RATE / TRANSFORM.frame
    expected = DIFFUSE**2 * (1 - coherence) / (1 + coherence)
    low, high = (edges[:-1] > 300) & (edges[1:] < 900), edges[:-1] > 1200
    torch.testing.assert_close((energies / mids)[low], expected[low], rtol=0.2, atol=0)
    torch.testing.assert_close((energies / mids)[high], 4 * expected[high], rtol=0.2, atol=0)
    assert (energies / mids)[edges[1:] < 100].max() < 0.01 * expected.max()


def test_the_diffuse_part_moves_no_steady_note() -> None:
    mid = torch.stack([tone(100_000, hz=hz) for hz in (220.0, 523.0, 1318.0)]).sum(dim=0)
    for seed in range(3):
        made = side(remix((0.0, 1.0), (0.0, 1.0), coherence=INCOHERENT), mid, seed)[0]
        left, right = TRANSFORM.analyze(mid + made), TRANSFORM.analyze(mid - made)
        energies = band_energy(TRANSFORM.analyze(mid))[:, 30:70].mean(dim=1)
        levels = 10 * torch.log10(band_energy(left) / band_energy(right))[:, 30:70]
        loud = energies > 0.01 * energies.max()
        assert levels[loud].abs().max() < 0.5


def test_attacks_have_no_diffuse_part() -> None:
    mid = torch.zeros(60_000)
    mid[30_000:] = noise(30_000)
    made = side(remix((0.0, 1.0), (0.0, 1.0), coherence=INCOHERENT), mid)[0]
    at_attack, later = made[30_000:30_200], made[40_000:]
    assert at_attack.abs().max() < 0.1 * later.abs().max()


@settings(max_examples=6)
@given(places=st.lists(st.integers(0, 50_000), max_size=4))
def test_no_bit_depends_on_blocks_or_on_other_takes(places: list[int]) -> None:
    mid, method = song(50_000), remix((5.0, 0.5), (-7.0, 1.0), coherence=INCOHERENT)
    with single_thread():
        whole = side(method, mid, 0, 1, 2)
        stream = method.stream([1])
        parts = [stream.push(block) for block in cut(mid, places)]
        alone = torch.cat([*parts, stream.finish()], dim=-1)[0, 0]
    assert whole.shape == (3, 50_000)
    assert torch.equal(whole[1], alone)
    assert not torch.equal(whole[0], whole[1])


class SoftCrossover(Crossover):
    """Two sources, 0.8 and 0.2 of a bin, or the other way round."""

    def mask_stream(self) -> "SoftCrossover":
        return self

    def push(self, spectrogram: Tensor, /) -> Tensor:
        return 0.2 + 0.6 * super().push(spectrogram)


def test_masks_of_a_separator_are_sharper() -> None:
    method = RemixMethod(SoftCrossover(), COHERENT, lambda *_: [])
    masks = method.separator.mask_stream().push(torch.zeros(TRANSFORM.bins, 3))
    torch.testing.assert_close(masks.sum(dim=0), torch.ones(TRANSFORM.bins, 3))
    torch.testing.assert_close(masks[0, 0], torch.full((3,), 0.8**2 / (0.8**2 + 0.2**2)))


def test_the_sources_of_the_method_are_those_that_it_remixes() -> None:
    mid = song(40_000)
    places = [PlacedSource("low", "object", 6.0, 0.0), PlacedSource("high", "object", -3.0, 0.0)]
    plan = Plan(tuple(places))
    method = RemixMethod(SoftCrossover(), COHERENT, lambda *_: [plan])
    stream = method.separator.stream()
    sources = torch.cat([stream.push(mid), stream.finish()], dim=-1)
    torch.testing.assert_close(sources.sum(dim=0), mid, atol=1e-6, rtol=0)
    expected = torch.tensor(plan.to_gains(), dtype=torch.float32) @ sources
    torch.testing.assert_close(side(method, mid)[0], expected, atol=1e-6, rtol=1e-5)


def test_silence_stays_silent() -> None:
    assert not side(remix((5.0, 1.0), (-5.0, 1.0), coherence=INCOHERENT), torch.zeros(30_000)).any()


class SurveyedCrossover(Crossover):
    """Knows the loudness of its sources after a survey."""

    def survey(self) -> "SurveyedCrossover":
        return type(self)()

    def __init__(self) -> None:
        self.heard = 0.0

    def push(self, mono: Tensor, /) -> Tensor:
        if mono.ndim == 2:
            return super().push(mono)
        self.heard += mono.square().sum().item()
        return mono

    def finish(self) -> Tensor:
        if self.heard:
            fitted = Crossover()
            fitted.balance_energies = np.ones((2, 5)) * self.heard
            return fitted
        return Crossover()


def test_the_survey_of_the_separator_fits_the_method_to_a_song() -> None:
    seen = []

    def plan(sources, seeds, energies):
        seen.append(energies)
        return [make_plan(sources, seed, method="separate", energies=energies) for seed in seeds]

    method = SurveyedMethod(SurveyedCrossover(), lambda fitted: RemixMethod(fitted, COHERENT, plan))
    mid = song(50_000)
    fitted = fit_to_song(method, [mid.numpy()], RATE)
    plans = plans_of(fitted, [0, 1])
    np.testing.assert_allclose(seen[-1], mid.square().sum().item(), rtol=1e-5)
    assert [plan.method for plan in plans] == ["separate", "separate"]
    assert plans_of(method, [0])[0].sources  # a stream that nobody surveyed has places too
    assert seen[-1] is None


MELODY = sum(
    (
        torch.nn.functional.pad(tone(40_000, hz=hz * n, level=0.1 / n), (start, 40_000 - start))
        for hz, start in ((130.0, 0), (392.0, 20_000), (1318.5, 40_000))
        for n in (1, 2, 3)
    ),
    start=torch.zeros(80_000),
)
"""Three notes, one after the other, that overlap."""


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_formation_runs_at_any_rate_and_folds_down_to_the_mono(rate: int) -> None:
    mono = song(rate, rate=rate).numpy()[None]
    stereo = soundstage.upmix(Audio(mono, rate), method="formation").samples
    np.testing.assert_allclose(stereo.mean(axis=0), mono[0], atol=1e-6)
    assert (stereo[0] - stereo[1]).std() > 0.02 * mono.std()


def test_takes_of_formation_differ_in_who_stands_where() -> None:
    method = load_method("formation")
    fitted = fit_to_song(method, [MELODY.numpy()], RATE)
    one, other = plans_of(fitted, [0, 1])
    movable = [
        abs(a.pan_db - b.pan_db)
        for a, b in zip(one.sources, other.sources, strict=True)
        if a.pan_db
    ]
    assert len(movable) >= 2
    assert np.mean(movable) >= 4
    assert one.method == "formation"


def test_formation_upmixes_a_stream_that_it_does_not_know() -> None:
    method = load_method("formation")
    blocks = list(upmix_blocks([MELODY.numpy()], method, RATE, seeds=[0]))
    made = np.concatenate([block[0].side for block in blocks])
    assert made.shape == (80_000,)
    assert made.std() > 0.05 * MELODY.std()


def test_separate_takes_any_separator_and_requested_places() -> None:
    mid = MELODY.numpy()
    stage = StageOptions(place="other=left", separator="formation")
    fitted = fit_to_song(load_method("separate", stage=stage), [mid], RATE)
    (plan,) = plans_of(fitted, [0])
    assert {source.name for source in plan.sources} >= {"other-1", "residual"}
    assert all(source.pan_db > 6 for source in plan.sources if source.kind == "object")
    with pytest.raises(OptionError, match="separator"):
        StageOptions(separator="nothing")
    with pytest.raises(OptionError, match="no choice of separator"):
        load_method("formation", stage=StageOptions(separator="hpss"))


def test_stems_of_the_user_are_placed_exactly(tmp_path: Path) -> None:
    lead, rest = tone(60_000, hz=660), chord(60_000)
    Audio(lead.numpy()[None], RATE).write(tmp_path / "lead.wav", bit_depth="float")
    Audio(rest.numpy()[None], RATE).write(tmp_path / "piano.wav", bit_depth="float")
    stage = StageOptions(place="lead=9", stems=tmp_path)
    method = fit_to_song(load_method("separate", stage=stage), [(lead + rest).numpy()], RATE)
    (plan,) = plans_of(method, [0])
    gains = dict(zip((source.name for source in plan.sources), plan.to_gains(), strict=True))
    assert gains["lead"] == pytest.approx(np.tanh(9 * np.log(10) / 40))
    still = RemixMethod(method.separator, COHERENT, lambda *_: [plan])
    made = side(still, lead + rest)[0]
    expected = gains["lead"] * lead + gains["piano"] * rest
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-4)
