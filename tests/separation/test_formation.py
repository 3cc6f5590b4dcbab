import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sounds import cut, noise, song, tone
from soundstage.parallel import single_thread
from soundstage.separation.formation import (
    RATE,
    SOURCES,
    TEXTURE,
    Formation,
    FormationSeparator,
    load,
)
from soundstage.separation.formation_sources import (
    default_sources,
    find_sources,
    join,
    k_means,
)
from soundstage.separation.stage_balance import BALANCE_EDGES
from soundstage.stereo.encoding import TRANSFORM

NOTE = RATE // 2  # samples


def melody(pitches: list[float], partials: list[float]) -> Tensor:
    """Notes of half a second at these pitches in Hz (0 is a pause), with amplitudes of partials."""
    ramp = torch.linspace(0, 1, 200)
    shape = torch.cat([ramp, torch.ones(NOTE - 400), ramp.flip(0)])
    notes = [
        sum(
            (tone(NOTE, hz=hz * n, level=level) for n, level in enumerate(partials, 1)),
            start=torch.zeros(NOTE),
        )
        for hz in pitches
    ]
    return torch.cat(
        [shape * note if hz else note for note, hz in zip(notes, pitches, strict=True)]
    )


def fitted(mono: Tensor, sources: int = SOURCES) -> FormationSeparator:
    survey = Formation(sources).survey()
    survey.push(mono)
    return survey.finish()


def separated(separator: FormationSeparator, mono: Tensor) -> Tensor:
    stream = separator.stream()
    return torch.cat([stream.push(mono), stream.finish()], dim=-1)


def share_db(estimate: Tensor, wanted: Tensor, other: Tensor) -> float:
    """How much more of one signal than of another is in an estimate, in dB."""
    one, two = ((estimate @ each / (each @ each)).abs() for each in (wanted, other))
    return 20 * torch.log10(one / two.clamp(min=1e-6)).item()


LOW = melody([220, 247, 0, 220, 262, 0, 0, 0, 247, 220, 220, 0], [0.2, 0.1, 0.08, 0.05, 0.03])
HIGH = melody([0, 830, 932, 0, 830, 880, 0, 0, 0, 988, 830, 880], [0.12, 0.1, 0.06, 0.06, 0.05])


def test_two_instruments_are_told_apart_and_found_again_after_a_pause() -> None:
    mono = LOW + HIGH
    separator = fitted(mono, 3)
    bass, low, high, residual = separated(separator, mono)
    for part in (slice(0, 6 * NOTE), slice(8 * NOTE, None)):
        assert share_db(low[part], LOW[part], HIGH[part]) > 10
        assert share_db(high[part], HIGH[part], LOW[part]) > 10
    assert low @ LOW / (LOW @ LOW) > 0.8
    assert high @ HIGH / (HIGH @ HIGH) > 0.8
    assert (bass + residual).square().sum() < 0.02 * mono.square().sum()
    _, lower, higher, _ = separator.sources
    assert 220 < lower.centroid < 600 < 830 < higher.centroid
    assert lower.kind == higher.kind == "object"
    assert (lower.name, higher.name) == ("other-1", "other-2")


def test_what_lies_between_the_lines_is_in_the_residual() -> None:
    hiss = noise(2 * RATE, level=0.01)
    steady = tone(2 * RATE, hz=440, level=0.3)
    sources = separated(fitted(steady + hiss), steady + hiss)
    assert sources[-1] @ hiss / (hiss @ hiss) > 0.5
    assert sources[-1] @ steady / (steady @ steady) < 0.02


def test_the_bass_is_a_source_whatever_else_plays() -> None:
    low = melody([65, 65, 73, 73, 65, 65, 0, 0, 82, 82, 65, 65], [0.3])
    mono = LOW + HIGH + low
    separator = fitted(mono, 3)
    bass, *others = separator.sources
    assert (bass.name, bass.kind) == ("bass", "bass")
    assert 65 < bass.centroid < 82
    assert [source.kind for source in others] == ["object", "object", "residual"]
    assert [source.name for source in others] == ["other-1", "other-2", "residual"]
    signal = separated(separator, mono)[0]
    assert share_db(signal, low, LOW + HIGH) > 20
    assert signal @ low / (low @ low) > 0.9


def test_facts_of_the_sources() -> None:
    separator = fitted(LOW + HIGH, 3)
    energies = [source.energy for source in separator.sources]
    assert sum(energies) == pytest.approx(1)
    truth = (LOW.square().sum() / (LOW.square().sum() + HIGH.square().sum())).item()
    assert energies[1] == pytest.approx(truth, abs=0.1)
    assert all(0 <= source.activity <= 1 for source in separator.sources)
    bands = separator.balance_energies
    assert bands.shape == (4, len(BALANCE_EDGES) - 1)
    assert bands[1, :3].sum() > 0.8 * bands[1].sum()
    assert bands[2, 1:].sum() > 0.8 * bands[2].sum()


@settings(max_examples=4)
@given(length=st.integers(1, 40_000), places=st.lists(st.integers(0, 40_000), max_size=4))
def test_sources_add_up_whatever_the_blocks(length: int, places: list[int]) -> None:
    mono = song(length)
    separator = fitted(mono)
    with single_thread():
        whole = separated(separator, mono)
        stream = separator.stream()
        parts = [stream.push(block) for block in cut(mono, places)]
        blocks = torch.cat([*parts, stream.finish()], dim=-1)
    assert whole.shape == (len(separator.sources), length)
    assert 3 <= len(separator.sources) <= SOURCES + 1
    assert (whole.sum(dim=0) - mono).abs().max() < 1e-6
    assert torch.equal(whole, blocks)


@pytest.mark.parametrize("length", [1, TEXTURE * TRANSFORM.hop, 30_000])
def test_a_survey_does_not_depend_on_blocks(length: int) -> None:
    mono = song(length)
    with single_thread():
        survey = Formation().survey()
        for block in cut(mono, [10, 5000, 17_000]):
            survey.push(block)
        assert survey.finish().sources == fitted(mono).sources


def test_silence_stays_silent_and_has_sources() -> None:
    silence = torch.zeros(30_000)
    separator = fitted(silence)
    assert len(separator.sources) == SOURCES + 1
    assert not separated(separator, silence).any()


def test_masks_are_shares() -> None:
    spectrogram = TRANSFORM.analyze(song(30_000))
    separator = fitted(song(30_000))
    masks = separator.mask_stream()
    whole = torch.cat([masks.push(spectrogram), masks.finish()], dim=-1)
    assert whole.shape == (len(separator.sources), *spectrogram.shape)
    assert whole.min() >= 0
    torch.testing.assert_close(whole.sum(dim=0), torch.ones(spectrogram.shape))


def test_the_separator_runs_without_a_survey() -> None:
    mono = song(30_000)
    separator = load().survey().finish()
    assert separator.balance_energies is None
    assert not any(source.energy for source in separator.sources)
    sources = separated(separator, mono)
    assert (sources.sum(dim=0) - mono).abs().max() < 1e-6
    assert (sources.square().sum(dim=-1) > 0).sum() >= 3


def test_prototypes_are_the_centers_of_separate_groups() -> None:
    generator = np.random.default_rng(0)
    centers = default_sources(4).prototypes * 4
    groups = np.repeat(np.arange(3), 40)
    points = centers[groups] + 0.1 * generator.standard_normal((120, centers.shape[1]))
    means = k_means(points, np.ones(120), 3)
    np.testing.assert_allclose(means, centers, atol=0.1)


def test_prototypes_that_play_together_are_one_source() -> None:
    generator = np.random.default_rng(0)
    centers = default_sources(5).prototypes * 8
    window, group = (each.ravel() for each in np.meshgrid(range(60), range(4), indexing="ij"))
    together = window % 4 < 2  # the lowest and the third, against the second and the highest
    power = np.where((group % 2 == 0) == together, 1.0, 1e-4)
    points = centers[group] + 0.1 * generator.standard_normal((240, centers.shape[1]))
    found = find_sources(points, power, window, 3)
    nearest = ((found.prototypes[:, None] - centers) ** 2).sum(axis=-1).argmin(axis=1)
    assert len(set(zip((nearest % 2).tolist(), found.source.tolist(), strict=True))) == 2


@given(count=st.integers(1, 6), items=st.integers(1, 9), seed=st.integers(0, 99))
def test_join_leaves_that_many_groups(count: int, items: int, seed: int) -> None:
    half = np.random.default_rng(seed).random((items, items))
    groups = join(half + half.T, count)
    assert set(groups.tolist()) == set(range(min(count, items)))
